"""Decoding of a document and classification of its characters: the first passes of the counting and hashing kernels.

A document is decoded once into int32 values of `class << CODE_BITS | code point`. Then each character is marked as part
of a word, part of a symbol, a Han word by itself, or a gap, as defined in `massivetext.text.statistics`. Most documents
have no combining marks and no invisible format characters. There a mark depends only on the two neighbours of the
character, and the compiler vectorises the loop.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from massivetext.text.arrays import Bytes, Offsets
from massivetext.text.compiling import kernel
from massivetext.text.kernels import CODE_BITS, decode_at
from massivetext.text.unicode_table import (
    DIGIT,
    HAN,
    IGNORED,
    LETTER,
    MARK,
    SPACE,
    UNSETTLED,
    WORD_CLASSES,
    class_table,
)

CLASS_MASK = 0xFF & ~UNSETTLED
APOSTROPHE, COMMA, FULL_STOP, UNDERSCORE, CURLY_APOSTROPHE = (ord(character) for character in "',._’")
GAP, WORD, SYMBOL, HAN_WORD = 0, 1, 2, 3
"""The possible marks of a character; white space is a gap."""
BORDER = SPACE << CODE_BITS | ord("\n")
"""Placed before the first and after the last character of a document; no word extends across it."""
ASCII = np.array([int(class_table()[code] & CLASS_MASK) << CODE_BITS | code for code in range(0x80)], np.int32)
BLOCK = 32

Characters = npt.NDArray[np.int32]
Positions = npt.NDArray[np.int32]
At = np.uint64
"""Unsigned index type: Numba omits its check for negative indices, which takes half the time of a tight loop."""


@kernel
def longest_document(offsets: Offsets) -> int:
    """Return the size of the longest document in bytes, at least 1."""
    longest = 1
    for document in range(len(offsets) - 1):
        longest = max(longest, offsets[document + 1] - offsets[document])
    return longest


@kernel
def decode_document(data: Bytes, start: int, end: int, table: Bytes, characters: Characters) -> int:
    """Write the characters of data[start:end] to `characters` and return their number."""
    text = data[start:end]
    at, count = 0, 0
    while at < len(text):
        block = text[at : at + BLOCK]
        high = np.uint8(0)
        for index in range(len(block)):
            high |= block[index]
        if high < 0x80:
            written = characters[count : count + len(block)]
            for index in range(len(block)):
                written[index] = ASCII[block[index]]
            at, count = at + len(block), count + len(block)
            continue
        stop = min(at + BLOCK, len(text))
        while at < stop:
            code: Any
            code, size = np.int32(text[At(at)]), 1
            if 0xE1 <= code < 0xF0 and at + 2 < len(text):
                second, third = text[At(at + 1)] ^ 0x80, text[At(at + 2)] ^ 0x80
                if second | third < 0x40:  # both are continuation bytes of a three-byte character, like most of Chinese
                    code, size = (code & 0x0F) << 12 | np.int32(second) << 6 | np.int32(third), 3
            if code >= 0x80 and size == 1:
                code, size = decode_at(text, at, len(text))
            characters[At(count)] = np.int32(table[At(code)] & CLASS_MASK) << CODE_BITS | code
            at, count = at + size, count + 1
    return count


@kernel
def mark_parts(characters: Characters, count: int, parts: Bytes, places: Positions) -> int:
    """Write the mark of each character of a document to `parts`, and return the number of characters.

    characters: (count + 2,); the document begins at index 1. Invisible characters and combining marks outside words are
    removed. If any are removed, `places` receives the original position of each remaining character.
    """
    characters[0], characters[count + 1] = BORDER, BORDER
    classes = np.int32(0)
    for at in range(count):
        classes |= characters[at + 1]
    if classes >> CODE_BITS & (MARK | IGNORED):
        return _mark_extended(characters, count, parts, places)
    for at in range(count):
        character, kind = characters[at + 1], characters[at + 1] >> CODE_BITS
        part = GAP
        if kind == 0:
            part = SYMBOL
        if kind & WORD_CLASSES != 0:
            part = WORD
        if kind & HAN != 0:
            part = HAN_WORD
        before = characters[at] >> CODE_BITS
        if _is_word(before) & _joins(character, before, characters[at + 2] >> CODE_BITS):
            part = WORD
        parts[at] = part
    return count


@kernel
def _is_word(kind: int) -> bool:
    """Return whether a character of this class is part of a word regardless of its neighbours."""
    return (kind & WORD_CLASSES != 0) & (kind & HAN == 0)


@kernel
def _joins(character: int, before: int, after: int) -> bool:
    """Return whether a character joins the word before it to the character after it; before, after: their classes."""
    apostrophe = ((character == APOSTROPHE) | (character == CURLY_APOSTROPHE)) & (after & LETTER != 0)
    point = ((character == FULL_STOP) | (character == COMMA)) & (before & after & DIGIT != 0)
    return (apostrophe | point | (character == UNDERSCORE)) & _is_word(after)


@kernel
def _mark_extended(characters: Characters, count: int, parts: Bytes, places: Positions) -> int:
    """Do the same as `mark_parts` for a document with combining marks or invisible characters."""
    kept, part = 0, GAP
    before = characters[0]
    for at in range(count):
        character = characters[at + 1]
        kind = character >> CODE_BITS
        if kind & (MARK | IGNORED):
            # Extends a word or a symbol but starts neither.
            part = GAP if part == HAN_WORD else part
            keep = part == WORD and kind & MARK != 0
        else:
            keep = True
            if kind & HAN:
                part = HAN_WORD
            elif kind & WORD_CLASSES:
                part = WORD
            elif kind:
                part = GAP
            elif not (part == WORD and _joins(character, before >> CODE_BITS, characters[at + 2] >> CODE_BITS)):
                part = SYMBOL
        before = character
        if keep:
            characters[kept + 1], parts[kept], places[kept] = character, part, at
            kept += 1
    characters[kept + 1] = BORDER
    return kept


@kernel
def word_borders(parts: Bytes, count: int, borders: Positions) -> int:
    """Write the start and end of each word in turn, without Han words, and return the number of words.

    borders: (count + 2,). A position is written for every character and overwritten unless a word starts or ends there.
    A branch would be mispredicted at every word.
    """
    found, inside = 0, False
    for at in range(count):
        borders[At(found)] = at
        found += (parts[at] == WORD) ^ inside
        inside = parts[at] == WORD
    borders[At(found)] = count
    return (found + 1) // 2
