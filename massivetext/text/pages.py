"""What web pages and code files look like: ends of lines, kinds of characters, their variety, repeated sequences.

- A *line* is what stands between two line feeds, without the white space around it; blank lines are not counted.
- A line *ends* where its last character, closing quotation marks and brackets left out, is one of . ? ! … and the like
  in English, Chinese and other scripts.
- A *sentence end* is such a mark before white space, the end of the text or a closing mark; a Chinese one needs none.
- *Repeated 13-grams*: of all runs of 13 characters (white space left out, compared in lower case and compatibility
  form) the part that occurs more than once.
"""

from math import log
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from massivetext.text.arrays import Bytes, Offsets, string_buffers
from massivetext.text.characters import Characters, decode_document
from massivetext.text.compiling import kernel
from massivetext.text.counting import HASH_FACTOR, NEW_LINE, Counts, count_repeated, hash_line
from massivetext.text.kernels import CODE_BITS, CODE_MASK
from massivetext.text.repetition import group_equal
from massivetext.text.unicode_table import DIGIT, HAN, IGNORED, MARK, SPACE, WORD_CLASSES, class_table
from massivetext.text.words import Positions, fold_table, mix

PAGE_VERSION = 2
"""Grows whenever the same text could give other statistics."""
SHORT_CHARACTERS = 30
GRAM = 13
FIRST_IDEOGRAPH, LAST_IDEOGRAPH = 0x4E00, 0x9FA5
WIDE_ENDS = frozenset(map(ord, "。！？｡…‥؟۔।॥።"))
ENDS = frozenset(map(ord, ".?!")) | WIDE_ENDS
CLOSING = frozenset(map(ord, "\"'”’」』）)]】》〉»›*"))
OPEN_BRACKET, CLOSED_BRACKET, FULL_STOP, WIDE_STOP = ord("【"), ord("】"), ord("."), ord("。")
IS_END, IS_WIDE_END, IS_CLOSING = 1, 2, 4
MARKS = np.zeros(0x10000, np.uint8)
"""What each punctuation mark is, by its code point; those above are none of these."""
for _bit, _part in ((IS_END, ENDS), (IS_WIDE_END, WIDE_ENDS), (IS_CLOSING, CLOSING)):
    MARKS[sorted(_part)] |= _bit
MORE_ENDS = ("readmore", "read more", "展开", "更多", "。。。")
MORE = np.array([[ord(c) for c in reversed(text)] + [0] * (9 - len(text)) for text in MORE_ENDS], dtype=np.int32)
MORE_LAST = np.unique(MORE[:, 0])

COUNTED = (
    "characters", "line_feeds", "lines", "ended_lines", "short_lines", "more_lines", "line_characters",
    "duplicate_line_characters", "sentences", "spaces", "han", "alphanumerics", "digits", "punctuation", "bracketed",
    "unique",
)  # fmt: skip
(
    CHARACTERS, LINE_FEEDS, LINES, ENDED, SHORT, MORE_LINES, LINE_CHARACTERS, DUPLICATE, SENTENCES, SPACES, HANS,
    ALPHANUMERICS, DIGITS, PUNCTUATION, BRACKETED, UNIQUE,
) = range(len(COUNTED))  # fmt: skip
SHARES = {
    "ended_line_fraction": ("ended_lines", "lines"),
    "short_line_fraction": ("short_lines", "lines"),
    "more_line_fraction": ("more_lines", "lines"),
    "mean_line_characters": ("line_characters", "lines"),
    "duplicate_line_character_fraction": ("duplicate_line_characters", "characters_without_line_feeds"),
    "ideograph_fraction": ("han", "characters"),
    "alphanumeric_fraction": ("alphanumerics", "characters"),
    "digit_fraction": ("digits", "characters_without_punctuation"),
    "bracketed_fraction": ("bracketed", "characters"),
    "unique_character_fraction": ("unique", "characters"),
}
"""Each fraction (and the mean): what is counted, and of how many."""
PAGES: dict[str, pa.DataType] = {
    **{name: pa.int64() for name in ("characters", "line_feeds", "sentences", "punctuation")},
    **{name: pa.float64() for name in SHARES},
    "character_entropy_nats": pa.float64(),
}
"""The name and type of every statistic, in order.

short lines have at most 30 characters; more lines end in readmore, 展开, 更多 or 。。。; ideographs U+4E00 to U+9FA5;
bracketed characters stand between 【 and 】. With nothing to divide by, 0.
"""


