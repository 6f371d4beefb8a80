"""How much of a text stands in word sequences that it repeats: Gopher's rules for n-grams.

J. Rae et al., "Scaling Language Models: Methods, Analysis & Insights from Training Gopher", arXiv:2112.11446, table A1.
Read as the paper words it; where the rule's usual code (datatrove's) differs, the paper is followed:

- The fraction is of the text's characters that stand between the first and last character of an n-gram, each counted
  once. The code multiplies length by count, so overlaps count twice and a fraction may exceed 1 (top n-grams), or jumps
  over n words after each find and leaves out the spaces (duplicate n-grams).
- Words are those of `massivetext.text.words`, punctuation and case left out. The code takes the marks a word splitter
  gives and keeps case.
- An n-gram that occurs once repeats nothing: a text without repetition has 0. The code gives the length of some n-gram.
- A duplicate is any occurrence after the first, in paper and code alike.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from massivetext.text.arrays import Offsets
from massivetext.text.compiling import kernel
from massivetext.text.words import Hashes, Positions, Words, mix

REPETITION_VERSION = 1
"""Grows whenever the same text could give other fractions."""
TOP_ORDERS = (2, 3, 4)
DUPLICATE_ORDERS = (5, 6, 7, 8, 9, 10)
FIRST_ORDER, FIRST_DUPLICATE, LAST_ORDER = TOP_ORDERS[0], DUPLICATE_ORDERS[0], DUPLICATE_ORDERS[-1]

REPETITIONS: dict[str, pa.DataType] = {
    **{f"top_{order}_gram_character_fraction": pa.float64() for order in TOP_ORDERS},
    **{f"duplicate_{order}_gram_character_fraction": pa.float64() for order in DUPLICATE_ORDERS},
}
"""The name and type of every fraction, in order.

top: characters inside the n-gram that occurs most often (of several, the one that begins first). duplicate: characters
inside n-grams that occurred before.
"""


def repetition_statistics(words: Words, like: pa.Array) -> dict[str, pa.Array]:
    """Return every fraction of `REPETITIONS` for each text of `like`, whose words are given; null where it is null."""
    covered = np.zeros((len(like), len(REPETITIONS)), dtype=np.int64)
    _cover(words.hashes, words.starts, words.ends, words.offsets, covered)
    fractions = covered / np.maximum(words.characters, 1)[:, None]
    missing = like.is_null().to_numpy(zero_copy_only=False) if like.null_count else None
    return {
        name: pa.array(fractions[:, index], type=kind, mask=missing)
        for index, (name, kind) in enumerate(REPETITIONS.items())
    }


@kernel
def group_equal(
    keys: Hashes, count: int, positions: Positions, groups: Positions, slots: Positions, sizes: Positions
) -> None:
    """Set groups[i] to the position of the first equal key, and sizes[position] to how many there are."""
    size = 1
    while size < 2 * count:
        size *= 2
    slots[:size] = -1
    for index in range(count):
        slot = np.int64(mix(keys[index])) & (size - 1)
        while slots[slot] >= 0 and keys[slots[slot]] != keys[index]:
            slot = (slot + 1) & (size - 1)
        if slots[slot] < 0:
            slots[slot] = index
            sizes[positions[index]] = 0
        groups[index] = positions[slots[slot]]
        sizes[groups[index]] += 1


@kernel
def _keep_repeated(count: int, positions: Positions, groups: Positions, sizes: Positions) -> int:
    """Move the positions whose group has more than one member to the front and return how many they are."""
    kept = 0
    for index in range(count):
        if sizes[groups[index]] > 1:
            positions[kept], groups[kept] = positions[index], groups[index]
            kept += 1
    return kept


@kernel
def _covered_characters(
    count: int, positions: Positions, groups: Positions, wanted: int, order: int, starts: Positions, ends: Positions
) -> int:
    """Return the characters inside n-grams of the group `wanted`; for -1, inside all but the first of each group.

    starts, ends: of the document's words.
    """
    characters, until = 0, 0
    for index in range(count):
        at = positions[index]
        if groups[index] == wanted or (wanted < 0 and groups[index] != at):
            end = int(ends[at + order - 1])
            characters += end - max(until, int(starts[at]))
            until = end
    return characters


@kernel
def _cover(
    hashes: Hashes, starts: Positions, ends: Positions, offsets: Offsets, covered: npt.NDArray[np.int64]
) -> None:
    """Write the characters covered, (documents, len(REPETITIONS)).

    An n-gram can only be repeated where both (n-1)-grams in it are, so each order looks at what the one before left.
    It is known by the positions at which these two first occurred: no hash but that of the words is involved.
    """
    longest = 0
    for document in range(len(offsets) - 1):
        longest = max(longest, offsets[document + 1] - offsets[document])
    keys = np.empty(longest, np.uint64)
    positions, groups = np.empty(longest, np.int32), np.empty(longest, np.int32)
    sizes, slots = np.empty(longest, np.int32), np.empty(4 * longest + 1, np.int32)
    for document in range(len(offsets) - 1):
        first, end = offsets[document], offsets[document + 1]
        count = end - first
        for index in range(count):
            keys[index], positions[index] = hashes[first + index], index
        group_equal(keys, count, positions, groups, slots, sizes)
        count = _keep_repeated(count, positions, groups, sizes)
        for order in range(FIRST_ORDER, LAST_ORDER + 1):
            pairs = 0
            for index in range(count - 1):
                if positions[index + 1] == positions[index] + 1:
                    keys[pairs] = np.uint64(groups[index]) << np.uint64(32) | np.uint64(groups[index + 1])
                    positions[pairs] = positions[index]
                    pairs += 1
            if pairs < 2:
                break
            group_equal(keys, pairs, positions, groups, slots, sizes)
            count = _keep_repeated(pairs, positions, groups, sizes)
            wanted = -1
            if order < FIRST_DUPLICATE:
                most = 1
                for index in range(count):
                    if sizes[groups[index]] > most:
                        wanted, most = groups[index], sizes[groups[index]]
                if wanted < 0:
                    break
            covered[document, order - FIRST_ORDER] = _covered_characters(
                count, positions, groups, wanted, order, starts[first:end], ends[first:end]
            )
