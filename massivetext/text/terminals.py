"""Sentence-ending punctuation of every script, and the closing marks that may follow it.

SENTENCE_ENDS are the characters with Unicode's property Sentence_Terminal (PropList.txt, version 17) and those used in
the same way: the ellipses … and ‥, and the Khmer signs ៖ ៙ ៚, as in datatrove's list of terminal punctuation.
"""

import numpy as np

from massivetext.text.arrays import Bytes
from massivetext.text.compiling import kernel
from massivetext.text.kernels import decode_at
from massivetext.text.unicode_table import HAN, WORD_CLASSES

WIDE_END_RANGES = (
    "0589 061D-061F 06D4 0700-0702 07F9 0837 0839 083D-083E 0964-0965 104A-104B 1362 1367-1368 166E 1735-1736 "
    "17D4-17D6 17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B4E-1B4F 1B5A-1B5B 1B5E-1B5F 1B7D-1B7F 1C3B-1C3C 1C7E-1C7F "
    "2024-2026 203C-203D 2047-2049 2CF9-2CFB 2E2E 2E3C 2E53-2E54 2E60-2E61 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 "
    "A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE12 FE15-FE16 FE52 FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 "
    "10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 "
    "1123B-1123C 112A9 113D4-113D5 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 "
    "11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16D6E-16D6F "
    "16E98 1BC9F 1DA88"
)
"""Code points in hexadecimal. The next sentence may follow these without a space; ASCII marks need a space."""


def _codes(ranges: str) -> frozenset[int]:
    """Return the code points in ranges such as "0589 061D-061F"."""
    ends = [[int(code, 16) for code in part.split("-")] for part in ranges.split()]
    return frozenset(code for end in ends for code in range(end[0], end[-1] + 1))


WIDE_ENDS = _codes(WIDE_END_RANGES)
SENTENCE_ENDS = frozenset(map(ord, ".?!")) | WIDE_ENDS
FULL_STOPS = frozenset(map(ord, "．﹒․"))
"""Wide full stops that also occur inside numbers and abbreviations, as in １．５, where they end no sentence."""
CLOSING = frozenset(map(ord, "\"'”’」』｣﹂﹄）﹚)]】》〉»›*"))
IS_END, IS_WIDE_END, IS_CLOSING, IS_FULL_STOP = 1, 2, 4, 8
MARKS = np.zeros(max(SENTENCE_ENDS | CLOSING) + 1, np.uint8)
"""The IS_... bits of each punctuation mark by code point; higher code points have none."""
for _bit, _part in (
    (IS_END, SENTENCE_ENDS),
    (IS_WIDE_END, WIDE_ENDS),
    (IS_CLOSING, CLOSING),
    (IS_FULL_STOP, FULL_STOPS),
):
    MARKS[sorted(_part)] |= _bit


@kernel
def mark_of(code: int) -> int:
    """Return the IS_... bits of a character, 0 for none."""
    return int(MARKS[code]) if code < len(MARKS) else 0


@kernel
def is_sentence_end(data: Bytes, after: int, end: int, mark: int, table: Bytes, space: int) -> bool:
    """Return whether a sentence-ending mark really ends a sentence.

    after: the position after the mark. mark: its IS_... bits. table: the classes of characters. space: the bit of white
    space in the table.
    """
    if after >= end:
        return True
    code, _ = decode_at(data, after, end)
    next_mark = mark_of(code)
    if next_mark & IS_END:
        return False
    if table[code] & space or next_mark & IS_CLOSING:
        return True
    if mark & IS_FULL_STOP:
        return table[code] & WORD_CLASSES == 0 or table[code] & HAN != 0
    return mark & IS_WIDE_END != 0


@kernel
def last_character(data: Bytes, start: int, end: int) -> tuple[int, int]:
    """Return the last character of data[start:end], which must not be empty, and its size in bytes."""
    if data[end - 1] >= 0x80:
        for back in range(2, min(4, end - start) + 1):
            code, size = decode_at(data, end - back, end)
            if size == back:
                return code, size
        return 0xFFFD, 1
    return int(data[end - 1]), 1
