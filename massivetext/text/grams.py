"""Repeated runs of characters: of all runs of 13 in a text the part that occurs more than once.

White space is left out; characters are compared in lower case and compatibility form.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from massivetext.text.arrays import Bytes, Offsets, string_buffers
from massivetext.text.characters import longest_document
from massivetext.text.compiling import kernel
from massivetext.text.counting import HASH_FACTOR, Hashes
from massivetext.text.kernels import decode_at, ideograph_at
from massivetext.text.repetition import group_equal, keep_repeated
from massivetext.text.unicode_table import SPACE, class_table
from massivetext.text.words import Positions, fold_table, mix

GRAMS_VERSION = 2
"""Grows whenever the same text could give another fraction."""
GRAM = 13


def repeated_grams(array: pa.Array) -> pa.Array:
    """Return the fraction of each text's 13-grams that occur more than once; null where the text is null."""
    data, offsets = string_buffers(array)
    fractions = np.zeros(len(array))
    _repeat_grams(data, offsets, class_table(), fold_table(), fractions)
    missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    return pa.array(fractions, mask=missing)


@kernel
def _hash_grams(
    data: Bytes, at: int, end: int, table: Bytes, folds: Positions, highest: np.uint64, packed: Hashes, keys: Hashes
) -> int:
    """Write the hash of each run of GRAM characters of data[at:end] to `keys`, and return how many they are.

    The hash is a polynomial in HASH_FACTOR whose oldest term goes as the newest comes; highest: that term's factor.
    packed: room for the characters.
    """
    held, grams, value = 0, 0, np.uint64(0)
    while at < end:
        code = ideograph_at(data, at, end)
        if code:
            at += 3
        elif data[at] < 0x80:
            code = np.int32(data[at])
            at += 1
        else:
            code, size = decode_at(data, at, end)
            at += size
        if table[code] & SPACE:
            continue
        packed[held] = mix(np.uint64(code + folds[code] + 1))
        value = (value + packed[held]) * HASH_FACTOR
        held += 1
        if held > GRAM:
            value -= packed[held - 1 - GRAM] * highest
        if held >= GRAM:
            keys[grams] = value
            grams += 1
    return grams


@kernel
def _repeat_grams(
    data: Bytes, offsets: Offsets, table: Bytes, folds: Positions, fractions: npt.NDArray[np.float64]
) -> None:
    """Write the fraction of each document's runs of GRAM characters that occur more than once."""
    longest = longest_document(offsets)
    packed, keys = np.empty(longest, np.uint64), np.empty(longest, np.uint64)
    positions, groups = np.empty(longest, np.int32), np.empty(longest, np.int32)
    sizes, slots = np.empty(longest, np.int32), np.empty(4 * longest + 1, np.int32)
    seen = np.empty(16 * longest, np.uint8)
    highest = np.uint64(1)
    for _ in range(GRAM + 1):
        highest *= HASH_FACTOR
    for document in range(len(offsets) - 1):
        start, end = offsets[document], offsets[document + 1]
        grams = _hash_grams(data, start, end, table, folds, highest, packed, keys)
        if grams > 0:
            for at in range(grams):
                positions[at] = at
            count = keep_repeated(keys, grams, positions, seen)
            group_equal(keys, count, positions, groups, slots, sizes)
            repeated = 0
            for at in range(count):
                repeated += sizes[groups[at]] > 1
            fractions[document] = repeated / grams