def page_statistics(array: pa.Array) -> dict[str, pa.Array]:
    """Return every statistic of `PAGES` for each text of a string or large_string array; null where it is null."""
    data, offsets = string_buffers(array)
    counts, entropy = np.zeros((len(array), len(COUNTED)), np.int64), np.zeros(len(array))
    _count_pages(data, offsets, class_table(), fold_table(), counts, entropy)
    column: dict[str, npt.NDArray[Any]] = {name: counts[:, index] for index, name in enumerate(COUNTED)}
    column["characters_without_line_feeds"] = column["characters"] - column["line_feeds"]
    column["characters_without_punctuation"] = column["characters"] - column["punctuation"]
    column["character_entropy_nats"] = entropy
    for name, (part, whole) in SHARES.items():
        divisor = column[whole]
        column[name] = np.divide(column[part], divisor, out=np.zeros(len(array)), where=divisor > 0)
    missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    return {name: pa.array(column[name], type=kind, mask=missing) for name, kind in PAGES.items()}


def repeated_grams(array: pa.Array) -> pa.Array:
    """Return the fraction of each text's 13-grams that occur more than once; null where the text is null."""
    data, offsets = string_buffers(array)
    fractions = np.zeros(len(array))
    _repeat_grams(data, offsets, class_table(), fold_table(), fractions)
    missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    return pa.array(fractions, mask=missing)


@kernel
def _mark(character: np.int32) -> int:
    """Return what punctuation mark a character is."""
    code = character & CODE_MASK
    return int(MARKS[code]) if code < len(MARKS) else 0


@kernel
def _ends(characters: Characters, start: int, end: int) -> bool:
    """Return whether the line ends as a sentence does."""
    while end > start and _mark(characters[end - 1]) & IS_CLOSING:
        end -= 1
    return end > start and bool(_mark(characters[end - 1]) & IS_END)


@kernel
def _ends_with_more(characters: Characters, start: int, end: int, folds: Positions) -> bool:
    """Return whether the line ends in one of MORE."""
    last = characters[end - 1] & CODE_MASK
    possible = False
    for index in range(len(MORE_LAST)):
        possible |= MORE_LAST[index] == last + folds[last]
    if not possible:
        return False
    for row in range(len(MORE)):
        at = 0
        while at < MORE.shape[1] and MORE[row, at] and end - 1 - at >= start:
            code = characters[end - 1 - at] & CODE_MASK
            if code + folds[code] != MORE[row, at]:
                break
            at += 1
        if at == MORE.shape[1] or not MORE[row, at]:
            return True
    return False


