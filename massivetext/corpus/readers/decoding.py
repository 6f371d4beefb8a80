"""Which encoding bytes are in, and the text they are: every string that leaves here can be kept as UTF-8."""

import codecs
from typing import NamedTuple

SAMPLE_BYTES = 2**16
MIN_FOREIGN_BYTES = 8
"""With fewer bytes that are neither ASCII nor UTF-8 a sample says nothing about its encoding."""
MIN_WIDE_BYTES = 32
"""A shorter sample with zero bytes is not taken for UTF-16 without a byte order mark."""
WIDE_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks of the encodings whose line feeds are wider than a byte; the longer ones first."""
AUTO = "auto"


def wide_mark(head: bytes) -> str | None:
    """Return "utf-16" or "utf-32" if the bytes begin with such a byte order mark."""
    return next((wide for mark, wide in WIDE_MARKS.items() if head.startswith(mark)), None)


def detect_encoding(sample: bytes, declared: str | None = None) -> str:
    """Return the name of the encoding that the beginning of a file seems to be in; without evidence it is UTF-8.

    declared: what the file or its sender says of itself; it holds where the sample is not UTF-8 and can be read so.
    What is UTF-8 but for a few flaws is UTF-8. Foreign encodings are told by uchardet.
    """
    wide = wide_mark(sample)
    if wide is not None:
        return wide
    if b"\0" in sample:
        zeros = [sample[side::2].count(0) / max(len(sample) // 2, 1) for side in (0, 1)]
        wide = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        if max(zeros) > 0.05 and min(zeros) < 0.005 and len(sample) >= MIN_WIDE_BYTES and reads_as(sample, wide):
            return wide
    if sample.isascii():
        return "utf-8"
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(sample)
    flaws = text.count("\ufffd")
    if flaws * 10 <= _foreign(text):
        return "utf-8"
    if declared is not None and reads_as(sample, declared):
        return codecs.lookup(declared).name
    if len(sample) - len(sample.translate(None, bytes(range(128, 256)))) < MIN_FOREIGN_BYTES:
        return "utf-8"
    from resiliparse.parse.encoding import detect_encoding as guess

    found = guess(sample) or "utf-8"
    return codecs.lookup(found).name if reads_as(sample, found) else "utf-8"


def reads_as(sample: bytes, encoding: str) -> bool:
    """Return whether (nearly) all of a sample, whose last character may be cut, fits an encoding Python knows."""
    try:
        text = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
    except (LookupError, TypeError, ValueError):
        return False
    return text.count("\ufffd") * 50 <= _foreign(text)


def _foreign(text: str) -> int:
    """Return how many characters are not ASCII."""
    return len(text) - len(text.encode("ascii", "ignore"))


def decode(data: bytes, encoding: str) -> tuple[str, bool]:
    """Return the text of `data`, and whether some bytes did not fit and became U+FFFD.

    There is one U+FFFD for each maximal ill-formed part, as in Python and the WHATWG standard. A UTF-8 byte order mark
    at the start is removed.
    """
    if encoding == "utf-8" and data.startswith(codecs.BOM_UTF8):
        data = data[len(codecs.BOM_UTF8) :]
    try:
        return data.decode(encoding), False
    except UnicodeDecodeError:
        return data.decode(encoding, errors="replace"), True


class Decoded(NamedTuple):
    """The text of a whole file."""

    text: str
    invalid: bool
    """Whether some bytes did not fit and became U+FFFD."""
    encoding: str


def decode_file(data: bytes, encoding: str, declared: str | None = None) -> Decoded:
    """Return the text of a whole file, whose byte order mark, where it has one, decides the encoding; see `decode`."""
    chosen = wide_mark(data) or encoding
    if chosen == AUTO:
        chosen = detect_encoding(data[:SAMPLE_BYTES], declared)
    text, invalid = decode(data, chosen)
    # Some of Python's decoders let surrogates pass, which UTF-8 cannot hold.
    return Decoded(clean_surrogates(text), invalid, chosen)


def clean_surrogates(text: str) -> str:
    """Return `text` with lone surrogates, which JSON can spell but UTF-8 cannot hold, as U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le", errors="replace")
    return text
