"""The text of bytes whose encoding is given, declared or detected: every string that leaves here can be kept as UTF-8.

What is valid UTF-8 is UTF-8. Only the lines that are not are evidence of another encoding, so a file may mix two, and
may begin with any amount of ASCII.
"""

import codecs
from collections.abc import Callable
from itertools import groupby
from typing import NamedTuple

from massivetext.corpus.readers.charsets import codec_of, decode
from massivetext.corpus.readers.detecting import (
    SAMPLE_BYTES,
    detect_foreign,
    detect_seven_bit,
    detect_wide,
    is_utf8,
)

AUTO = "auto"
UTF8 = "utf-8"
MIN_UTF8_BYTES = 12
"""A line with fewer bytes beyond ASCII may be valid UTF-8 by chance in a file that is in another encoding."""
CONTEXT_BYTES = 64
ASCII = bytes(range(0x80))


class Decoded(NamedTuple):
    """The text of some bytes."""

    text: str
    invalid: bool
    """Whether some bytes did not fit and became U+FFFD."""
    encoding: str


class Decoder:
    """Decodes stretches of whole lines of one file."""

    def __init__(
        self,
        encoding: str,
        sample: bytes,
        declared: str | None = None,
        evidence_at: Callable[[int], bytes] | None = None,
    ) -> None:
        """Choose the encoding.

        encoding: a Python codec, or "auto". sample: the first lines of the file, or all of it. declared: what the file
        or its sender says it is in, as browsers read that; ignored where the bytes contradict. evidence_at: returns
        bytes of the file from an offset on; called once, if a line beyond the sample is the first that is not UTF-8.
        """
        self.encoding = encoding
        """The codec of all lines; UTF-8 where each line is looked at."""
        self._declared = codec_of(declared) if declared else None
        self._evidence_at = evidence_at
        self._foreign: str | None = None
        self._is_mostly_foreign = False
        self._by_lines = False
        if encoding == AUTO:
            fits = _fits(sample)
            found = detect_wide(sample[:SAMPLE_BYTES]) if not fits or b"\0" in sample else None
            if found is None and sample.isascii():
                found = detect_seven_bit(sample, self._declared)
            self.encoding, self._by_lines = found or UTF8, found is None
            if self._by_lines and not fits:
                self._look(sample)

    def decode(self, data: bytes, start: int = 0) -> Decoded:
        """Return the text of some lines, which begin at an offset of the file."""
        if self._by_lines and not self._is_mostly_foreign:
            try:
                return Decoded(data.removeprefix(codecs.BOM_UTF8).decode(), False, UTF8)
            except UnicodeDecodeError:
                if self._evidence_at is not None and not is_utf8(data):
                    self._look(self._evidence_at(start))
                    self._evidence_at = None
        if self._foreign is None:
            text, invalid = decode(data, self.encoding)
            # Some of Python's decoders let surrogates pass, which UTF-8 cannot hold.
            return Decoded(clean_surrogates(text), invalid, self.encoding)
        parts = [(chosen, *decode(b"".join(lines), chosen)) for chosen, lines in groupby(_lines(data), self._encoding)]
        used = {chosen for chosen, _, _ in parts}
        text = "".join(text for _, text, _ in parts)
        return Decoded(text, any(flawed for _, _, flawed in parts), self._foreign if self._foreign in used else UTF8)

    @property
    def takes_utf8(self) -> bool:
        """Whether whatever is valid UTF-8 is read as such."""
        return self.encoding == UTF8 and not self._is_mostly_foreign

    def _look(self, sample: bytes) -> None:
        """Detect the other encoding of a file from those lines of a sample that are not UTF-8."""
        evidence: list[bytes] = []
        fitting = foreign = 0
        for line in _lines(sample):
            if line.isascii():
                continue
            if is_utf8(line):
                fitting += _foreign_bytes(line)
                continue
            if foreign < SAMPLE_BYTES:
                evidence.append(_from_flaw(line)[:SAMPLE_BYTES])
            foreign += _foreign_bytes(line)
        if evidence:
            self._foreign = detect_foreign(b"".join(evidence), self._declared)
            self._is_mostly_foreign = self._foreign is not None and foreign > fitting

    def _encoding(self, line: bytes) -> str:
        """Return the encoding of one line of a file that has two."""
        if self._is_mostly_foreign:
            fits = line.isascii() or (_foreign_bytes(line) >= MIN_UTF8_BYTES and _fits(line))
        else:
            fits = is_utf8(line)
        return UTF8 if fits or self._foreign is None else self._foreign


def _lines(data: bytes) -> list[bytes]:
    """Return the lines of some bytes, with their line feeds."""
    return data.splitlines(keepends=True)


def _fits(data: bytes) -> bool:
    """Return whether bytes are UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _foreign_bytes(data: bytes) -> int:
    """Return how many bytes are not ASCII."""
    return len(data.translate(None, ASCII))


def _from_flaw(line: bytes) -> bytes:
    """Return a line from shortly before its first byte that is not UTF-8."""
    try:
        line.decode()
    except UnicodeDecodeError as error:
        begin = max(error.start - CONTEXT_BYTES, 0)
        while not line[begin : error.start].isascii():
            begin += 1
        return line[begin:]
    return line


def clean_surrogates(text: str) -> str:
    """Return `text` with lone surrogates, which JSON can spell but UTF-8 cannot hold, as U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le", errors="replace")
    return text
