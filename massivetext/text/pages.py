"""What web pages and code files look like: ends of lines, kinds of characters, their variety.

- A *line* is what stands between two line feeds, without the white space around it; blank lines are not counted.
- A line *ends* where its last character, closing quotation marks and brackets left out, ends a sentence in English,
  Chinese or another script (`massivetext.text.terminals`).
- A *sentence end* is such a mark before white space, the end of the text or a closing mark; a Chinese one needs none,
  except that a wide full stop inside a number or an abbreviation ends nothing.
"""

import threading
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from massivetext.text.arrays import Bytes, Offsets, string_buffers
from massivetext.text.characters import Positions, longest_document
from massivetext.text.compiling import kernel
from massivetext.text.counting import (
    NEW_LINE,
    Counts,
    count_repeated,
)
from massivetext.text.kernels import decode_at, ideograph_at
from massivetext.text.statistics import words_and_symbols
from massivetext.text.terminals import IS_CLOSING, IS_END, SENTENCE_ENDS, is_sentence_end, last_character, mark_of
from massivetext.text.unicode_table import DIGIT, HAN, IGNORED, MARK, SPACE, WORD_CLASSES, class_table
from massivetext.text.words import HASH_FACTOR, HASH_START, Hashes, fold_table

PAGE_VERSION = 4
"""Grows whenever the same text could give other statistics."""
SHORT_CHARACTERS = 30
REMEMBERED = 64
"""Characters that occur less often share what is computed of their number."""
FIRST_IDEOGRAPH, LAST_IDEOGRAPH = 0x4E00, 0x9FA5
"""What the rules for Chinese web pages count as Chinese: the ideographs of Unicode 1.1."""
OPEN_BRACKET, CLOSED_BRACKET = ord("【"), ord("】")
IS_PLAIN = np.arange(256) < 0x80
"""Characters of one byte that neither part lines nor end sentences."""
IS_PLAIN[[NEW_LINE, *(code for code in SENTENCE_ENDS if code < 0x80)]] = False
MORE_ENDS = ("readmore", "read more", "展开", "更多", "。。。")
MORE = np.array([[ord(c) for c in reversed(text)] + [0] * (9 - len(text)) for text in MORE_ENDS], dtype=np.int32)
IS_MORE_LAST = np.zeros(256, np.bool_)
"""The lowest bytes of their last characters."""
IS_MORE_LAST[MORE[:, 0] & 0xFF] = True

COUNTED = (
    "characters", "line_feeds", "lines", "ended_lines", "short_lines", "more_lines", "line_characters",
    "duplicate_line_characters", "sentences", "han", "alphanumerics", "digits", "punctuation", "bracketed",
    "unique",
)  # fmt: skip
(
    CHARACTERS, LINE_FEEDS, LINES, ENDED, SHORT, MORE_LINES, LINE_CHARACTERS, DUPLICATE, SENTENCES, HANS,
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
    "line_feeds_per_word": pa.float64(),
}
"""The name and type of every statistic, in order.

short lines have at most 30 characters; more lines end in readmore, 展开, 更多 or 。。。; ideographs U+4E00 to U+9FA5;
bracketed characters stand between 【 and 】. With nothing to divide by, 0. line_feeds_per_word: per word or symbol, as
`massivetext.text.statistics` defines them; a text without any counts as one.
"""


class _Seen(threading.local):
    """How often each code point occurs in the text at hand: a zero for all between texts, an array for each thread."""

    def __init__(self) -> None:
        self.counts = np.zeros(0x110000, np.int32)


_seen = _Seen()


