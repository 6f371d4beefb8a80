"""The words of texts as hashes: what n-grams of repetition, near-duplicates and contamination are all made of.

A word is that of `massivetext.text.statistics`: one Han character, or a run of other letters and numbers. Two words are
the same where they are equal in lower case and compatibility form (full-width letters, Kangxi radicals), invisible
format characters left out. The hash of a word depends on the word alone.
"""

import zlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from massivetext.text.arrays import Bytes, Offsets, string_buffers
from massivetext.text.characters import (
    GAP,
    HAN_WORD,
    WORD,
    At,
    Characters,
    Positions,
    decode_document,
    longest_document,
    mark_parts,
)
from massivetext.text.compiling import kernel
from massivetext.text.kernels import CODE_MASK
from massivetext.text.unicode_table import MARK, class_table

WORDS_VERSION = 1
"""Grows whenever the same text could give other words or hashes."""
FOLDS_FILE = Path(__file__).with_name("unicode_folds.bin")
HASH_START, HASH_FACTOR = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a
MIX_FIRST, MIX_SECOND = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)  # MurmurHash3's finalizer
HALF, HAN_BIT = np.uint64(33), np.uint64(1)

Hashes = npt.NDArray[np.uint64]


class Words(NamedTuple):
    """The words of an array of texts; those of text i are at offsets[i] to offsets[i + 1]."""

    hashes: Hashes
    """(words,); the lowest bit is 1 for a Han character and 0 for another word."""
    starts: Positions
    """(words,), the first character of each word, counted in its text."""
    ends: Positions
    """(words,), the character after its last."""
    offsets: Offsets
    """(texts + 1,)."""
    characters: Offsets
    """(texts,), how many characters each text has."""


@cache
def fold_table() -> Positions:
    """Return what to add to a code point for comparison, (0x110000,) int32, read-only."""
    return np.frombuffer(zlib.decompress(FOLDS_FILE.read_bytes()), dtype="<i4")


def hash_words(array: pa.Array) -> Words:
    """Return the words of each text of a string or large_string array; a null has none."""
    data, offsets = string_buffers(array)
    # A word that is no Han character (three bytes or more) has another character after it, or the end of the text; and
    # the kernel writes up to two places further than the words it finds.
    most = int(offsets[-1] - offsets[0]) // 2 + len(array) + 3
    hashes, starts, ends = np.empty(most, np.uint64), np.empty(most, np.int32), np.empty(most, np.int32)
    word_offsets, characters = np.zeros(len(array) + 1, np.int64), np.zeros(len(array), np.int64)
    _hash_words(data, offsets, class_table(), word_folds(), hashes, starts, ends, word_offsets, characters)
    count = word_offsets[-1]
    return Words(hashes[:count], starts[:count], ends[:count], word_offsets, characters)


@cache
def word_folds() -> Positions:
    """Return `fold_table`, but for combining marks, which are compared as they are."""
    return np.where(class_table() & MARK > 0, np.int32(0), fold_table())


@kernel
def mix(value: np.uint64) -> np.uint64:
    """Return the number with its bits spread over all places."""
    value = (value ^ (value >> HALF)) * MIX_FIRST
    value = (value ^ (value >> HALF)) * MIX_SECOND
    return value ^ (value >> HALF)


@kernel
def _hash_words(
    data: Bytes,
    offsets: Offsets,
    table: Bytes,
    folds: Positions,
    hashes: Hashes,
    starts: Positions,
    ends: Positions,
    word_offsets: Offsets,
    lengths: Offsets,
) -> None:
    """Write the words of all documents."""
    longest = longest_document(offsets)
    characters, parts = np.empty(longest + 2, np.int32), np.empty(longest + 1, np.uint8)
    places = np.empty(longest, np.int32)
    word = 0
    for document in range(len(offsets) - 1):
        length = decode_document(data, offsets[document], offsets[document + 1], table, characters[1:])
        count = mark_parts(characters, length, parts, places)
        parts[count] = GAP
        first = word
        word += _hash_parts(characters[1:], parts, count + 1, folds, hashes[first:], starts[first:], ends[first:])
        if count < length:
            for index in range(first, word):
                starts[index], ends[index] = places[starts[index]], places[ends[index] - 1] + 1
        word_offsets[document + 1] = word
        lengths[document] = length


@kernel
def _hash_parts(
    characters: Characters,
    parts: Bytes,
    count: int,
    folds: Positions,
    hashes: Hashes,
    starts: Positions,
    ends: Positions,
) -> int:
    """Write the words of one document and return how many there are; its last part is a gap.

    Hash, start and end of the word at hand are written at every character that is not Han, and what is written outside
    a word is overwritten by the next: a branch would be guessed wrong at every word.
    """
    words, value, before = At(0), At(0), At(0)
    for at in range(count):
        code = characters[at] & CODE_MASK
        folded = HASH_START ^ At(code + folds[At(code)])
        if parts[at] == HAN_WORD:
            words += before
            starts[words], ends[words], hashes[words] = at, at + 1, folded * HASH_FACTOR
            words, value, before = words + At(1), At(0), At(0)
            continue
        inside = At(parts[at] == WORD)
        words += before & ~inside
        starts[words + before] = at
        # The value is kept as what differs from HASH_START, so that a mask sets it back.
        value = (value ^ folded) * HASH_FACTOR
        hashes[words], ends[words] = value, at + 1
        value = (value ^ HASH_START) & (At(0) - inside)
        before = inside
    for word in range(words):
        han = At(parts[starts[word]] == HAN_WORD)
        hashes[word] = mix(hashes[word]) & ~HAN_BIT | han * HAN_BIT
    return int(words)
