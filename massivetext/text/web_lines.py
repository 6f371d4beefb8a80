"""C4's rules for the lines of a web page, applied directly to the bytes of Arrow string arrays.

C. Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", arXiv:1910.10683,
section 2.2. A line is kept if it ends like a sentence and has enough words. Lines that mention JavaScript or policies
are dropped, and citation marks are removed from the others. The paper is about English. Here the sentence-ending
punctuation of Chinese and other scripts (`massivetext.text.terminals`) and closing quotation marks also count as ends,
and each Han character counts as a word. Punctuation alone is not a word.
"""

import numpy as np
import pyarrow as pa

from massivetext.text.arrays import Bytes, Offsets, array_from_buffers, string_buffers
from massivetext.text.compiling import kernel
from massivetext.text.terminals import IS_END, last_character, mark_of

LINES_VERSION = 2
"""Incremented when the same text could give different lines."""
POLICIES = (
    "javascript", "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
)  # fmt: skip
CITATIONS = ("[edit]", "[citation needed]")
QUOTES = tuple(map(ord, "\"'”’」』｣"))
"""Closing quotation marks; a line may end with one, whatever comes before it."""
ELLIPSES = tuple(map(ord, "…‥"))
"""Lines that end with an ellipsis were cut off, so they do not end like a sentence."""
LINE_FEED, SPACE, OPEN, CLOSED, ZERO, NINE, DOT, UPPER_A, UPPER_Z = (ord(c) for c in "\n []09.AZ")
TAB, RETURN = 9, 13
FIRST_HAN, LAST_HAN = 0xE4, 0xE9
"""The first bytes of U+4000 to U+9FFF in UTF-8."""


def _table(texts: tuple[str, ...]) -> tuple[Bytes, Bytes]:
    """Return texts as rows of UTF-8 bytes, and the length of each."""
    encoded = [text.encode() for text in texts]
    rows = np.zeros((len(texts), max(map(len, encoded))), np.uint8)
    for row, text in zip(rows, encoded):
        row[: len(text)] = np.frombuffer(text, np.uint8)
    return rows, np.array([len(text) for text in encoded], np.uint8)


POLICY_BYTES, POLICY_SIZES = _table(POLICIES)
CITATION_BYTES, CITATION_SIZES = _table(CITATIONS)
RARE = "jkvm"
"""Letters that are rare in English, one in each policy phrase: only text around them is compared with the phrases."""
RARE_PLACES = np.array([min(text.index(letter) for letter in RARE if letter in text) for text in POLICIES], np.int64)
IS_RARE, IS_SPACE, IS_BREAK = (np.zeros(256, np.bool_) for _ in range(3))
"""The letters of RARE in any case; one-byte white space; bytes that separate words."""
IS_RARE[list((RARE + RARE.upper()).encode())] = True
IS_SPACE[[*range(TAB, RETURN + 1), SPACE]] = True
IS_BREAK[:] = IS_SPACE
IS_BREAK[FIRST_HAN : LAST_HAN + 1] = True


def keep_lines(array: pa.Array, ended: bool, min_words: int, max_word_characters: int, policies: bool) -> pa.Array:
    """Return the texts with only the lines that pass, trimmed and without citation marks, in the type of `array`.

    ended: keep only lines that end like a sentence. min_words: minimum number of words of a line. max_word_characters:
    maximum length of a word in characters. policies: drop lines that contain one of POLICIES, in any case.
    """
    data, offsets = string_buffers(array)
    size = int(offsets[-1] - offsets[0])
    new_data, new_offsets = np.empty(size, np.uint8), np.zeros(len(offsets), np.int64)
    # NumPy finds these bytes with vector instructions.
    part = data[offsets[0] : offsets[-1]]
    marks = offsets[0] + np.flatnonzero((part == LINE_FEED) | (part == OPEN))
    _keep_lines(data, offsets, marks, ended, min_words, max_word_characters, policies, new_data, new_offsets)
    if new_offsets[-1] == size:
        return array
    return array_from_buffers(new_data[: new_offsets[-1]], new_offsets, array)


@kernel
def _begins(data: Bytes, at: int, end: int, rows: Bytes, sizes: Bytes) -> int:
    """Return the size of the row that data[at:end] starts with, ASCII letters in any case; 0 if there is none."""
    for row in range(len(rows)):
        size = int(sizes[row])
        if at + size > end:
            continue
        inside = 0
        while inside < size:
            byte = data[at + inside]
            if UPPER_A <= byte <= UPPER_Z:
                byte |= 32
            if byte != rows[row, inside]:
                break
            inside += 1
        if inside == size:
            return size
    return 0


@kernel
def _space_size(data: Bytes, at: int, end: int) -> int:
    """Return the size in bytes of the white space character at `at`: 0 for none, 1, or 3 for an ideographic space."""
    if IS_SPACE[data[at]]:
        return 1
    if data[at] == 0xE3 and at + 2 < end and data[at + 1] == 0x80 and data[at + 2] == 0x80:
        return 3
    return 0


@kernel
def _citation_size(data: Bytes, at: int, end: int) -> int:
    """Return the size of the citation mark ([], [12], [edit], [citation needed]) at `at`; 0 if there is none."""
    if data[at] != OPEN:
        return 0
    stop = at + 1
    while stop < end and ZERO <= data[stop] <= NINE:
        stop += 1
    if stop < end and data[stop] == CLOSED:
        return stop + 1 - at
    return _begins(data, at, end, CITATION_BYTES, CITATION_SIZES)