def page_statistics(array: pa.Array) -> dict[str, pa.Array]:
    """Return every statistic of `PAGES` for each text of a string or large_string array; null where it is null."""
    data, offsets = string_buffers(array)
    counts, entropy = np.zeros((len(array), len(COUNTED)), np.int64), np.zeros(len(array))
    _count_pages(data, offsets, class_table(), fold_table(), _seen.counts, counts, entropy)
    column: dict[str, npt.NDArray[Any]] = {name: counts[:, index] for index, name in enumerate(COUNTED)}
    column["characters_without_line_feeds"] = column["characters"] - column["line_feeds"]
    column["characters_without_punctuation"] = column["characters"] - column["punctuation"]
    column["character_entropy_nats"] = entropy
    column["line_feeds_per_word"], parted = np.zeros(len(array)), counts[:, LINE_FEEDS] > 0
    # Words are counted only where there is something to divide by them.
    words = words_and_symbols(array.filter(pa.array(parted)))
    column["line_feeds_per_word"][parted] = counts[parted, LINE_FEEDS] / np.maximum(words, 1)
    for name, (part, whole) in SHARES.items():
        divisor = column[whole]
        column[name] = np.divide(column[part], divisor, out=np.zeros(len(array)), where=divisor > 0)
    missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    return {name: pa.array(column[name], type=kind, mask=missing) for name, kind in PAGES.items()}


@kernel
def _trim(data: Bytes, start: int, end: int, table: Bytes) -> tuple[int, int, int]:
    """Return where data[start:end] starts and ends without white space around it, and the characters left out."""
    cut = 0
    while start < end:
        code, size = decode_at(data, start, end)
        if not table[code] & SPACE:
            break
        start, cut = start + size, cut + 1
    while end > start:
        code, size = last_character(data, start, end)
        if not table[code] & SPACE:
            break
        end, cut = end - size, cut + 1
    return start, end, cut


@kernel
def _ends(data: Bytes, start: int, end: int) -> bool:
    """Return whether the line ends as a sentence does."""
    while end > start:
        code, size = last_character(data, start, end)
        mark = mark_of(code)
        if not mark & IS_CLOSING:
            return bool(mark & IS_END)
        end -= size
    return False


@kernel
def _ends_with_more(data: Bytes, start: int, end: int, folds: Positions) -> bool:
    """Return whether the line ends in one of MORE."""
    for row in range(len(MORE)):
        at, stop = 0, end
        while at < MORE.shape[1] and MORE[row, at] and stop > start:
            code, size = last_character(data, start, stop)
            if code + folds[code] != MORE[row, at]:
                break
            at, stop = at + 1, stop - size
        if at == MORE.shape[1] or not MORE[row, at]:
            return True
    return False


@kernel
def _hash_bytes(data: Bytes, start: int, end: int) -> np.uint64:
    """Return a hash of data[start:end], eight bytes at a time."""
    value, at = HASH_START, start
    while at + 8 <= end:
        eight = np.uint64(0)
        for inside in range(8):
            eight |= np.uint64(data[np.uintp(at) + np.uintp(inside)]) << np.uint64(8 * inside)
        value = (value ^ eight) * HASH_FACTOR
        value ^= value >> np.uint64(29)
        at += 8
    while at < end:
        value = (value ^ np.uint64(data[at])) * HASH_FACTOR
        at += 1
    return value ^ (value >> np.uint64(31))


@kernel
def _count_line(
    data: Bytes,
    start: int,
    end: int,
    characters: int,
    table: Bytes,
    folds: Positions,
    hashes: Hashes,
    lengths: Counts,
    out: Counts,
) -> None:
    """Add a line of so many characters, and write its hash and length; blank ones are nothing."""
    start, end, cut = _trim(data, start, end, table)
    if start < end:
        length = characters - cut
        hashes[out[LINES]], lengths[out[LINES]] = _hash_bytes(data, start, end), length
        out[LINES] += 1
        out[LINE_CHARACTERS] += length
        out[SHORT] += length <= SHORT_CHARACTERS
        last, _ = last_character(data, start, end)
        mark = mark_of(last)
        out[ENDED] += _ends(data, start, end) if mark & IS_CLOSING else mark & IS_END != 0
        if IS_MORE_LAST[(last + folds[last]) & 0xFF]:
            out[MORE_LINES] += _ends_with_more(data, start, end, folds)


