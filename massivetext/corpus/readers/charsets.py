"""Map encoding names declared by web pages and mail to Python codecs, and decode bytes as browsers do.

Declared names follow the WHATWG encoding standard: `iso-8859-1` means windows-1252, `gb2312` means GB18030, `big5`
includes HKSCS. `decode` adds the characters that the Python codec lacks.
"""

import codecs

from webencodings import LABELS, PYTHON_NAMES  # type: ignore[import-untyped, unused-ignore]

CODECS = {**PYTHON_NAMES, "gbk": "gb18030", "iso-2022-jp": "iso2022_jp_ext", "x-user-defined": "cp1252"}
"""WHATWG encoding -> Python codec, where the names differ."""
SUPERSETS = {
    "big5hkscs": "big5",
    "cp950": "big5",
    "euc_jis_2004": "euc-jp",
    "iso2022_jp": "iso-2022-jp",
}
"""Python codec that is not a WHATWG label -> the WHATWG encoding that covers it."""
UNSAFE = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})
"""Python codecs that are not encodings of text files."""
REPLACEMENT = "\ufffd"
BROWSERS = "massivetext.browsers"
"""Name of the error handler that decodes bytes unknown to Python's codec as browsers do."""
LACKING = {"big5hkscs": "cp950", "euc_jp": "euc_jis_2004", "iso2022_jp_ext": "euc_jis_2004"}
"""Codec -> a codec that has the two-byte characters it lacks."""
BIG5 = "big5hkscs"
BIG5_PUNCTUATION = str.maketrans("•､‾∼♁☉¥¢£", "‧﹑¯～⊕⊙￥￠￡")
"""Characters of Python's big5hkscs -> the characters that Windows and WHATWG assign to the same bytes."""


def codec_of(label: str) -> str | None:
    """Return the Python codec for a declared encoding; None if the label is unknown.

    Labels outside the WHATWG standard (`cp850`, `hz-gb-2312`, `utf-7`) are looked up as Python codecs.
    """
    label = label.strip().lower()
    name = LABELS.get(label, "replacement")
    if name != "replacement":
        return codecs.lookup(CODECS.get(name, name)).name
    try:
        "a".encode(label)
        found = codecs.lookup(label).name
    except (LookupError, ValueError, TypeError):
        return None
    if found in SUPERSETS or (found in LABELS and found != label):
        return codec_of(SUPERSETS.get(found, found))
    return None if found.replace("-", "_") in UNSAFE else found


def decode(data: bytes, encoding: str) -> tuple[str, bool]:
    """Return the text of `data`, and whether invalid bytes were replaced with U+FFFD.

    Each maximal ill-formed sequence becomes one U+FFFD, as in Python and the WHATWG standard. A UTF-8 byte order mark
    at the start is removed.
    """
    if encoding == "utf-8" and data.startswith(codecs.BOM_UTF8):
        data = data[len(codecs.BOM_UTF8) :]
    codec = BIG5 if encoding == "big5" else encoding
    try:
        text, invalid = data.decode(codec), False
    except UnicodeDecodeError:
        text = data.decode(codec, errors=BROWSERS)
        invalid = REPLACEMENT in text
    return (text.translate(BIG5_PUNCTUATION) if codec == BIG5 else text), invalid


def decode_start(data: bytes, encoding: str) -> str:
    """Return the text of the beginning of a file, without an incomplete last character."""
    return codecs.getincrementaldecoder(encoding)(BROWSERS).decode(data)


def _as_browsers(error: UnicodeError) -> tuple[str, int]:
    """Return the replacement text for bytes that a codec does not know, and the offset at which decoding continues."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    first, pair = error.object[error.start], error.object[error.start : error.start + 2]
    if error.encoding == "charmap":
        # WHATWG's single-byte tables map these bytes to the control characters with the same number.
        return (chr(first) if 0x80 <= first < 0xA0 else REPLACEMENT), error.start + 1
    if error.encoding == "gb18030" and first == 0x80:
        return "€", error.start + 1
    if error.encoding in LACKING and len(pair) == 2:
        if error.encoding.startswith("iso2022"):
            pair = bytes(byte | 0x80 for byte in pair)
        try:
            return pair.decode(LACKING[error.encoding]), error.start + 2
        except UnicodeDecodeError:
            pass
    return REPLACEMENT, error.end


codecs.register_error(BROWSERS, _as_browsers)
