"""Repeated runs of characters: of all runs of 13 in a text the part that occurs more than once.

White space is left out; characters are compared in lower case and compatibility form.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from massivetext.text.arrays import Bytes, Offsets, string_buffers
from massivetext.text.characters import At, Characters, Positions, decode_document, longest_document
from massivetext.text.compiling import kernel
from massivetext.text.kernels import CODE_BITS, CODE_MASK
from massivetext.text.repetition import SPREAD, group_equal, keep_repeated
from massivetext.text.unicode_table import SPACE, class_table
from massivetext.text.words import HASH_FACTOR, Hashes, fold_table

GRAMS_VERSION = 3
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
    characters: Characters, count: int, folds: Positions, highest: np.uint64, packed: Hashes, keys: Hashes
) -> int:
    """Write the hash of each run of GRAM of a document's characters to `keys`, and return how many they are.

    The hash is a polynomial in HASH_FACTOR whose oldest term goes as the newest comes; highest: that term's factor.
    packed: room for the characters.
    """
    held = 0
    for at in range(count):
        code = characters[at] & CODE_MASK
        # Written everywhere, and overwritten where it is white space: no branch that is guessed wrong.
        packed[At(held)] = At(code + folds[At(code)] + 1) * SPREAD
        held += (characters[at] >> CODE_BITS) & SPACE == 0
    if held < GRAM:
        return 0
    value = np.uint64(0)
    for at in range(GRAM):
        value = (value + packed[at]) * HASH_FACTOR
    keys[0] = value
    for at in range(GRAM, held):
        value = (value + packed[At(at)]) * HASH_FACTOR - packed[At(at - GRAM)] * highest
        keys[At(at - GRAM + 1)] = value
    return held - GRAM + 1


@kernel
def _repeat_grams(
    data: Bytes, offsets: Offsets, table: Bytes, folds: Positions, fractions: npt.NDArray[np.float64]
) -> None:
    """Write the fraction of each document's runs of GRAM characters that occur more than once."""
    longest = longest_document(offsets)
    characters = np.empty(longest, np.int32)
    packed, keys = np.empty(longest, np.uint64), np.empty(longest, np.uint64)
    positions, groups = np.empty(longest, np.int32), np.empty(longest, np.int32)
    sizes, slots = np.empty(longest, np.int32), np.empty(4 * longest + 1, np.int32)
    seen = np.empty(16 * longest, np.uint8)
    highest = np.uint64(1)
    for _ in range(GRAM + 1):
        highest *= HASH_FACTOR
    for document in range(len(offsets) - 1):
        count = decode_document(data, offsets[document], offsets[document + 1], table, characters)
        grams = _hash_grams(characters, count, folds, highest, packed, keys)
        if grams > 0:
            for at in range(grams):
                positions[at] = at
            count = keep_repeated(keys, grams, positions, seen)
            group_equal(keys, count, positions, groups, slots, sizes)
            repeated = 0
            for at in range(count):
                repeated += sizes[groups[at]] > 1
            fractions[document] = repeated / grams