@kernel
def _count_kinds(
    kinds: Positions, seen: Positions, table: Bytes, terms: npt.NDArray[np.float64], entropy: float, out: Counts
) -> float:
    """Add what is counted by character, and return the entropy in nats with these characters added.

    kinds: the characters; seen: how often each occurs, which is 0 again afterwards. terms: what was added for the first
    numbers of occurrences, 0 where it was not: many characters are as frequent. What a character is is no branch.
    """
    alphanumerics, digits, hans, punctuation = 0, 0, 0, 0
    for code in kinds:
        times, bits = np.int64(seen[code]), np.int64(table[code])
        seen[code] = 0
        in_word = bits & WORD_CLASSES != 0
        alphanumerics += times * in_word
        digits += times * (in_word & (bits & DIGIT != 0))
        hans += times * (in_word & (code >= FIRST_IDEOGRAPH) & (code <= LAST_IDEOGRAPH))
        punctuation += times * (bits & (WORD_CLASSES | SPACE | MARK | IGNORED | HAN) == 0)
        if times < len(terms) and terms[times] != 0.0:
            entropy += terms[times]
            continue
        share = times / out[CHARACTERS]
        term = -share * log(share)
        entropy += term
        if times < len(terms):
            terms[times] = term
    out[ALPHANUMERICS] += alphanumerics
    out[DIGITS] += digits
    out[HANS] += hans
    out[PUNCTUATION] += punctuation
    out[UNIQUE] += len(kinds)
    return entropy


@kernel
def _count_page(
    data: Bytes,
    start: int,
    end: int,
    table: Bytes,
    folds: Positions,
    seen: Positions,
    kinds: Positions,
    hashes: Hashes,
    lengths: Counts,
    out: Counts,
) -> float:
    """Write the counts of the text data[start:end], and return the entropy of its characters in nats.

    seen: a zero for each code point, which it is again afterwards. kinds, hashes, lengths: room for the different
    characters (those of ASCII come first) and for the lines.
    """
    # A character's place in the text is that of its first byte without the further bytes of those before it.
    at, further, foreign, sentences, bracketed, open_at = start, start, 0x80, 0, 0, -1
    line, line_further = start, start
    while at < end:
        while at < end and IS_PLAIN[data[at]]:
            seen[data[at]] += 1
            at += 1
        if at == end:
            break
        code, size = ideograph_at(data, at, end), 3
        if code:
            # Whether a character is new is as good as chance: no branch.
            kinds[foreign] = code
            foreign += seen[code] == 0
            seen[code] += 1
            further += 2
            at += 3
            continue
        code, size = decode_at(data, at, end)
        kinds[foreign] = code
        foreign += code >= 0x80 and seen[code] == 0
        seen[code] += 1
        if code == NEW_LINE:
            _count_line(data, line, at, at - line - further + line_further, table, folds, hashes, lengths, out)
            line, line_further = at + 1, further
        elif code == OPEN_BRACKET and open_at < 0:
            open_at = at - further
        elif code == CLOSED_BRACKET and open_at >= 0:
            bracketed += at - further - open_at - 1
            open_at = -1
        elif mark_of(code) & IS_END:
            sentences += is_sentence_end(data, at + size, end, mark_of(code), table, SPACE)
        further += size - 1
        at += size
    if line < end:
        _count_line(data, line, end, end - line - further + line_further, table, folds, hashes, lengths, out)
    out[CHARACTERS], out[LINE_FEEDS], out[SENTENCES], out[BRACKETED] = (
        end - further,
        seen[NEW_LINE],
        sentences,
        bracketed,
    )
    out[DUPLICATE] = count_repeated(hashes, lengths, out[LINES])[1]
    ascii_kinds = 0
    for code in range(0x80):
        kinds[ascii_kinds] = code
        ascii_kinds += seen[code] != 0
    terms = np.zeros(REMEMBERED)
    entropy = _count_kinds(kinds[:ascii_kinds], seen, table, terms, 0.0, out)
    return _count_kinds(kinds[0x80:foreign], seen, table, terms, entropy, out)


@kernel
def _count_pages(
    data: Bytes,
    offsets: Offsets,
    table: Bytes,
    folds: Positions,
    seen: Positions,
    counts: Counts,
    entropy: npt.NDArray[np.float64],
) -> None:
    """Write the counts of each document to its row, and its entropy."""
    longest = longest_document(offsets)
    kinds = np.empty(0x80 + longest // 2 + 2, np.int32)
    hashes, lengths = np.empty(longest // 2 + 1, np.uint64), np.empty(longest // 2 + 1, np.int64)
    for document in range(len(offsets) - 1):
        entropy[document] = _count_page(
            data, offsets[document], offsets[document + 1], table, folds, seen, kinds, hashes, lengths, counts[document]
        )
