"""Shingles of texts, their MinHash signatures, and the keys under which near-duplicates meet.

A shingle is `ngram` words in a row, or `han_ngram` where the first of them is a Han character, because a Han character
says less than an English word; a text with fewer words than either is one shingle of all of them. The share of
shingles that two texts have in common, of those that either has, is their Jaccard similarity.

A. Broder, "On the resemblance and containment of documents" (1997): the smallest value of a hash function over a set is
equal for two sets with a probability of about their similarity. Here the functions are `a * x + b` modulo 2**32 on 32
well mixed bits of each shingle's hash, `a` odd; a and b come from a fixed generator and belong to the version.
"""

import numpy as np
import numpy.typing as npt

from massivetext.text.arrays import Offsets
from massivetext.text.characters import At, Positions, longest_document
from massivetext.text.compiling import kernel
from massivetext.text.words import HAN_BIT, HASH_START, Hashes, Words, mix

MINHASH_VERSION = 2
"""Grows whenever the same text could give other shingles or signatures."""
MOST = np.uint32(0xFFFFFFFF)
SHINGLE_FACTOR = np.uint64(0x9E3779B97F4A7C15)
UPPER_HALF = np.uint64(32)
TOGETHER = 4
"""Hash functions for which the shingles are read once."""

Signatures = npt.NDArray[np.uint32]


def hash_functions(count: int) -> tuple[Signatures, Signatures]:
    """Return the factors (odd) and summands of the first `count` hash functions; more begin with the same ones."""
    numbers = np.random.Generator(np.random.PCG64(1)).integers(0, 2**32, (count, 2), dtype=np.uint32)
    return numbers[:, 0] | np.uint32(1), numbers[:, 1].copy()


