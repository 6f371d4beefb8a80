"""Detect encodings from bytes: UTF-16 without a byte order mark, 7-bit encodings, and everything that is not UTF-8."""

import codecs
import re
from functools import cache

import numpy as np
import numpy.typing as npt

from massivetext.corpus.readers.charsets import REPLACEMENT, codec_of, decode_start

SAMPLE_BYTES = 2**16
"""The most evidence of a file that is examined, in bytes."""
WIDE_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks of encodings whose line feeds are wider than one byte, longer marks first."""
MIN_WIDE_BYTES = 8
WIDE_RANGES = (
    *((0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x7E), (0xA0, 0x17F), (0x2C6, 0x2DD), (0x370, 0x52F), (0x5D0, 0x5EA)),
    *(
        (0x620, 0x64A),
        (0x900, 0x97F),
        (0xE01, 0xE5B),
        (0x1EA0, 0x1EF9),
        (0x2010, 0x2026),
        (0x20AC, 0x20AC),
        (0x2190, 0x2193),
    ),
    *((0x2460, 0x2473), (0x2500, 0x25FF), (0x3000, 0x312F), (0x3400, 0x9FFF), (0xAC00, 0xD7A3), (0xD800, 0xDFFF)),
    (0xFF01, 0xFF65),
)
"""Character ranges that make up most of any text."""
WIDE_SURE = ((0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x7E), (0x3000, 0x3002), (0x3041, 0x30FE), (0xFF01, 0xFF1F))
"""Characters that every text contains, but that are rare in bytes of another encoding or byte order."""
FITS, SURE = 1, 2
MIN_FITTING = 0.95
MAX_PAIRS = 0.5
"""Maximum fraction of code units that are two printable ASCII bytes; above it, the data is ASCII with some zero
bytes."""
ESCAPES = (b"\x1b$", b"~{")
HZ_RUN = re.compile(rb"~\{((?:[\x21-\x77][\x21-\x7e])+)~\}")
WIDE_CODECS = ("gb18030", "big5hkscs", "cp932", "euc_jis_2004", "cp949")
LATIN_CODECS = ("cp1252", "cp1250", "cp1254", "cp1257", "cp1258", "iso8859-2")
OTHER_CODECS = (
    *("koi8-r", "koi8-u", "cp1251", "cp866", "iso8859-5", "cp1253", "iso8859-7", "cp1255", "cp1256", "cp874"),
)
"""Encodings that the detector chooses from. Others (EBCDIC, old Macintosh and DOS) would be confused with these too
often."""
WESTERN = "cp1252"
FOREIGN_RUN = re.compile(rb"[\x80-\xff]+")
COMMON_GB = re.compile(rb"(?:[\xb0-\xd7\xa1\xa3][\xa1-\xfe])+")
"""Common Han characters and punctuation in GB 2312."""
BESIDE_ASCII = re.compile(r"(?<=[A-Za-z])[^\W\0-\x7f]|[^\W\0-\x7f](?=[A-Za-z])")
NO_WORD = re.compile(r"[\x80-\x9f]|(?<=[A-Za-z])[¡±²³¹¼½¾¿×÷](?=[A-Za-z])")
"""What windows-1252 text does not contain: control characters, and signs inside words."""
FEW_GB, FEW_WESTERN = 16, 4
"""Below this number of non-ASCII bytes, GB 2312 or windows-1252 is more likely than the statistical guess."""
MAX_BESIDE_ASCII = 0.3
"""Maximum fraction of Cyrillic, Greek, Thai, ... letters next to an ASCII letter; above it, they are accented
letters."""
CUT = re.compile(rb"(?:[\xe0-\xef][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{1,2})\s*\Z")
"""A UTF-8 character cut short at the end."""


def wide_mark(head: bytes) -> str | None:
    """Return "utf-16" or "utf-32" if the bytes start with its byte order mark, else None."""
    return next((wide for mark, wide in WIDE_MARKS.items() if head.startswith(mark)), None)


def detect_wide(sample: bytes) -> str | None:
    """Return "utf-16-le" or "utf-16-be" if a file's first bytes look like it without a byte order mark, else None."""
    sample = sample[: len(sample) & ~1]
    if len(sample) < MIN_WIDE_BYTES:
        return None
    best, most = None, 0
    for name, kind in (("utf-16-le", "<u2"), ("utf-16-be", ">u2")):
        units = np.frombuffer(sample, kind)
        kinds = _wide_kinds()[units]
        sure = kinds & SURE > 0
        others = units[~sure]
        pairs = (others >> 8 < 0x7F) & (others >> 8 >= 0x20) & (others & 0xFF < 0x7F) & (others & 0xFF >= 0x20)
        found = int(sure.sum())
        if found > most and (kinds > 0).mean() >= MIN_FITTING and pairs.sum() <= MAX_PAIRS * len(units):
            best, most = name, found
    return best


