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

from massivetext.text.arrays import Bytes, Offsets
from massivetext.text.characters import At, Positions, longest_document
from massivetext.text.compiling import kernel
from massivetext.text.words import Hashes, Words, mix

REPETITION_VERSION = 1
"""Grows whenever the same text could give other fractions."""
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # odd, from the golden ratio: near numbers differ in the upper bits of products
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
    for slot in range(size):
        slots[slot] = -1
    for index in range(count):
        key = keys[index]
        slot = int(mix(key)) & (size - 1)
        found = int(slots[At(slot)])
        while found >= 0 and keys[At(found)] != key:
            slot = (slot + 1) & (size - 1)
            found = int(slots[At(slot)])
        if found < 0:
            found = index
            slots[At(slot)] = index
            sizes[At(positions[index])] = 0
        groups[index] = positions[At(found)]
        sizes[At(groups[index])] += 1


@kernel
def keep_repeated(keys: Hashes, count: int, positions: Positions, seen: Bytes) -> int:
    """Move the keys that may occur more than once to the front, with their positions, and return how many they are.

    All that do are among them, and about one in ten of the others. seen: (16 * count,), room to work in. No branch
    depends on a key, as it does in a table of the keys themselves, which then holds few.
    """
    bits = 3
    while 1 << bits < 8 * count:
        bits += 1
    for place in range(1 << bits):
        seen[place] = 0
    shift = At(64 - bits)
    for index in range(count):
        place = keys[index] * SPREAD >> shift
        seen[place] = (seen[place] << 1 | 1) & 3
    kept = 0
    for index in range(count):
        key, position = keys[index], positions[index]
        keys[At(kept)], positions[At(kept)] = key, position
        kept += seen[key * SPREAD >> shift] == 3
    return kept


@kernel
def _keep_grouped(count: int, positions: Positions, groups: Positions, sizes: Positions) -> int:
    """Move the positions whose group has more than one member to the front and return how many they are."""
    kept = 0
    for index in range(count):
        position, group = positions[index], groups[index]
        positions[At(kept)], groups[At(kept)] = position, group
        kept += sizes[At(group)] > 1
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
    A pair of words is known by their hashes, a longer n-gram by the positions at which the two first occurred.
    """
    longest = longest_document(offsets)
    keys, seen = np.empty(longest, np.uint64), np.empty(16 * longest, np.uint8)
    positions, groups = np.empty(longest, np.int32), np.empty(longest, np.int32)
    sizes, slots = np.empty(longest, np.int32), np.empty(4 * longest + 1, np.int32)
    for document in range(len(offsets) - 1):
        first, end = offsets[document], offsets[document + 1]
        count, pairs = end - first, end - first - 1
        for index in range(pairs):
            keys[index] = (hashes[first + index] * SPREAD) ^ hashes[first + index + 1]
            positions[index] = index
        for order in range(FIRST_ORDER, LAST_ORDER + 1):
            if order > FIRST_ORDER:
                pairs = 0
                for index in range(count - 1):
                    keys[At(pairs)] = np.uint64(groups[index]) << np.uint64(32) | np.uint64(groups[index + 1])
                    at = positions[index]
                    positions[At(pairs)] = at
                    pairs += positions[index + 1] == at + 1
            if pairs < 2:
                break
            count = keep_repeated(keys, pairs, positions, seen)
            group_equal(keys, count, positions, groups, slots, sizes)
            count = _keep_grouped(count, positions, groups, sizes)
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
