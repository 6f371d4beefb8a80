"""The characters of a document, and what each of them is part of: the first passes of the kernels that count and hash.

A document is decoded once into int32 of `class << CODE_BITS | code point`. Then each character is marked as part of a
word, of a symbol, as a Han word of its own, or of neither, as `massivetext.text.statistics` defines them. Where nothing
extends what it follows (no combining mark, no invisible format character: nearly everywhere), a mark depends on the two
neighbours alone, and the compiler turns the loop into vectors.
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
"""What a character is part of; white space is a gap."""
BORDER = SPACE << CODE_BITS | ord("\n")
"""What stands before the first and after the last character of a document: nothing joins across it."""
ASCII = np.array([int(class_table()[code] & CLASS_MASK) << CODE_BITS | code for code in range(0x80)], np.int32)
BLOCK = 32

Characters = npt.NDArray[np.int32]
Positions = npt.NDArray[np.int32]
At = np.uint64
"""An index as unsigned: Numba then leaves out its test for negative ones, which costs half of a tight loop's time."""


@kernel
def longest_document(offsets: Offsets) -> int:
    """Return the size of the longest document, at least 1."""
    longest = 1
    for document in range(len(offsets) - 1):
        longest = max(longest, offsets[document + 1] - offsets[document])
    return longest


@kernel
def decode_document(data: Bytes, start: int, end: int, table: Bytes, characters: Characters) -> int:
    """Write the characters of data[start:end] to `characters` and return how many they are."""
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
                if second | third < 0x40:  # both go on with a character of three bytes, as most of Chinese has
                    code, size = (code & 0x0F) << 12 | np.int32(second) << 6 | np.int32(third), 3
            if code >= 0x80 and size == 1:
                code, size = decode_at(text, at, len(text))
            characters[At(count)] = np.int32(table[At(code)] & CLASS_MASK) << CODE_BITS | code
            at, count = at + size, count + 1
    return count


@kernel
def mark_parts(characters: Characters, count: int, parts: Bytes, places: Positions) -> int:
    """Write what each character of a document is part of to `parts`, and return how many characters there are.

    characters: (count + 2,), the document begins at index 1. Marks and invisible characters are taken out, but for
    marks inside words; then there are fewer characters than before, and `places` says where each of them stood.
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
    """Return whether a character of this class is part of a word for certain."""
    return (kind & WORD_CLASSES != 0) & (kind & HAN == 0)


@kernel
def _joins(character: int, before: int, after: int) -> bool:
    """Return whether a character between two classes belongs to the word before it because of what comes next."""
    apostrophe = ((character == APOSTROPHE) | (character == CURLY_APOSTROPHE)) & (after & LETTER != 0)
    point = ((character == FULL_STOP) | (character == COMMA)) & (before & after & DIGIT != 0)
    return (apostrophe | point | (character == UNDERSCORE)) & _is_word(after)


@kernel
def _mark_extended(characters: Characters, count: int, parts: Bytes, places: Positions) -> int:
    """Do as `mark_parts` for a document with characters that extend what they follow."""
    kept, part = 0, GAP
    before = characters[0]
    for at in range(count):
        character = characters[at + 1]
        kind = character >> CODE_BITS
        if kind & (MARK | IGNORED):
            # Extends a word or a symbol, and starts nothing.
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
    """Write where each word (a Han word is none) starts and ends, in turn, and return how many words there are.

    borders: (count + 2,). A place is written for every character, and stays where a word starts or ends: a branch
    would be guessed wrong at every word.
    """
    found, inside = 0, False
    for at in range(count):
        borders[At(found)] = at
        found += (parts[at] == WORD) ^ inside
        inside = parts[at] == WORD
    borders[At(found)] = count
    return (found + 1) // 2
