"""Mark where texts may contain personal data or secrets, in one quick pass over the bytes of Arrow string arrays.

A mark is only a candidate; the patterns of `pii_patterns.py` decide.
"""

import re
from string import ascii_letters, digits

import numpy as np
import numpy.typing as npt

from massivetext.text.arrays import Bytes, Offsets
from massivetext.text.compiling import kernel

DIGITS = re.compile(r"[0-9](?:[ ().:/+-]{0,3}[0-9]){5,}|[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
MIN_DIGITS, COLON, FULL_STOP, AT_SIGN = 6, ord(":"), ord("."), ord("@")
BEFORE_AT, AFTER_AT = 20, 200
"""Characters around an `@` that are searched for an address. Now and then a part of an address is longer."""
SIGNS, HEXADECIMAL, BEFORE, AFTER = (np.zeros(256, np.bool_) for _ in range(4))
SIGNS[list(b" ().:/+-")] = True
HEXADECIMAL[list(b"0123456789abcdefABCDEF")] = True
AFTER[list(ascii_letters.encode() + digits.encode())] = True
BEFORE[list(ascii_letters.encode() + digits.encode() + b"_+-")] = True
"""Byte classes for the kernel: those of DIGITS and COLONS, and those before and after the `@` of an address."""
KEYS = (
    "AKIA", "ASIA", "ABIA", "ACCA", "A3T", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "glpat-", "gldt-", "glft-",
    "glsoat-", "glrt-", "aws_secret", "AWS_SECRET", "awsSecret", "eyJ",
    "xox", "hooks.slack.com", "k_live_", "SG.", "_authToken", "pypi-Ag", "T3BlbkFJ", "sq0csp-", "AccountKey=",
    "-----BEGIN ",
)  # fmt: skip
"""Beginnings of secrets, or text before or in them. Texts without any of these are not searched for secrets."""
RARE = "_=JxGAS-k"
"""Every key contains one of these bytes; the search for a key starts at the first of these that it contains."""
_anchored = sorted((min(RARE.index(sign) for sign in key if sign in RARE), key.encode()) for key in KEYS)
KEY_BYTES = np.array([list(key.ljust(16, b"\0")) for _, key in _anchored], np.uint8)
KEY_SIZES = np.array([len(key) for _, key in _anchored], np.int64)
KEY_PLACES = np.array([key.index(RARE[anchor].encode()) for anchor, key in _anchored], np.int64)
KEY_ROWS = np.zeros((256, 2), np.int64)
"""The keys by anchor byte, the anchor's position in each, and the first and last row + 1 of each anchor's keys."""
for _row, (_anchor, _) in enumerate(_anchored):
    _rows = KEY_ROWS[ord(RARE[_anchor])]
    _rows[:] = (_rows[0] if _rows[1] else _row), _row + 1
IS_CLUE = np.zeros(256, np.bool_)
IS_CLUE[[COLON, AT_SIGN, *digits.encode(), *RARE.encode()]] = True
"""Bytes at which a mark may begin, or that anchor a key."""


def find_marks(data: Bytes, offsets: Offsets) -> tuple[npt.NDArray[np.bool_], Offsets]:
    """Return which texts contain one of KEYS, and marks (marks, 4): text, start and end in characters, digits.

    Texts are data[offsets[i]:offsets[i + 1]]. Marks are the matches of DIGITS and COLONS, with their number of digits,
    and the surroundings of each `@` that may be in an address.
    """
    keyed = np.zeros(len(offsets) - 1, np.bool_)
    # Each mark takes at least two bytes.
    marks = np.empty(((offsets[-1] - offsets[0]) // 2 + 1, 4), np.int64)
    count = _find_marks(data, offsets, keyed, marks)
    return keyed, marks[:count]


@kernel
def _is_digit(byte: int) -> bool:
    """Return whether a byte is a digit from 0 to 9."""
    return 48 <= byte <= 57


@kernel
def _address_end(data: Bytes, at: int, end: int) -> int:
    """Return the end of an address like 1.234.56.7: a digit, two groups of up to three, a digit; 0 if there is none."""
    for group in range(4):
        number, most = 0, 1 if group in (0, 3) else 3
        while number < most and at < end and _is_digit(data[at]):
            number, at = number + 1, at + 1
        if number == 0:
            return 0
        if group < 3:
            if at >= end or data[at] != FULL_STOP:
                return 0
            at += 1
    return at


@kernel
def _has_key(data: Bytes, start: int, at: int, end: int) -> bool:
    """Return whether one of KEYS in data[start:end] has its anchor at `at`."""
    for row in range(KEY_ROWS[data[at], 0], KEY_ROWS[data[at], 1]):
        begin, inside = at - KEY_PLACES[row], 0
        if begin >= start and begin + KEY_SIZES[row] <= end:
            while inside < KEY_SIZES[row] and data[begin + inside] == KEY_BYTES[row, inside]:
                inside += 1
            if inside == KEY_SIZES[row]:
                return True
    return False


@kernel
def _find_marks(data: Bytes, offsets: Offsets, keyed: npt.NDArray[np.bool_], marks: Offsets) -> int:
    """Write the result of `find_marks`, and return the number of marks."""
    count = 0
    for text in range(len(offsets) - 1):
        start, end = offsets[text], offsets[text + 1]
        at, colons_from, chain_end, counted, further = start, start, start, start, start
        while at < end:
            while at < end and not IS_CLUE[data[at]]:
                at += 1
            if at == end:
                break
            first, byte = count, data[at]
            if byte == COLON and at >= colons_from:
                stop = at + 1
                while stop < end and stop - at <= 4 and HEXADECIMAL[data[stop]]:
                    stop += 1
                if stop < end and data[stop] == COLON:
                    marks[count, 1], marks[count, 2], marks[count, 3] = at, stop + 1, 0
                    count, colons_from = count + 1, stop + 1
            elif byte == AT_SIGN and start < at < end - 1 and BEFORE[data[at - 1]] and AFTER[data[at + 1]]:
                marks[count, 1], marks[count, 2], marks[count, 3] = at - BEFORE_AT, at + AFTER_AT, 0
                count += 1
            elif _is_digit(byte) and at >= chain_end:
                chain_end, count = _mark_chain(data, at, end, marks, count)
            elif not keyed[text] and _has_key(data, start, at, end):
                keyed[text] = True
            if count > first:
                # To convert positions from bytes to characters, count the continuation bytes before `at`. All marked
                # characters are single bytes, except around an @.
                while counted < at:
                    further += data[counted] & 0xC0 == 0x80
                    counted += 1
                for mark in range(first, count):
                    marks[mark, 0] = text
                    marks[mark, 1] -= further
                    marks[mark, 2] -= further
            at += 1
    return count


@kernel
def _mark_chain(data: Bytes, at: int, end: int, marks: Offsets, count: int) -> tuple[int, int]:
    """Write the marks in the chain of digits that begins at `at`; return the chain's end and the number of marks.

    At most three signs separate two digits of a chain. Either the whole chain is marked, or the addresses inside it.
    """
    number, stop, here = 1, at + 1, at + 1
    while here < end and here - stop <= 3:
        if _is_digit(data[here]):
            number, stop = number + 1, here + 1
        elif not SIGNS[data[here]]:
            break
        here += 1
    if number >= MIN_DIGITS:
        marks[count, 1], marks[count, 2], marks[count, 3] = at, stop, number
        return stop, count + 1
    while at < stop:
        here = _address_end(data, at, end) if _is_digit(data[at]) else 0
        if here:
            marks[count, 1], marks[count, 2], marks[count, 3] = at, here, number
            count, at = count + 1, here
        else:
            at += 1
    return stop, count
