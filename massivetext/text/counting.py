"""Kernels that count words, symbols, lines and repeated lines in one document after another.

What is counted is defined in `massivetext.text.statistics`. A document is decoded once (`massivetext.text.characters`);
then one loop after the other counts from that, each so plain that it has few branches or becomes vectors.
"""

import numpy as np
import numpy.typing as npt

from massivetext.text.arrays import Bytes, Offsets
from massivetext.text.characters import (
    BLOCK,
    BORDER,
    FULL_STOP,
    GAP,
    HAN_WORD,
    SYMBOL,
    WORD,
    At,
    Characters,
    Positions,
    decode_document,
    longest_document,
    mark_parts,
    word_borders,
)
from massivetext.text.compiling import kernel
from massivetext.text.kernels import CODE_BITS, CODE_MASK
from massivetext.text.repetition import SPREAD
from massivetext.text.unicode_table import DIGIT, LETTER, SPACE
from massivetext.text.words import HASH_FACTOR, HASH_START, Hashes

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
LONGEST_STOP_WORD = max(map(len, STOP_WORD_LIST))  # 4: a word's characters, 16 bits each, are one key
STOP_MASKS = np.array([(1 << 16 * size) - 1 if size <= LONGEST_STOP_WORD else 0 for size in range(6)], dtype=np.uint64)

NEW_LINE, HASH, HYPHEN, BULLET, ELLIPSIS = (ord(character) for character in "\n#-•…")
LINE_FACTORS = np.array([pow(int(SPREAD), power, 2**64) for power in (1, 2, 3, 4)], dtype=np.uint64)
STOP_SHIFT, ALL_STOP_WORDS = 58, (1 << len(STOP_WORD_LIST)) - 1
STOP_KEYS, STOP_BITS = np.zeros(64, np.uint64), np.zeros(64, np.int64)
"""Stop words, 16 bits a character, at their own places: the upper bits of key * SPREAD, different for all."""
for _index, _word in enumerate(STOP_WORD_LIST):
    _key = sum(ord(_character) << 16 * _at for _at, _character in enumerate(_word))
    _place = _key * int(SPREAD) % 2**64 >> STOP_SHIFT
    assert _place and not STOP_KEYS[_place]
    STOP_KEYS[_place], STOP_BITS[_place] = _key, 1 << _index

Counts = npt.NDArray[np.int64]


@kernel
def count_marks(characters: Characters, count: int, out: Counts) -> None:
    """Add hash signs and ellipses of one document, as it was decoded, to its row of counts.

    characters: one more than the document's, and this one no full stop.
    """
    hashes, ellipses, pairs = np.int32(0), np.int32(0), np.int32(0)
    for at in range(count):
        hashes += np.int32(characters[at] == HASH)
        ellipses += np.int32(characters[at] == ELLIPSIS)
        pairs += np.int32((characters[at] == FULL_STOP) & (characters[at + 1] == FULL_STOP))
    out[HASHES], out[ELLIPSES] = hashes, ellipses
    if pairs > 1:
        full_stops = 0
        for at in range(count):
            full_stops = full_stops + 1 if characters[at] == FULL_STOP else 0
            out[ELLIPSES] += full_stops > 0 and full_stops % 3 == 0


@kernel
def count_words(characters: Characters, parts: Bytes, count: int, borders: Positions, out: Counts) -> None:
    """Add words, symbols and single characters of one document to its row of counts.

    characters, parts: of `mark_parts`, without what stands before the first. borders: (count + 2,), room to work in.
    """
    digits, spaces, hans, han_letters = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
    for at in range(count):
        digits += np.int32(characters[at] >> CODE_BITS & DIGIT != 0)
        spaces += np.int32(characters[at] >> CODE_BITS & SPACE != 0)
    symbols, word_characters = np.int32(count > 0 and parts[0] == SYMBOL), np.int32(0)
    for at in range(count):
        word_characters += np.int32(parts[at] == WORD)
        hans += np.int32(parts[at] == HAN_WORD)
    for at in range(count if hans else 0):
        han_letters += np.int32((parts[at] == HAN_WORD) & (characters[at] >> CODE_BITS & LETTER != 0))
    for at in range(1, count):
        symbols += np.int32((parts[at] == SYMBOL) & (parts[at - 1] != SYMBOL))
    words = word_borders(parts, count, borders)
    alphabetic_words = 0
    for word in range(words):
        start = borders[2 * word]
        alphabetic = characters[start] >> CODE_BITS & LETTER
        if not alphabetic:
            for at in range(start, borders[2 * word + 1]):
                alphabetic |= characters[at] >> CODE_BITS & LETTER
        alphabetic_words += alphabetic
    out[DIGITS], out[SPACES], out[HANS], out[SYMBOLS] = digits, spaces, hans, symbols
    out[WORDS], out[WORD_CHARACTERS] = words + hans, word_characters + hans
    out[ALPHABETIC_WORDS] = alphabetic_words + han_letters
    out[STOP_WORDS] = count_stop_words(characters, borders, words)


