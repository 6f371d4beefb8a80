"""The class of every Unicode character, pinned: the same on every Python version and machine.

`unicodedata` follows the interpreter, so a corpus built on Python 3.11 and on 3.13 would differ. The table comes from
`scripts/make_unicode_table`; each entry is a byte of the bits below.
"""

import zlib
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

TABLE_VERSION = "18.0.0"
"""The Unicode version of the table."""
TABLE_FILE = Path(__file__).with_name("unicode_classes.bin")

LETTER = 1
"""Category L (Han ideographs among them)."""
NUMBER = 2
"""Category N."""
DIGIT = 4
"""Category Nd: the decimal digits of any script, full-width ones included."""
SPACE = 8
"""Property White_Space, line ends included."""
MARK = 16
"""Category M: combining marks and variation selectors."""
IGNORED = 32
"""Categories Cc and Cf that are not white space: controls, joiners, soft hyphen, byte order mark."""
HAN = 64
"""Han ideographs, radicals, and 々 〇 〡 to 〩 〸 to 〻 (script Han): each is a word of its own."""
WORD_CLASSES = LETTER | NUMBER
"""What words are made of."""
UNSETTLED = 128
"""Normalising may change text that holds it: a control other than tab and line feed, a byte order mark, or a character
that NFC replaces, reorders or joins to the one before it."""


@cache
def class_table() -> npt.NDArray[np.uint8]:
    """Return the class of every code point, (0x110000,) uint8, read-only."""
    return np.frombuffer(zlib.decompress(TABLE_FILE.read_bytes()), dtype=np.uint8)