@kernel
def _is_letter(data: Bytes, at: int, end: int) -> bool:
    """Return whether a non-ASCII letter begins at `at`; only Chinese and general punctuation is recognised as such."""
    byte = data[at]
    if byte < 0xC3 or at + 1 == end:
        return False
    after = data[at + 1]
    return not (byte in (0xE2, 0xE3) and after == 0x80) and not (byte == 0xEF and after in (0xBC, 0xBD))


@kernel
def _ends(data: Bytes, start: int, end: int) -> bool:
    """Return whether a trimmed line ends like a sentence."""
    code, _ = last_character(data, start, end)
    if code == DOT:
        return not (end - start >= 3 and data[end - 2] == DOT and data[end - 3] == DOT)
    return code in QUOTES or (mark_of(code) & IS_END != 0 and code not in ELLIPSES)


@kernel
def _speaks_of_policies(data: Bytes, start: int, end: int) -> bool:
    """Return whether a line contains one of POLICIES."""
    for at in range(start, end):
        if IS_RARE[data[at]]:
            for row in range(len(POLICY_BYTES)):
                begin = at - RARE_PLACES[row]
                possible = data[at] | 32 == POLICY_BYTES[row, RARE_PLACES[row]] and begin >= start
                if possible and _begins(data, begin, end, POLICY_BYTES[row : row + 1], POLICY_SIZES[row:]):
                    return True
    return False


@kernel
def _is_broken(data: Bytes, start: int, end: int, longest: int) -> bool:
    """Return whether any `longest` + 1 consecutive bytes of a line contain a separator; few bytes are examined."""
    while end - start > longest:
        at = start + longest
        while at >= start and not IS_BREAK[data[at]]:
            at -= 1
        if at < start:
            return False
        start = at + 1
    return True


@kernel
def _has_words(data: Bytes, start: int, end: int, min_words: int, longest: int) -> bool:
    """Return whether a line has at least `min_words` words and none longer than `longest`."""
    none_is_long = _is_broken(data, start, end, longest)
    words, length, counted, at = 0, 0, False, start
    while at < end and not (none_is_long and words >= min_words):
        byte = data[at]
        if byte < 0x80:
            if IS_SPACE[byte]:
                length, counted = 0, False
            else:
                length += 1
                if length > longest:
                    return False
                if not counted and (ZERO <= byte <= NINE or ord("a") <= byte | 32 <= ord("z")):
                    words += 1
                    counted = True
            at += 1
            continue
        space = _space_size(data, at, end)
        if space:
            length, counted = 0, False
            at += space
            continue
        # U+3400 to U+9FFF: each ideograph is a word by itself.
        if FIRST_HAN <= byte <= LAST_HAN or (byte == 0xE3 and at + 1 < end and data[at + 1] >= 0x90):
            words += 1
            length, counted = 0, False
            at += 3
            continue
        if not counted and _is_letter(data, at, end):
            words += 1
            counted = True
        length += byte & 0xC0 != 0x80
        if length > longest:
            return False
        at += 1
    return words >= min_words


@kernel
def _trim(data: Bytes, start: int, end: int) -> tuple[int, int]:
    """Return the start and end of data[start:end] without the white space around it."""
    while start < end and _space_size(data, start, end):
        start += _space_size(data, start, end)
    while end > start:
        if IS_SPACE[data[end - 1]]:
            end -= 1
        elif end - 3 >= start and _space_size(data, end - 3, end) == 3:
            end -= 3
        else:
            break
    return start, end


@kernel
def _passes(data: Bytes, start: int, end: int, ended: bool, min_words: int, longest: int, policies: bool) -> bool:
    """Return whether a trimmed line is kept."""
    if end == start or (ended and not _ends(data, start, end)):
        return False
    return _has_words(data, start, end, min_words, longest) and not (policies and _speaks_of_policies(data, start, end))


@kernel
def _cut_citations(data: Bytes, at: int, end: int, new_data: Bytes, out: int) -> int:
    """Write data[at:end] without citation marks to new_data[out:], and return the end of what was written."""
    while at < end:
        size = _citation_size(data, at, end)
        if size:
            at += size
            continue
        new_data[out] = data[at]
        out += 1
        at += 1
    return out


@kernel
def _keep_lines(
    data: Bytes,
    offsets: Offsets,
    marks: Offsets,
    ended: bool,
    min_words: int,
    longest: int,
    policies: bool,
    new_data: Bytes,
    new_offsets: Offsets,
) -> None:
    """Write the lines that pass; marks: the positions of line feeds and opening brackets."""
    out, mark = 0, 0
    for document in range(len(offsets) - 1):
        start, stop = offsets[document], offsets[document + 1]
        begin = out
        while start < stop:
            bracket = False
            while mark < len(marks) and marks[mark] < stop and data[marks[mark]] == OPEN:
                bracket = True
                mark += 1
            end = stop
            if mark < len(marks) and marks[mark] < stop:
                end = marks[mark]
                mark += 1
            # There is room for the line feed because the line before this one ended with one.
            first = out + (out > begin)
            if bracket:
                head, last = _trim(new_data, first, _cut_citations(data, start, end, new_data, first))
                kept = _passes(new_data, head, last, ended, min_words, longest, policies)
                if kept and head > first:
                    for at in range(last - head):
                        new_data[first + at] = new_data[head + at]
            else:
                head, last = _trim(data, start, end)
                kept = _passes(data, head, last, ended, min_words, longest, policies)
                if kept:
                    new_data[first : first + last - head] = data[head:last]
            if kept:
                if first > out:
                    new_data[out] = LINE_FEED
                out = first + last - head
            start = end + 1
        new_offsets[document + 1] = out