@kernel
def count_stop_words(characters: Characters, borders: Positions, words: int) -> int:
    """Return how many different stop words there are among words; characters: 3 more than the last word has.

    Each word is looked up in a table that gives every stop word a place of its own, without a branch.
    """
    found = 0
    for word in range(words):
        start, size = borders[At(2 * word)], borders[At(2 * word + 1)] - borders[At(2 * word)]
        key = At(0)
        for at in range(LONGEST_STOP_WORD):
            key |= At(min(characters[At(start + at)] & CODE_MASK, 0xFFFF)) << At(16 * at)
        key &= STOP_MASKS[At(min(size, LONGEST_STOP_WORD + 1))]
        place = key * SPREAD >> At(STOP_SHIFT)
        found |= STOP_BITS[place] if STOP_KEYS[place] == key else 0
        if found == ALL_STOP_WORDS:
            break
    count = 0
    while found:
        count += found & 1
        found >>= 1
    return count


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
        slot = np.int64((value * SPREAD) >> np.uint64(33)) & (size - 1)
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
            np.uint64(characters[At(at)]) * LINE_FACTORS[3]
            + np.uint64(characters[At(at + 1)]) * LINE_FACTORS[2]
            + np.uint64(characters[At(at + 2)]) * LINE_FACTORS[1]
            + np.uint64(characters[At(at + 3)]) * LINE_FACTORS[0]
        )
        value = value * LINE_FACTORS[3] + (four ^ (four >> np.uint64(29)))
        at += 4
    while at < end:
        value = (value ^ np.uint64(characters[At(at)])) * HASH_FACTOR
        at += 1
    return value ^ (value >> np.uint64(31))


@kernel
def find_lines(characters: Characters, count: int, breaks: Positions) -> int:
    """Write where each line of one document ends, and return how many line feeds there are."""
    found = 0
    for start in range(0, count, BLOCK):
        block = characters[start : min(start + BLOCK, count)]
        feeds = np.int32(0)
        for inside in range(len(block)):
            feeds |= np.int32(block[inside] & CODE_MASK == NEW_LINE)
        for inside in range(len(block) if feeds else 0):
            # Written everywhere, and kept where a line ends: no branch that is guessed wrong.
            breaks[At(found)] = start + inside
            found += block[inside] & CODE_MASK == NEW_LINE
    breaks[At(found)] = count
    return found


@kernel
def count_lines(characters: Characters, count: int, breaks: Positions, out: Counts) -> None:
    """Add lines, paragraphs and their repetitions of one document to its row of counts.

    breaks: (count + 1,), room to work in.
    """
    found = find_lines(characters, count, breaks)
    lines, line_lengths = np.empty(found + 1, dtype=np.uint64), np.empty(found + 1, dtype=np.int64)
    paragraphs, paragraph_lengths = np.empty(found + 1, dtype=np.uint64), np.empty(found + 1, dtype=np.int64)
    paragraph_open = False
    start = 0
    for index in range(found + 1):
        end, after = breaks[index], breaks[index] + 1
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
    longest = longest_document(offsets)
    characters, parts = np.zeros(longest + 2 + LONGEST_STOP_WORD, np.int32), np.empty(longest, np.uint8)
    places, room = np.empty(longest, np.int32), np.empty(longest + 2, np.int32)
    for document in range(len(offsets) - 1):
        out = counts[document]
        count = decode_document(data, offsets[document], offsets[document + 1], table, characters[1:])
        out[CHARACTERS] = count
        characters[count + 1] = BORDER
        count_marks(characters[1:], count, out)
        count_lines(characters[1:], count, room, out)
        count = mark_parts(characters, count, parts, places)
        count_words(characters[1:], parts, count, room, out)


@kernel
def count_units(data: Bytes, offsets: Offsets, table: Bytes, counts: Counts) -> None:
    """Write how many words and symbols each document has to `counts`, (documents,)."""
    longest = longest_document(offsets)
    characters, parts = np.empty(longest + 2, np.int32), np.empty(longest, np.uint8)
    places = np.empty(longest, np.int32)
    for document in range(len(offsets) - 1):
        count = decode_document(data, offsets[document], offsets[document + 1], table, characters[1:])
        count = mark_parts(characters, count, parts, places)
        found = np.int32(count > 0 and parts[0] != GAP)
        for at in range(1, count):
            begins = (parts[at] != GAP) & (parts[at] != parts[at - 1])
            found += np.int32(begins | (parts[at] == HAN_WORD))
        counts[document] = found
