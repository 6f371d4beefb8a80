"""Kernels that count words, symbols, lines and repeated lines in one document after another.

What is counted is defined in `massivetext.text.statistics`. A document is decoded once into `characters`, int32 of
`class << CODE_BITS | code point`; then words and lines are counted from it.
"""

import numpy as np
import numpy.typing as npt

from massivetext.text.arrays import Bytes, Offsets
from massivetext.text.compiling import kernel
from massivetext.text.kernels import CODE_BITS, CODE_MASK, decode_at
from massivetext.text.unicode_table import DIGIT, HAN, IGNORED, LETTER, MARK, SPACE, UNSETTLED, WORD_CLASSES

COUNTS = (
    "characters",
    "words",
    "word_characters",
    "symbols",
    "alphabetic_words",
    "stop_words",
    "hashes",
    "ellipses",
    "digits",
    "spaces",
    "han",
    "lines",
    "longest_line_characters",
    "bullet_lines",
    "ellipsis_lines",
    "duplicate_lines",
    "duplicate_line_characters",
    "paragraphs",
    "duplicate_paragraphs",
    "duplicate_paragraph_characters",
)
"""What the columns of the counts are, in order."""
(
    CHARACTERS, WORDS, WORD_CHARACTERS, SYMBOLS, ALPHABETIC_WORDS, STOP_WORDS, HASHES, ELLIPSES, DIGITS, SPACES, HANS,
    LINES, LONGEST_LINE, BULLET_LINES, ELLIPSIS_LINES, DUPLICATE_LINES, DUPLICATE_LINE_CHARACTERS,
    PARAGRAPHS, DUPLICATE_PARAGRAPHS, DUPLICATE_PARAGRAPH_CHARACTERS,
) = range(len(COUNTS))  # fmt: skip

STOP_WORD_LIST = ("the", "be", "to", "of", "and", "that", "have", "with")
LONGEST_STOP_WORD = max(map(len, STOP_WORD_LIST))
STOP_KEYS = np.array([int.from_bytes(word.encode(), "big") for word in STOP_WORD_LIST], dtype=np.int64)
CLASS_MASK = 0xFF & ~UNSETTLED

NEW_LINE, HASH, APOSTROPHE, COMMA, HYPHEN, FULL_STOP, UNDERSCORE = (ord(character) for character in "\n#',-._")
CURLY_APOSTROPHE, BULLET, ELLIPSIS = ord("’"), ord("•"), ord("…")
HASH_START, HASH_FACTOR = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a
LINE_FACTORS = np.array([pow(0x9E3779B97F4A7C15, power, 2**64) for power in (1, 2, 3, 4)], dtype=np.uint64)
SLOT_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, from the golden ratio: spreads near hashes over the table

Characters = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


@kernel
def decode_document(data: Bytes, at: int, end: int, table: Bytes, characters: Characters) -> int:
    """Write the characters of data[at:end] to `characters` and return how many they are."""
    count = 0
    while at < end:
        code = np.int32(data[at])
        size = 1
        if code >= 0x80:
            code, size = decode_at(data, at, end)
        characters[count] = np.int32(table[code] & CLASS_MASK) << CODE_BITS | code
        count += 1
        at += size
    return count


@kernel
def joins(characters: Characters, at: int, count: int) -> bool:
    """Return whether the symbol at `at`, which follows a word, belongs to it because of what comes next."""
    if at + 1 >= count:
        return False
    code = characters[at] & CODE_MASK
    after = characters[at + 1] >> CODE_BITS
    if after & HAN or not after & WORD_CLASSES:
        return False
    if code in (APOSTROPHE, CURLY_APOSTROPHE):
        return bool(after & LETTER)
    if code in (FULL_STOP, COMMA):
        return bool(after & (characters[at - 1] >> CODE_BITS) & DIGIT)
    return bool(code == UNDERSCORE)


