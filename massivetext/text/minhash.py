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
from massivetext.text.compiling import kernel
from massivetext.text.words import HAN_BIT, HASH_START, Hashes, Words, mix

MINHASH_VERSION = 1
"""Grows whenever the same text could give other shingles or signatures."""
MOST = np.uint32(0xFFFFFFFF)
SHINGLE_FACTOR = np.uint64(0x9E3779B97F4A7C15)
UPPER_HALF = np.uint64(32)

Signatures = npt.NDArray[np.uint32]


def hash_functions(count: int) -> tuple[Signatures, Signatures]:
    """Return the factors (odd) and summands of the first `count` hash functions; more begin with the same ones."""
    numbers = np.random.Generator(np.random.PCG64(1)).integers(0, 2**32, (count, 2), dtype=np.uint32)
    return numbers[:, 0] | np.uint32(1), numbers[:, 1].copy()


def signatures(words: Words, hashes: int, ngram: int, han_ngram: int) -> tuple[Signatures, Offsets]:
    """Return (texts, hashes) MinHash signatures, and how many shingles each text has; one without words has 0."""
    factors, summands = hash_functions(hashes)
    texts = len(words.offsets) - 1
    found, counts = np.full((texts, hashes), MOST, np.uint32), np.zeros(texts, np.int64)
    _sign(words.hashes, words.offsets, ngram, han_ngram, factors, summands, found, counts)
    return found, counts


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
    """Return the hash of the words start to end, in their order."""
    value = HASH_START
    for at in range(start, end):
        value = (value ^ hashes[at]) * SHINGLE_FACTOR
        value ^= value >> UPPER_HALF
    return mix(value)


@kernel
def shingle_end(hashes: Hashes, start: int, end: int, ngram: int, han_ngram: int) -> int:
    """Return where the shingle that begins at word `start` ends, or -1 if the text ends before."""
    stop = start + (han_ngram if hashes[start] & HAN_BIT else ngram)
    return stop if stop <= end else -1


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
    longest = 0
    for document in range(len(offsets) - 1):
        longest = max(longest, offsets[document + 1] - offsets[document])
    values = np.empty(longest, np.uint32)
    for document in range(len(offsets) - 1):
        start, end = offsets[document], offsets[document + 1]
        count = 0
        for at in range(start, end):
            stop = shingle_end(hashes, at, end, ngram, han_ngram)
            if stop >= 0:
                values[count] = np.uint32(shingle(hashes, at, stop) >> UPPER_HALF)
                count += 1
        if not count and start < end:
            values[0] = np.uint32(shingle(hashes, start, end) >> UPPER_HALF)
            count = 1
        counts[document] = count
        for function in range(len(factors)):
            found[document, function] = smallest(values[:count], factors[function], summands[function])


@kernel
def smallest(values: Signatures, factor: np.uint32, summand: np.uint32) -> np.uint32:
    """Return the smallest value of one hash function; a loop of its own, which the compiler turns into vectors."""
    least = MOST
    for at in range(len(values)):
        hashed = np.uint32(factor * values[at] + summand)
        least = min(least, hashed)
    return least


@kernel
def _collect(hashes: Hashes, offsets: Offsets, ngram: int, han_ngram: int, found: Hashes, set_offsets: Offsets) -> None:
    """Write each document's different shingles, sorted."""
    out = 0
    for document in range(len(offsets) - 1):
        start, end = offsets[document], offsets[document + 1]
        begin = out
        for at in range(start, end):
            stop = shingle_end(hashes, at, end, ngram, han_ngram)
            if stop >= 0:
                found[out] = shingle(hashes, at, stop)
                out += 1
        if out == begin and start < end:
            found[out] = shingle(hashes, start, end)
            out += 1
        found[begin:out] = np.sort(found[begin:out])
        last = begin
        for at in range(begin, out):
            if at == begin or found[at] != found[at - 1]:
                found[last] = found[at]
                last += 1
        out = last
        set_offsets[document + 1] = out


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
