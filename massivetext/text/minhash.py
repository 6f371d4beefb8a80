"""Shingles of texts, their MinHash signatures, and the band keys that near-duplicates share.

A shingle is a run of `ngram` words, or of `han_ngram` words if the first is a Han character, because a Han character
carries less information than an English word. A text too short for any shingle is one shingle of all its words. The
Jaccard similarity of two texts is the number of shingles that they share, divided by the number that either has.

A. Broder, "On the resemblance and containment of documents" (1997): the minimum of a hash function over a set is equal
for two sets with a probability of about their similarity. The functions here are `a * x + b` modulo 2**32 with odd `a`,
on 32 well-mixed bits of each shingle's hash. a and b come from a fixed generator and are part of the version.
"""

import numpy as np
import numpy.typing as npt

from massivetext.text.arrays import Offsets
from massivetext.text.characters import At, Positions, longest_document
from massivetext.text.compiling import kernel
from massivetext.text.words import HAN_BIT, HASH_START, Hashes, Words, mix

MINHASH_VERSION = 2
"""Incremented when the same text could give different shingles or signatures."""
MOST = np.uint32(0xFFFFFFFF)
SHINGLE_FACTOR = np.uint64(0x9E3779B97F4A7C15)
UPPER_HALF = np.uint64(32)
TOGETHER = 4
"""Number of hash functions computed in one pass over the shingles."""

Signatures = npt.NDArray[np.uint32]


def hash_functions(count: int) -> tuple[Signatures, Signatures]:
    """Return the odd factors and the summands of the first `count` hash functions; a larger count only adds more."""
    numbers = np.random.Generator(np.random.PCG64(1)).integers(0, 2**32, (count, 2), dtype=np.uint32)
    return numbers[:, 0] | np.uint32(1), numbers[:, 1].copy()


def signatures(words: Words, hashes: int, ngram: int, han_ngram: int) -> tuple[Signatures, Offsets]:
    """Return (texts, hashes) MinHash signatures, and each text's number of shingles (0 for a text without words)."""
    factors, summands = hash_functions(-(-hashes // TOGETHER) * TOGETHER)
    texts = len(words.offsets) - 1
    found, counts = np.empty((texts, len(factors)), np.uint32), np.zeros(texts, np.int64)
    _sign(words.hashes, words.offsets, ngram, han_ngram, factors, summands, found, counts)
    return np.ascontiguousarray(found[:, :hashes]), counts


def shingle_sets(words: Words, ngram: int, han_ngram: int) -> tuple[Hashes, Offsets]:
    """Return the sorted 64-bit hashes of each text's distinct shingles, and the offsets of the texts in them."""
    found, offsets = np.empty(len(words.hashes), np.uint64), np.zeros(len(words.offsets), np.int64)
    _collect(words.hashes, words.offsets, ngram, han_ngram, found, offsets)
    return found[: offsets[-1]], offsets


def band_keys(signed: Signatures, bands: int, rows: int) -> Hashes:
    """Return (bands, texts) keys; each key is the 64-bit hash of the `rows` signature values of a band.

    Two texts with an equal key in any band are candidates. Texts of similarity s are candidates with probability
    1 - (1 - s**rows)**bands.
    """
    keys = np.empty((bands, len(signed)), np.uint64)
    _key_bands(signed, rows, keys)
    return keys


@kernel
def shingle(hashes: Hashes, start: int, end: int) -> np.uint64:
    """Return the hash of the word sequence hashes[start:end], a mixed polynomial of the word hashes."""
    value = np.uint64(0)
    for at in range(start, end):
        value = value * SHINGLE_FACTOR + hashes[at]
    return mix(value)


@kernel
def powers(most: int) -> Hashes:
    """Return the powers of SHINGLE_FACTOR from 0 to `most`."""
    found = np.ones(most + 1, np.uint64)
    for power in range(most):
        found[power + 1] = found[power] * SHINGLE_FACTOR
    return found


@kernel
def shingle_document(
    hashes: Hashes, start: int, end: int, ngram: int, han_ngram: int, factors: Hashes, sums: Hashes, out: Hashes
) -> int:
    """Write the hashes of the shingles of hashes[start:end] and return their number.

    The hashes equal those of `shingle`. Each is the difference of two prefix sums, so its cost does not depend on the
    length of the shingle. sums: (words + 1,) scratch array. factors: `powers` of the longer shingle length.
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
    """Write the signature and the number of shingles of each document."""
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
    """Write the smallest value of each of TOGETHER hash functions; the compiler vectorises the loop."""
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
    """Write each document's distinct shingles in ascending order."""
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
    """Write the first `count` values, which must be hashes, to `out` in ascending order.

    A bucket sort by the upper bits, with about one value per bucket, is followed by an insertion sort. The time grows
    linearly with the count. starts: (2 * count + 2,) scratch array.
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
    """Write the keys of all bands for all documents."""
    for band in range(len(keys)):
        for document in range(len(signed)):
            value = HASH_START
            for row in range(band * rows, (band + 1) * rows):
                value = (value ^ np.uint64(signed[document, row])) * SHINGLE_FACTOR
                value ^= value >> UPPER_HALF
            keys[band, document] = mix(value)


@kernel
def common(left: Hashes, right: Hashes) -> int:
    """Return the number of values that two ascending arrays without repetitions have in common."""
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
    """Return the Jaccard similarity of two ascending arrays without repetitions.

    Returns 0 if their sizes alone imply a similarity below `least`.
    """
    if min(len(left), len(right)) < least * max(len(left), len(right)):
        return 0.0
    shared = common(left, right)
    return shared / (len(left) + len(right) - shared)