@kernel
def stop_word_bit(characters: Characters, start: int, end: int) -> int:
    """Return the bit of the stop word that a short word is, invisible characters left out; 0 if it is none."""
    key = 0
    for at in range(start, end):
        if (characters[at] >> CODE_BITS) & IGNORED:
            continue
        code = characters[at] & CODE_MASK
        if code >= 0x80:
            return 0
        key = key << 8 | code
    for index in range(len(STOP_KEYS)):
        if STOP_KEYS[index] == key:
            return 1 << index
    return 0


@kernel
def count_words(characters: Characters, count: int, out: Counts) -> None:
    """Add words, symbols and single characters of one document to its row of counts."""
    words, word_characters, symbols, alphabetic_words, digits, spaces, hans = 0, 0, 0, 0, 0, 0, 0
    hashes, ellipses, full_stops, stop_words = 0, 0, 0, 0
    in_word, in_symbol, alphabetic = False, False, False
    first, length, at = 0, 0, 0
    while at < count:
        if in_word:
            # Most characters are letters inside a word: nothing else is asked of them.
            start = at
            while at < count and characters[at] >> CODE_BITS == LETTER:
                at += 1
            if at > start:
                length += at - start
                word_characters += at - start
                alphabetic_words += not alphabetic
                alphabetic = True
                if at == count:
                    break
        code = characters[at] & CODE_MASK
        bits = characters[at] >> CODE_BITS
        if bits & (MARK | IGNORED):  # extends whatever stands before it, and starts nothing
            if in_word and bits & MARK:
                word_characters += 1
                length = LONGEST_STOP_WORD + 1
            at += 1
            continue
        inside = (bits & WORD_CLASSES != 0 and not bits & HAN) or (
            in_word and bits == 0 and joins(characters, at, count)
        )
        if in_word and not inside and length <= LONGEST_STOP_WORD:
            stop_words |= stop_word_bit(characters, first, at)
        if inside:
            if not in_word:
                words += 1
                alphabetic, length, first = False, 0, at
            word_characters += 1
            length += 1
            digits += bits & DIGIT != 0
            if bits & LETTER and not alphabetic:
                alphabetic_words += 1
                alphabetic = True
        elif bits & SPACE:
            spaces += 1
        elif bits & HAN:
            hans += 1
            words += 1
            word_characters += 1
            alphabetic_words += bits & LETTER != 0
        else:
            symbols += not in_symbol
            hashes += code == HASH
            full_stops = full_stops + 1 if at > 0 and characters[at - 1] & CODE_MASK == FULL_STOP else 1
            ellipses += code == ELLIPSIS or (code == FULL_STOP and full_stops % 3 == 0)
        in_symbol = bits == 0 and not inside
        in_word = inside
        at += 1
    if in_word and length <= LONGEST_STOP_WORD:
        stop_words |= stop_word_bit(characters, first, count)
    while stop_words:
        out[STOP_WORDS] += stop_words & 1
        stop_words >>= 1
    out[CHARACTERS], out[WORDS], out[WORD_CHARACTERS], out[SYMBOLS] = count, words, word_characters, symbols
    out[ALPHABETIC_WORDS], out[DIGITS], out[SPACES], out[HANS] = alphabetic_words, digits, spaces, hans
    out[HASHES], out[ELLIPSES] = hashes, ellipses


@kernel
def count_repeated(hashes: Hashes, lengths: Counts, count: int) -> tuple[int, int]:
    """Return how many of the first `count` hashes occurred before in the document, and the sum of their lengths."""
    if count < 2:
        return 0, 0
    size = 1
    while size < 2 * count:
        size *= 2
    slots = np.zeros(size, dtype=np.uint64)
    repeated, characters = 0, 0
    for index in range(count):
        value = hashes[index] | np.uint64(1)  # 0 marks an empty slot
        slot = np.int64((value * SLOT_FACTOR) >> np.uint64(33)) & (size - 1)
        while slots[slot] != 0 and slots[slot] != value:
            slot = (slot + 1) & (size - 1)
        if slots[slot] == value:
            repeated += 1
            characters += lengths[index]
        slots[slot] = value
    return repeated, characters