@cache
def _wide_kinds() -> npt.NDArray[np.uint8]:
    """Return the FITS and SURE flags of every UTF-16 code unit, shape (65536,)."""
    kinds = np.zeros(0x10000, np.uint8)
    for ranges, kind in ((WIDE_RANGES, FITS), (WIDE_SURE, SURE)):
        for first, last in ranges:
            kinds[first : last + 1] |= kind
    return kinds


def has_escapes(data: bytes) -> bool:
    """Return whether ASCII bytes may encode other characters with escape sequences."""
    return any(escape in data for escape in ESCAPES)


def detect_seven_bit(data: bytes, declared: str | None = None) -> str | None:
    """Return the 7-bit encoding (ISO-2022, HZ) of ASCII bytes with escape sequences; None if there is none.

    declared: the codec that the page or mail declares.
    """
    if not has_escapes(data):
        return None
    if declared in ("iso2022_jp_ext", "iso2022_kr", "hz") and REPLACEMENT not in decode_start(data, declared):
        return declared
    if b"\x1b$)C" in data:
        return "iso2022_kr" if REPLACEMENT not in decode_start(data, "iso2022_kr") else None
    if b"\x1b$B" in data or b"\x1b$@" in data:
        return "iso2022_jp_ext" if REPLACEMENT not in decode_start(data, "iso2022_jp_ext") else None
    runs = HZ_RUN.findall(data)
    pairs = b"".join(runs)[:SAMPLE_BYTES]
    # Rows of GB 2312 up to 55 (0x57) hold symbols, letters and the common Han characters.
    common = sum(first <= 0x57 for first in pairs[::2])
    if len(pairs) >= 4 and len(runs) * 10 >= data.count(b"~{") * 9 and common * 10 >= len(pairs) // 2 * 8:
        return "hz"
    return None


def detect_foreign(evidence: bytes, declared: str | None = None) -> str | None:
    """Return the codec of bytes that are not UTF-8; None if no codec fits.

    declared: the codec that the page or mail declares, used if the bytes fit it. Otherwise chardet detects the codec.
    """
    # Almost any bytes fit UTF-16, and `detect_wide` finds it without a declaration.
    if declared is not None and not declared.startswith("utf-") and reads_as(evidence, declared):
        return declared
    import chardet

    evidence = evidence[:SAMPLE_BYTES]
    candidates = ("utf-8", *WIDE_CODECS, *LATIN_CODECS, *OTHER_CODECS)
    found = chardet.detect(evidence, include_encodings=candidates, compat_names=False, no_match_encoding="utf-8")
    chosen = codec_of(found["encoding"] or "utf-8")
    if chosen in (*LATIN_CODECS, *OTHER_CODECS):
        chosen = _likelier(evidence, chosen)
    return chosen if chosen is not None and reads_as(evidence, chosen) else None


def _likelier(evidence: bytes, chosen: str) -> str:
    """Return the detected single-byte codec, or a likelier one if the bytes are few or mix scripts within words."""
    runs = FOREIGN_RUN.findall(evidence)
    size = sum(map(len, runs))
    text = decode_start(evidence, chosen)
    beside = len(BESIDE_ASCII.findall(text))
    if size < FEW_GB and not beside and all(map(COMMON_GB.fullmatch, runs)):
        return "gb18030"
    western = decode_start(evidence, WESTERN)
    if NO_WORD.search(western):
        return chosen
    few = size < FEW_WESTERN or western == text
    return WESTERN if (few if chosen in LATIN_CODECS else beside > MAX_BESIDE_ASCII * size) else chosen


def reads_as(sample: bytes, encoding: str) -> bool:
    """Return whether (nearly) all of a sample fits a codec; its last character may be incomplete."""
    try:
        text = decode_start(sample, encoding)
    except (LookupError, TypeError, ValueError):
        return False
    return text.count(REPLACEMENT) * 50 <= foreign_characters(text)


def foreign_characters(text: str) -> int:
    """Return the number of non-ASCII characters."""
    return len(text) - len(text.encode("ascii", "ignore"))


def is_utf8(data: bytes) -> bool:
    """Return whether bytes are UTF-8 except for a few errors."""
    text = CUT.sub(b"", data).decode(errors="replace")
    return text.count(REPLACEMENT) * 3 <= foreign_characters(text)
