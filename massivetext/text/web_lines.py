"""C4's rules for the lines of a web page: which are kept, straight on the bytes of Arrow string arrays.

C. Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", arXiv:1910.10683,
section 2.2. Lines are kept that end as a sentence does and have words enough; those that speak of javascript or of
policies go, and so do marks of citation inside a line. For Chinese, 。！？ and closing quotation marks are ends too,
and each Han character counts as a word (the paper is about English). Punctuation alone is no word.
"""

import numpy as np
import pyarrow as pa

from massivetext.text.arrays import Bytes, Offsets, array_from_buffers, string_buffers
from massivetext.text.compiling import kernel

LINES_VERSION = 1
"""Grows whenever the same text could give other lines."""
POLICIES = (
    "javascript", "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
)  # fmt: skip
CITATIONS = ("[edit]", "[citation needed]")
ENDS = (".", "?", "!", '"', "'", "。", "！", "？", "”", "’", "」", "』")
LINE_FEED, SPACE, OPEN, CLOSED, ZERO, NINE, DOT, UPPER_A, UPPER_Z = (ord(c) for c in "\n []09.AZ")
TAB, RETURN = 9, 13


def _table(texts: tuple[str, ...]) -> tuple[Bytes, Bytes]:
    """Return texts as rows of UTF-8 bytes, and how long each is."""
    encoded = [text.encode() for text in texts]
    rows = np.zeros((len(texts), max(map(len, encoded))), np.uint8)
    for row, text in zip(rows, encoded):
        row[: len(text)] = np.frombuffer(text, np.uint8)
    return rows, np.array([len(text) for text in encoded], np.uint8)


POLICY_BYTES, POLICY_SIZES = _table(POLICIES)
CITATION_BYTES, CITATION_SIZES = _table(CITATIONS)
END_BYTES, END_SIZES = _table(ENDS)
POLICY_FIRST, END_LAST = np.zeros(256, np.bool_), np.zeros(256, np.bool_)
"""Bytes with which a policy begins, in any case, and with which an end ends: at others nothing is looked for."""
for _text in POLICIES:
    POLICY_FIRST[[ord(_text[0]), ord(_text[0].upper())]] = True
for _text in ENDS:
    END_LAST[_text.encode()[-1]] = True


def keep_lines(array: pa.Array, ended: bool, min_words: int, max_word_characters: int, policies: bool) -> pa.Array:
    """Return the texts with only the lines that pass, trimmed, citation marks removed; of the type of `array`.

    ended: keep only lines that end as a sentence does. min_words, max_word_characters: keep lines with so many words,
    none longer (in bytes beyond ASCII). policies: drop lines that hold one of POLICIES, in any case.
    """
    data, offsets = string_buffers(array)
    size = int(offsets[-1] - offsets[0])
    new_data, new_offsets = np.empty(size, np.uint8), np.zeros(len(offsets), np.int64)
    _keep_lines(data, offsets, ended, min_words, max_word_characters, policies, new_data, new_offsets)
    if new_offsets[-1] == size:
        return array
    return array_from_buffers(new_data[: new_offsets[-1]], new_offsets, array)


@kernel
def _begins(data: Bytes, at: int, end: int, rows: Bytes, sizes: Bytes) -> int:
    """Return the size of the row with which data[at:end] begins, ASCII letters in any case; 0 if there is none."""
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
    """Return how many bytes of white space begin at `at`: 0, 1, or 3 for an ideographic space."""
    byte = data[at]
    if byte == SPACE or TAB <= byte <= RETURN:
        return 1
    if byte == 0xE3 and at + 2 < end and data[at + 1] == 0x80 and data[at + 2] == 0x80:
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
    """Return whether a letter begins at `at`, beyond ASCII; of punctuation only Chinese is told from letters."""
    byte = data[at]
    if byte < 0xC3 or at + 1 == end:
        return False
    after = data[at + 1]
    return not (byte in (0xE2, 0xE3) and after == 0x80) and not (byte == 0xEF and after in (0xBC, 0xBD))


@kernel
def _passes(data: Bytes, start: int, end: int, ended: bool, min_words: int, longest: int, policies: bool) -> bool:
    """Return whether a trimmed line is kept."""
    if ended:
        found = False
        for row in range(len(END_BYTES) if END_LAST[data[end - 1]] else 0):
            begin = end - np.int64(END_SIZES[row])
            if begin >= start and _begins(data, begin, end, END_BYTES[row : row + 1], END_SIZES[row:]):
                found = True
        dots = end - start >= 3 and data[end - 1] == DOT and data[end - 2] == DOT and data[end - 3] == DOT
        if not found or dots:
            return False
    words, length, counted, at = 0, 0, False, start
    while at < end:
        byte = data[at]
        if policies and POLICY_FIRST[byte] and _begins(data, at, end, POLICY_BYTES, POLICY_SIZES):
            return False
        if byte < 0x80:
            if byte == SPACE or TAB <= byte <= RETURN:
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
        # U+3400 to U+9FFF: each ideograph is a word of its own.
        if 0xE4 <= byte <= 0xE9 or (byte == 0xE3 and at + 1 < end and data[at + 1] >= 0x90):
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
def _keep_lines(
    data: Bytes,
    offsets: Offsets,
    ended: bool,
    min_words: int,
    longest: int,
    policies: bool,
    new_data: Bytes,
    new_offsets: Offsets,
) -> None:
    """Write the lines that pass."""
    out = 0
    for document in range(len(offsets) - 1):
        start, stop = offsets[document], offsets[document + 1]
        begin = out
        while start < stop:
            end, bracket = start, False
            while end < stop and data[end] != LINE_FEED:
                bracket |= data[end] == OPEN
                end += 1
            # Room for the line feed is there: the line before this one ended with one.
            first = out + (out > begin)
            last = first
            if bracket:
                at = start
                while at < end:
                    size = _citation_size(data, at, end)
                    if size:
                        at += size
                        continue
                    new_data[last] = data[at]
                    last += 1
                    at += 1
            else:
                new_data[first : first + end - start] = data[start:end]
                last += end - start
            head = first
            while head < last and _space_size(new_data, head, last):
                head += _space_size(new_data, head, last)
            while last > head and (
                _space_size(new_data, last - 1, last) == 1
                or (last - 3 >= head and _space_size(new_data, last - 3, last) == 3)
            ):
                last -= 1 if _space_size(new_data, last - 1, last) == 1 else 3
            if last > head and _passes(new_data, head, last, ended, min_words, longest, policies):
                if out > begin:
                    new_data[out] = LINE_FEED
                    out += 1
                if head == out:
                    out = last
                else:
                    for at in range(head, last):
                        new_data[out] = new_data[at]
                        out += 1
            start = end + 1
        new_offsets[document + 1] = out
