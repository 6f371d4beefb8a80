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
from massivetext.text.compiling import kernel
from massivetext.text.counting import (
    HASH_FACTOR,
    HASH_START,
    NEW_LINE,
    Characters,
    Counts,
    count_repeated,
    decode_document,
)
from massivetext.text.kernels import CODE_BITS, CODE_MASK
from massivetext.text.repetition import group_equal
from massivetext.text.unicode_table import DIGIT, HAN, IGNORED, MARK, SPACE, WORD_CLASSES, class_table
from massivetext.text.words import Positions, fold_table, mix

PAGE_VERSION = 1
"""Grows whenever the same text could give other statistics."""
SHORT_CHARACTERS = 30
GRAM = 13
FIRST_IDEOGRAPH, LAST_IDEOGRAPH = 0x4E00, 0x9FA5
WIDE_ENDS = frozenset(map(ord, "。！？｡…‥؟۔।॥።"))
ENDS = frozenset(map(ord, ".?!")) | WIDE_ENDS
CLOSING = frozenset(map(ord, "\"'”’」』）)]】》〉»›*"))
OPEN_BRACKET, CLOSED_BRACKET, FULL_STOP, WIDE_STOP = ord("【"), ord("】"), ord("."), ord("。")
ENDS_LIST, WIDE_ENDS_LIST, CLOSING_LIST = (np.array(sorted(part)) for part in (ENDS, WIDE_ENDS, CLOSING))
MORE_ENDS = ("readmore", "read more", "展开", "更多", "。。。")
MORE = np.array([[ord(c) for c in reversed(text)] + [0] * (9 - len(text)) for text in MORE_ENDS], dtype=np.int32)

