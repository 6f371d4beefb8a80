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
from massivetext.text.compiling import kernel
from massivetext.text.counting import decode_document, joins
from massivetext.text.kernels import CODE_BITS, CODE_MASK
from massivetext.text.unicode_table import HAN, IGNORED, LETTER, MARK, WORD_CLASSES, class_table

WORDS_VERSION = 1
"""Grows whenever the same text could give other words or hashes."""
FOLDS_FILE = Path(__file__).with_name("unicode_folds.bin")
HASH_START, HASH_FACTOR = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a
MIX_FIRST, MIX_SECOND = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)  # MurmurHash3's finalizer
HALF, HAN_BIT = np.uint64(33), np.uint64(1)

Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int32]


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
    # A word that is no Han character (three bytes or more) has another character after it, or the end of the text.
    most = int(offsets[-1] - offsets[0]) // 2 + len(array) + 1
    hashes, starts, ends = np.empty(most, np.uint64), np.empty(most, np.int32), np.empty(most, np.int32)
    word_offsets, characters = np.zeros(len(array) + 1, np.int64), np.zeros(len(array), np.int64)
    _hash_words(data, offsets, class_table(), fold_table(), hashes, starts, ends, word_offsets, characters)
    count = word_offsets[-1]
    return Words(hashes[:count], starts[:count], ends[:count], word_offsets, characters)


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
    longest = 0
    for document in range(len(offsets) - 1):
        longest = max(longest, offsets[document + 1] - offsets[document])
    characters = np.empty(longest, dtype=np.int32)
    word = 0
    for document in range(len(offsets) - 1):
        count = decode_document(data, offsets[document], offsets[document + 1], table, characters)
        in_word, value, at = False, HASH_START, 0
        while at < count:
            if in_word:
                # Most characters are letters inside a word: nothing else is asked of them.
                first = at
                while at < count and characters[at] >> CODE_BITS == LETTER:
                    code = characters[at] & CODE_MASK
                    value = (value ^ np.uint64(code + folds[code])) * HASH_FACTOR
                    at += 1
                if at > first:
                    ends[word] = at
                    if at == count:
                        break
            code = characters[at] & CODE_MASK
            bits = characters[at] >> CODE_BITS
            at += 1
            if bits & (MARK | IGNORED):
                if in_word and bits & MARK:
                    value = (value ^ np.uint64(code)) * HASH_FACTOR
                    ends[word] = at
                continue
            inside = (bits & WORD_CLASSES != 0 and not bits & HAN) or (
                in_word and bits == 0 and joins(characters, at - 1, count)
            )
            if in_word and not inside:
                hashes[word] = mix(value) & ~HAN_BIT
                word += 1
            if inside:
                if not in_word:
                    starts[word], value = at - 1, HASH_START
                value = (value ^ np.uint64(code + folds[code])) * HASH_FACTOR
                ends[word] = at
            elif bits & HAN:
                starts[word], ends[word] = at - 1, at
                hashes[word] = mix((HASH_START ^ np.uint64(code + folds[code])) * HASH_FACTOR) | HAN_BIT
                word += 1
            in_word = inside
        if in_word:
            hashes[word] = mix(value) & ~HAN_BIT
            word += 1
        word_offsets[document + 1] = word
        lengths[document] = count