def signatures(words: Words, hashes: int, ngram: int, han_ngram: int) -> tuple[Signatures, Offsets]:
    """Return (texts, hashes) MinHash signatures, and how many shingles each text has; one without words has 0."""
    factors, summands = hash_functions(-(-hashes // TOGETHER) * TOGETHER)
    texts = len(words.offsets) - 1
    found, counts = np.empty((texts, len(factors)), np.uint32), np.zeros(texts, np.int64)
    _sign(words.hashes, words.offsets, ngram, han_ngram, factors, summands, found, counts)
    return np.ascontiguousarray(found[:, :hashes]), counts


def shingle_sets(words: Words, ngram: int, han_ngram: int) -> tuple[Hashes, Offsets]:
    """Return the 64-bit hashes of each text's different shingles, ascending, and the texts' offsets in them."""
    found, offsets = np.empty(len(words.hashes), np.uint64), np.zeros(len(words.offsets), np.int64)
    _collect(words.hashes, words.offsets, ngram, han_ngram, found, offsets)
    return found[: offsets[-1]], offsets


def band_keys(signed: Signatures, bands: int, rows: int) -> Hashes:
    """Return (bands, texts) keys, the 64-bit hash of each band's `rows` values of a signature.

    Two texts with equal keys in one band are candidates; of similarity s they are so with probability
    1 - (1 - s**rows)**bands.
    """
    keys = np.empty((bands, len(signed)), np.uint64)
    _key_bands(signed, rows, keys)
    return keys


@kernel
def shingle(hashes: Hashes, start: int, end: int) -> np.uint64:
    """Return the hash of the words start to end, in their order: the polynomial of their hashes, mixed."""
    value = np.uint64(0)
    for at in range(start, end):
        value = value * SHINGLE_FACTOR + hashes[at]
    return mix(value)


@kernel
def powers(most: int) -> Hashes:
    """Return SHINGLE_FACTOR to the powers 0 to `most`."""
    found = np.ones(most + 1, np.uint64)
    for power in range(most):
        found[power + 1] = found[power] * SHINGLE_FACTOR
    return found


@kernel
def shingle_document(
    hashes: Hashes, start: int, end: int, ngram: int, han_ngram: int, factors: Hashes, sums: Hashes, out: Hashes
) -> int:
    """Write the hashes of the shingles of the words start to end and return how many they are.

    Each is that of `shingle`, from the difference of two sums from the document's beginning, so that its length costs
    nothing. sums: (words + 1,), room to work in; factors: `powers` of the longer length.
    """
    words = end - start
    total = np.uint64(0)
    sums[0] = total
    for at in range(words):
        total = total * SHINGLE_FACTOR + hashes[start + at]
        sums[at + 1] = total
    count = 0
    for at in range(words):
        size = han_ngram if hashes[start + at] & HAN_BIT else ngram
        if at + size <= words:
            out[count] = mix(sums[at + size] - sums[at] * factors[size])
            count += 1
    if words and not count:
        out[0], count = mix(total), 1
    return count


@kernel
def _sign(
    hashes: Hashes,
    offsets: Offsets,
    ngram: int,
    han_ngram: int,
    factors: Signatures,
    summands: Signatures,
    found: Signatures,
    counts: Offsets,
) -> None:
    """Write signatures and numbers of shingles."""
    longest = longest_document(offsets)
    sums, shingles, values = (
        np.empty(longest + 1, np.uint64),
        np.empty(longest, np.uint64),
        np.empty(longest, np.uint32),
    )
    powered = powers(max(ngram, han_ngram))
    for document in range(len(offsets) - 1):
        start, end = offsets[document], offsets[document + 1]
        count = shingle_document(hashes, start, end, ngram, han_ngram, powered, sums, shingles)
        for at in range(count):
            values[at] = np.uint32(shingles[at] >> UPPER_HALF)
        counts[document] = count
        for function in range(0, len(factors), TOGETHER):
            part = slice(function, function + TOGETHER)
            write_smallest(values[:count], factors[part], summands[part], found[document, part])


@kernel
def write_smallest(values: Signatures, factors: Signatures, summands: Signatures, found: Signatures) -> None:
    """Write the smallest value of each of TOGETHER hash functions; the compiler turns the loop into vectors."""
    least_0, least_1, least_2, least_3 = MOST, MOST, MOST, MOST
    for at in range(len(values)):
        value = values[at]
        least_0 = min(least_0, np.uint32(factors[0] * value + summands[0]))
        least_1 = min(least_1, np.uint32(factors[1] * value + summands[1]))
        least_2 = min(least_2, np.uint32(factors[2] * value + summands[2]))
        least_3 = min(least_3, np.uint32(factors[3] * value + summands[3]))
    found[0], found[1], found[2], found[3] = least_0, least_1, least_2, least_3


@kernel
def _collect(hashes: Hashes, offsets: Offsets, ngram: int, han_ngram: int, found: Hashes, set_offsets: Offsets) -> None:
    """Write each document's different shingles, sorted."""
    out = 0
    longest = longest_document(offsets)
    sums, shingles = np.empty(longest + 1, np.uint64), np.empty(longest, np.uint64)
    starts = np.empty(2 * longest + 2, np.int32)
    powered = powers(max(ngram, han_ngram))
    for document in range(len(offsets) - 1):
        start, end = offsets[document], offsets[document + 1]
        begin = out
        count = shingle_document(hashes, start, end, ngram, han_ngram, powered, sums, shingles)
        out += count
        sort_hashes(shingles, count, starts, found[begin:out])
        last = begin
        for at in range(begin, out):
            if at == begin or found[at] != found[at - 1]:
                found[last] = found[at]
                last += 1
        out = last
        set_offsets[document + 1] = out


@kernel
def sort_hashes(values: Hashes, count: int, starts: Positions, out: Hashes) -> None:
    """Write the first `count` values, which are hashes, to `out` in ascending order.

    Each goes to about its place by its upper bits, one value a place, and then past the few that it came before; so the
    time grows with the count alone. starts: (2 * count + 2,), room to work in.
    """
    bits = 1
    while 1 << bits < count:
        bits += 1
    shift = At(64 - bits)
    for place in range((1 << bits) + 1):
        starts[place] = 0
    for index in range(count):
        starts[(values[index] >> shift) + At(1)] += 1
    for place in range(1 << bits):
        starts[place + 1] += starts[place]
    for index in range(count):
        place = values[index] >> shift
        out[At(starts[place])] = values[index]
        starts[place] += 1
    for index in range(1, count):
        value, at = out[index], index
        while at > 0 and out[At(at - 1)] > value:
            out[At(at)] = out[At(at - 1)]
            at -= 1
        out[At(at)] = value


@kernel
def _key_bands(signed: Signatures, rows: int, keys: Hashes) -> None:
    """Write the keys of all bands."""
    for band in range(len(keys)):
        for document in range(len(signed)):
            value = HASH_START
            for row in range(band * rows, (band + 1) * rows):
                value = (value ^ np.uint64(signed[document, row])) * SHINGLE_FACTOR
                value ^= value >> UPPER_HALF
            keys[band, document] = mix(value)


@kernel
def common(left: Hashes, right: Hashes) -> int:
    """Return how many numbers two ascending arrays without repetitions have in common."""
    found, i, j = 0, 0, 0
    while i < len(left) and j < len(right):
        if left[i] == right[j]:
            found += 1
            i += 1
            j += 1
        elif left[i] < right[j]:
            i += 1
        else:
            j += 1
    return found


@kernel
def jaccard(left: Hashes, right: Hashes, least: float) -> float:
    """Return the Jaccard similarity of two ascending arrays without repetitions, or 0 where their sizes alone put it
    below `least`."""
    if min(len(left), len(right)) < least * max(len(left), len(right)):
        return 0.0
    shared = common(left, right)
    return shared / (len(left) + len(right) - shared)