@kernel
def _count_lines(characters: Characters, count: int, folds: Positions, out: Counts) -> None:
    """Add what is counted by line."""
    hashes, lengths = np.empty(count // 2 + 1, np.uint64), np.empty(count // 2 + 1, np.int64)
    lines, line_feeds, start = 0, 0, 0
    while start < count:
        end = start
        while end < count and characters[end] & CODE_MASK != NEW_LINE:
            end += 1
        after = end + 1
        line_feeds += end < count
        while start < end and (characters[start] >> CODE_BITS) & SPACE:
            start += 1
        while start < end and (characters[end - 1] >> CODE_BITS) & SPACE:
            end -= 1
        if start < end:
            hashes[lines], lengths[lines] = hash_line(characters, start, end), end - start
            lines += 1
            out[LINE_CHARACTERS] += end - start
            out[SHORT] += end - start <= SHORT_CHARACTERS
            out[ENDED] += _ends(characters, start, end)
            out[MORE_LINES] += _ends_with_more(characters, start, end, folds)
        start = after
    out[LINES], out[LINE_FEEDS] = lines, line_feeds
    out[DUPLICATE] = count_repeated(hashes, lengths, lines)[1]


@kernel
def _count_characters(characters: Characters, count: int, seen: Positions, out: Counts) -> float:
    """Add what is counted by character, and return the entropy of the characters in nats.

    seen: a zero for each code point, which it is again afterwards.
    """
    open_at, foreign = -1, 0
    spaces, hans, alphanumerics, digits, punctuation, bracketed, sentences = 0, 0, 0, 0, 0, 0, 0
    for at in range(count):
        code, bits = characters[at] & CODE_MASK, characters[at] >> CODE_BITS
        seen[code] += 1
        foreign += code >= 0x80
        if bits & WORD_CLASSES:
            alphanumerics += 1
            digits += bits & DIGIT != 0
            hans += FIRST_IDEOGRAPH <= code <= LAST_IDEOGRAPH
            continue
        spaces += bits & SPACE != 0
        if bits & (SPACE | MARK | IGNORED | HAN):
            continue
        punctuation += 1
        if code == OPEN_BRACKET and open_at < 0:
            open_at = at
        elif code == CLOSED_BRACKET and open_at >= 0:
            bracketed += at - open_at - 1
            open_at = -1
        mark = _mark(characters[at])
        if mark & IS_END:
            after = characters[at + 1] if at + 1 < count else np.int32(SPACE << CODE_BITS)
            next_mark = _mark(after)
            free = (after >> CODE_BITS) & SPACE or (next_mark & IS_CLOSING) or (mark & IS_WIDE_END)
            sentences += not next_mark & IS_END and bool(free)
    out[CHARACTERS], out[SPACES], out[HANS], out[ALPHANUMERICS] = count, spaces, hans, alphanumerics
    out[DIGITS], out[PUNCTUATION], out[BRACKETED], out[SENTENCES] = digits, punctuation, bracketed, sentences
    entropy, unique = 0.0, 0
    for code in range(0x80):
        if seen[code]:
            unique += 1
            entropy -= seen[code] / count * log(seen[code] / count)
            seen[code] = 0
    if foreign:
        for at in range(count):
            code = characters[at] & CODE_MASK
            if seen[code]:
                unique += 1
                entropy -= seen[code] / count * log(seen[code] / count)
                seen[code] = 0
    out[UNIQUE] = unique
    return entropy


@kernel
def _count_pages(
    data: Bytes,
    offsets: Offsets,
    table: Bytes,
    folds: Positions,
    counts: Counts,
    entropy: npt.NDArray[np.float64],
) -> None:
    """Write the counts of each document to its row, and its entropy."""
    longest = 1
    for document in range(len(offsets) - 1):
        longest = max(longest, offsets[document + 1] - offsets[document])
    characters, seen = np.empty(longest, np.int32), np.zeros(0x110000, np.int32)
    for document in range(len(offsets) - 1):
        count = decode_document(data, offsets[document], offsets[document + 1], table, characters)
        _count_lines(characters, count, folds, counts[document])
        entropy[document] = _count_characters(characters, count, seen, counts[document])


@kernel
def _repeat_grams(
    data: Bytes, offsets: Offsets, table: Bytes, folds: Positions, fractions: npt.NDArray[np.float64]
) -> None:
    """Write the fraction of each document's runs of GRAM characters that occur more than once."""
    longest = 1
    for document in range(len(offsets) - 1):
        longest = max(longest, offsets[document + 1] - offsets[document])
    characters, packed = np.empty(longest, np.int32), np.empty(longest, np.uint64)
    keys, positions = np.empty(longest, np.uint64), np.arange(longest).astype(np.int32)
    groups, sizes = np.empty(longest, np.int32), np.empty(longest, np.int32)
    slots = np.empty(4 * longest + 1, np.int32)
    highest = np.uint64(1)
    for _ in range(GRAM + 1):
        highest *= HASH_FACTOR
    for document in range(len(offsets) - 1):
        count = decode_document(data, offsets[document], offsets[document + 1], table, characters)
        held, grams, value = 0, 0, np.uint64(0)
        for at in range(count):
            if not (characters[at] >> CODE_BITS) & SPACE:
                code = characters[at] & CODE_MASK
                packed[held] = mix(np.uint64(code + folds[code] + 1))
                # A polynomial whose oldest term goes as the newest comes.
                value = (value + packed[held]) * HASH_FACTOR
                held += 1
                if held > GRAM:
                    value -= packed[held - 1 - GRAM] * highest
                if held >= GRAM:
                    keys[grams] = value
                    grams += 1
        if grams > 0:
            group_equal(keys, grams, positions, groups, slots, sizes)
            repeated = 0
            for at in range(grams):
                repeated += sizes[groups[at]] > 1
            fractions[document] = repeated / grams