@kernel
def count_line(characters: Characters, start: int, end: int, out: Counts) -> np.uint64:
    """Return the hash of the line characters[start:end], which has no space at its ends; add it to the counts."""
    first, last = characters[start] & CODE_MASK, characters[end - 1] & CODE_MASK
    out[LINES] += 1
    out[LONGEST_LINE] = max(out[LONGEST_LINE], end - start)
    out[BULLET_LINES] += first in (BULLET, HYPHEN)
    dots = 0
    while dots < 3 and end - dots > start and characters[end - 1 - dots] & CODE_MASK == FULL_STOP:
        dots += 1
    out[ELLIPSIS_LINES] += last == ELLIPSIS or dots == 3
    return hash_line(characters, start, end)


@kernel
def hash_line(characters: Characters, start: int, end: int) -> np.uint64:
    """Return a hash of characters[start:end], four at a time: a polynomial in LINE_FACTOR."""
    value, at = HASH_START, start
    while at + 4 <= end:
        four = (
            np.uint64(characters[at]) * LINE_FACTORS[3]
            + np.uint64(characters[at + 1]) * LINE_FACTORS[2]
            + np.uint64(characters[at + 2]) * LINE_FACTORS[1]
            + np.uint64(characters[at + 3]) * LINE_FACTORS[0]
        )
        value = value * LINE_FACTORS[3] + (four ^ (four >> np.uint64(29)))
        at += 4
    while at < end:
        value = (value ^ np.uint64(characters[at])) * HASH_FACTOR
        at += 1
    return value ^ (value >> np.uint64(31))


@kernel
def count_lines(characters: Characters, count: int, out: Counts) -> None:
    """Add lines, paragraphs and their repetitions of one document to its row of counts."""
    capacity = 1
    for at in range(count):
        capacity += characters[at] & CODE_MASK == NEW_LINE
    capacity = min(capacity, count // 2 + 1)
    lines, line_lengths = np.empty(capacity, dtype=np.uint64), np.empty(capacity, dtype=np.int64)
    paragraphs, paragraph_lengths = np.empty(capacity, dtype=np.uint64), np.empty(capacity, dtype=np.int64)
    paragraph_open = False
    start = 0
    while start < count:
        end = start
        while end < count and characters[end] & CODE_MASK != NEW_LINE:
            end += 1
        after = end + 1
        while start < end and (characters[start] >> CODE_BITS) & SPACE:
            start += 1
        while start < end and (characters[end - 1] >> CODE_BITS) & SPACE:
            end -= 1
        if start < end:
            line, paragraph = out[LINES], out[PARAGRAPHS]
            lines[line] = count_line(characters, start, end, out)
            line_lengths[line] = end - start
            if not paragraph_open:
                paragraphs[paragraph], paragraph_lengths[paragraph] = HASH_START, -1
                out[PARAGRAPHS] += 1
            else:
                paragraph -= 1
            paragraphs[paragraph] = (paragraphs[paragraph] ^ lines[line]) * HASH_FACTOR
            paragraph_lengths[paragraph] += end - start + 1
        paragraph_open = start < end
        start = after
    out[DUPLICATE_LINES], out[DUPLICATE_LINE_CHARACTERS] = count_repeated(lines, line_lengths, out[LINES])
    out[DUPLICATE_PARAGRAPHS], out[DUPLICATE_PARAGRAPH_CHARACTERS] = count_repeated(
        paragraphs, paragraph_lengths, out[PARAGRAPHS]
    )


@kernel
def count_documents(data: Bytes, offsets: Offsets, table: Bytes, counts: Counts) -> None:
    """Write the counts of each document to its row of `counts`, (documents, len(COUNTS)) int64, zeros before."""
    longest = 0
    for document in range(len(offsets) - 1):
        longest = max(longest, offsets[document + 1] - offsets[document])
    characters = np.empty(longest, dtype=np.int32)
    for document in range(len(offsets) - 1):
        count = decode_document(data, offsets[document], offsets[document + 1], table, characters)
        count_words(characters, count, counts[document])
        count_lines(characters, count, counts[document])