COUNTED = (
    "characters", "line_feeds", "lines", "ended_lines", "short_lines", "more_lines", "line_characters",
    "duplicate_line_characters", "sentences", "spaces", "han", "alphanumerics", "digits", "punctuation", "bracketed",
    "unique", "grams", "repeated_grams",
)  # fmt: skip
(
    CHARACTERS, LINE_FEEDS, LINES, ENDED, SHORT, MORE_LINES, LINE_CHARACTERS, DUPLICATE, SENTENCES, SPACES, HANS,
    ALPHANUMERICS, DIGITS, PUNCTUATION, BRACKETED, UNIQUE, GRAMS, REPEATED_GRAMS,
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
    "repeated_13_gram_fraction": ("repeated_grams", "grams"),
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


@kernel
def _among(code: int, listed: npt.NDArray[np.int64]) -> bool:
    """Return whether a code point is in a short list."""
    found = False
    for index in range(len(listed)):
        found |= listed[index] == code
    return found


@kernel
def _ends(characters: Characters, start: int, end: int) -> bool:
    """Return whether the line ends as a sentence does."""
    while end > start and _among(characters[end - 1] & CODE_MASK, CLOSING_LIST):
        end -= 1
    return end > start and _among(characters[end - 1] & CODE_MASK, ENDS_LIST)


@kernel
def _ends_with_more(characters: Characters, start: int, end: int, folds: Positions) -> bool:
    """Return whether the line ends in one of MORE."""
    for row in range(len(MORE)):
        at = 0
        while at < MORE.shape[1] and MORE[row, at] and end - 1 - at >= start:
            code = characters[end - 1 - at] & CODE_MASK
            if code + folds[code] != MORE[row, at] and code != MORE[row, at]:
                break
            at += 1
        if at == MORE.shape[1] or not MORE[row, at]:
            return True
    return False


@kernel
def _count_lines(characters: Characters, count: int, folds: Positions, out: Counts) -> None:
    """Add what is counted by line."""
    hashes, lengths = np.empty(count // 2 + 1, np.uint64), np.empty(count // 2 + 1, np.int64)
    start = 0
    while start < count:
        end = start
        while end < count and characters[end] & CODE_MASK != NEW_LINE:
            end += 1
        after = end + 1
        out[LINE_FEEDS] += end < count
        while start < end and (characters[start] >> CODE_BITS) & SPACE:
            start += 1
        while start < end and (characters[end - 1] >> CODE_BITS) & SPACE:
            end -= 1
        if start < end:
            value = HASH_START
            for at in range(start, end):
                value = (value ^ np.uint64(characters[at])) * HASH_FACTOR
            hashes[out[LINES]], lengths[out[LINES]] = value, end - start
            out[LINES] += 1
            out[LINE_CHARACTERS] += end - start
            out[SHORT] += end - start <= SHORT_CHARACTERS
            out[ENDED] += _ends(characters, start, end)
            out[MORE_LINES] += _ends_with_more(characters, start, end, folds)
        start = after
    out[DUPLICATE] = count_repeated(hashes, lengths, out[LINES])[1]


@kernel
def _count_characters(characters: Characters, count: int, seen: Positions, out: Counts) -> float:
    """Add what is counted by character, and return the entropy of the characters in nats.

    seen: a zero for each code point, which it is again afterwards.
    """
    open_at = -1
    for at in range(count):
        code, bits = characters[at] & CODE_MASK, characters[at] >> CODE_BITS
        out[SPACES] += bits & SPACE != 0
        out[HANS] += FIRST_IDEOGRAPH <= code <= LAST_IDEOGRAPH
        out[ALPHANUMERICS] += bits & WORD_CLASSES != 0
        out[DIGITS] += bits & DIGIT != 0
        out[PUNCTUATION] += bits & (WORD_CLASSES | SPACE | MARK | IGNORED | HAN) == 0
        if code == OPEN_BRACKET and open_at < 0:
            open_at = at
        elif code == CLOSED_BRACKET and open_at >= 0:
            out[BRACKETED] += at - open_at - 1
            open_at = -1
        if _among(code, ENDS_LIST):
            after = characters[at + 1] if at + 1 < count else np.int32(SPACE << CODE_BITS)
            again = _among(after & CODE_MASK, ENDS_LIST)
            free = (after >> CODE_BITS) & SPACE or _among(after & CODE_MASK, CLOSING_LIST)
            out[SENTENCES] += not again and (bool(free) or _among(code, WIDE_ENDS_LIST))
        out[UNIQUE] += seen[code] == 0
        seen[code] += 1
    out[CHARACTERS] = count
    entropy = 0.0
    for at in range(count):
        times = seen[characters[at] & CODE_MASK]
        if times:
            entropy -= times / count * log(times / count)
            seen[characters[at] & CODE_MASK] = 0
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
    characters, packed = np.empty(longest, np.int32), np.empty(longest, np.uint64)
    keys, positions = np.empty(longest, np.uint64), np.arange(longest).astype(np.int32)
    groups, sizes = np.empty(longest, np.int32), np.empty(longest, np.int32)
    slots, seen = np.empty(4 * longest + 1, np.int32), np.zeros(0x110000, np.int32)
    for document in range(len(offsets) - 1):
        count = decode_document(data, offsets[document], offsets[document + 1], table, characters)
        out = counts[document]
        _count_lines(characters, count, folds, out)
        entropy[document] = _count_characters(characters, count, seen, out)
        held = 0
        for at in range(count):
            if not (characters[at] >> CODE_BITS) & SPACE:
                code = characters[at] & CODE_MASK
                packed[held] = np.uint64(code + folds[code] + 1)
                held += 1
        grams = held - GRAM + 1
        if grams > 0:
            for at in range(grams):
                value = HASH_START
                for inside in range(GRAM):
                    value = (value ^ packed[at + inside]) * HASH_FACTOR
                keys[at] = mix(value)
            group_equal(keys, grams, positions, groups, slots, sizes)
            out[GRAMS] = grams
            for at in range(grams):
                out[REPEATED_GRAMS] += sizes[groups[at]] > 1
