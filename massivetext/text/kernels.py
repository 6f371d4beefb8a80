"""Kernels that decode UTF-8 and put text in its normal form, straight on the buffers of Arrow string arrays.

Everywhere: data uint8, offsets int64 (documents + 1), table the classes of `unicode_table`. Bytes that are not UTF-8
count as U+FFFD, one each, so no input makes a kernel read outside its document.
"""

from typing import Any

import numpy as np

from massivetext.text.arrays import Bytes, Offsets
from massivetext.text.compiling import kernel
from massivetext.text.unicode_table import UNSETTLED

CODE_BITS = 21
"""A decoded character is `class << CODE_BITS | code point`, in an int32."""
CODE_MASK = (1 << CODE_BITS) - 1

FIRST_THREE_BYTES, LAST_THREE_BYTES = 0xE48080, 0xE9BFBF
"""U+4000 and U+9FFF in UTF-8: what `ideograph_at` decodes."""
HAS_CONTROLS = 1
HAS_UNSETTLED = 2
HAS_LONG_RUN = 4
LONG_RUN = 64
"""Unsettled characters in a row that no language has: combining marks as an attack, or for decoration."""
IS_SETTLED = np.zeros(256, np.bool_)
"""Bytes at which no character begins that `class_table` calls unsettled, whatever follows.

ASCII but for controls; U+4000 to U+9FFF by their first byte; what continues a character; what is not UTF-8 at all.
"""
for _first, _last in ((0x09, 0x0A), (0x20, 0x7E), (0x80, 0xC1), (0xE4, 0xE9), (0xF5, 0xFF)):
    IS_SETTLED[_first : _last + 1] = True


@kernel
def decode_at(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Return the code point that starts at `at`, and how many bytes it takes; never reads `data[end]` or beyond."""
    first: Any = np.int32(data[at])
    if first < 0x80:
        return first, 1
    if 0xC2 <= first < 0xE0 and at + 1 < end and data[at + 1] & 0xC0 == 0x80:
        return (first & 0x1F) << 6 | np.int32(data[at + 1] & 0x3F), 2
    if 0xE0 <= first < 0xF0 and at + 2 < end and data[at + 1] & 0xC0 == 0x80 and data[at + 2] & 0xC0 == 0x80:
        code = (first & 0x0F) << 12 | np.int32(data[at + 1] & 0x3F) << 6 | np.int32(data[at + 2] & 0x3F)
        return (code, 3) if code >= 0x800 else (0xFFFD, 1)
    if 0xF0 <= first < 0xF5 and at + 3 < end and data[at + 1] & 0xC0 == 0x80 and data[at + 2] & 0xC0 == 0x80:
        code = (first & 0x07) << 18 | np.int32(data[at + 1] & 0x3F) << 12 | np.int32(data[at + 2] & 0x3F) << 6
        code |= np.int32(data[at + 3] & 0x3F)
        if 0x10000 <= code <= 0x10FFFF and data[at + 3] & 0xC0 == 0x80:
            return code, 4
    return 0xFFFD, 1


@kernel
def ideograph_at(data: Bytes, at: int, end: int) -> int:
    """Return the code point that starts at `at` if it is U+4000 to U+9FFF, three bytes as most of Chinese; else 0.

    Loops over text ask for what is frequent first and go on by a number of bytes that is written there: where the size
    of a character has to be computed before the next one is read, each waits for the one before.
    """
    if at + 2 >= end:
        return 0
    here = np.uintp(at)
    three = int(data[here]) << 16 | int(data[here + np.uintp(1)]) << 8 | int(data[here + np.uintp(2)])
    if three & 0xF0C0C0 != 0xE08080 or not FIRST_THREE_BYTES <= three <= LAST_THREE_BYTES:
        return 0
    return three >> 4 & 0xF000 | three >> 2 & 0xFC0 | three & 0x3F


@kernel
def find_unsettled(data: Bytes, offsets: Offsets, table: Bytes, found: Bytes) -> None:
    """Set found[i] to the sum of the HAS_... that hold for document i; 0 means it is normal."""
    for document in range(len(offsets) - 1):
        at, end = offsets[document], offsets[document + 1]
        flags, last, run = 0, at, 0
        while at < end:
            if IS_SETTLED[data[at]]:
                at += 1
                continue
            code, size = decode_at(data, at, end)
            at += size
            if table[code] & UNSETTLED:
                removed = code < 0x20 or 0x7F <= code < 0xA0 or code == 0xFEFF
                flags |= HAS_CONTROLS if removed else HAS_UNSETTLED
                run = run + 1 if last == at - size else 1
                last = at
                if run == LONG_RUN:
                    flags |= HAS_LONG_RUN
        found[document] = flags


@kernel
def remove_controls(data: Bytes, offsets: Offsets, found: Bytes, new_data: Bytes, new_offsets: Offsets) -> None:
    """Write the documents, with "\\n" as line ends and without controls and byte order marks, to the new buffers.

    Tab and line feed stay; "\\r\\n" and a lone "\\r" become "\\n". Only documents with HAS_CONTROLS are looked at.
    """
    out = np.int64(0)
    for document in range(len(offsets) - 1):
        at, end = offsets[document], offsets[document + 1]
        if not found[document] & HAS_CONTROLS:
            new_data[out : out + end - at] = data[at:end]
            out += end - at
            at = end
        while at < end:
            byte = data[at]
            if byte == 13 and not (at + 1 < end and data[at + 1] == 10):
                new_data[out] = 10
                out += 1
                at += 1
            elif (byte < 32 and byte != 9 and byte != 10) or byte == 127:
                at += 1
            elif byte == 0xC2 and at + 1 < end and 0x80 <= data[at + 1] < 0xA0:
                at += 2
            elif byte == 0xEF and at + 2 < end and data[at + 1] == 0xBB and data[at + 2] == 0xBF:
                at += 3
            else:
                new_data[out] = byte
                out += 1
                at += 1
        new_offsets[document + 1] = out
