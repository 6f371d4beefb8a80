"""What all readers share: files, pieces, records, and streams that never hold an over-long line."""

import bz2
import codecs
import gzip
import io
import lzma
from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path, PurePath
from typing import IO, BinaryIO, ClassVar, NamedTuple, cast

import xxhash

from massivetext.corpus.settings import FORMATS, SourceSettings

COMPRESSED_SUFFIXES = (".gz", ".zst", ".bz2", ".xz")
SKIP_BYTES = 2**20
WIDE_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks of the encodings whose line feeds are wider than a byte; the longer ones first."""
TOO_LONG = "longer than max_record_bytes"
EMPTY = "empty"


class SourceFile(NamedTuple):
    """One input file of a source."""

    path: Path
    uri: str
    """Path relative to the source's root, with `/`; for a built-in root it begins with the root's name."""
    size: int
    """Bytes on disk."""
    changed_ns: int
    """Time of last change, nanoseconds."""
    format: str
    """Name of its reader."""


class Piece(NamedTuple):
    """A file, or the part of one that is read at a stretch."""

    file: SourceFile
    start: int = 0
    """First byte (row group in Parquet)."""
    end: int | None = None
    """Byte (row group) after the last; None is the end of the file."""


class Record(NamedTuple):
    """One record as read: its place, its size and digest in the file, and its text or why there is none."""

    place: str
    """Where in the file: byte offset in the decompressed stream, or row_group:row, or indices in a JSON file."""
    raw_bytes: int
    raw_digest: str
    text: str
    bad: str = ""
    """Why the record is set aside; empty if it is good."""
    invalid: bool = False
    """Whether bytes did not fit the encoding and became U+FFFD."""
    member: str = ""
    """Name inside the file, for files that hold several named texts."""
    fields: "Fields | None" = None


class Fields(NamedTuple):
    """What a record says about its text."""

    language: str | None = None
    license: str | None = None
    url: str | None = None
    created_at: str | None = None
    meta: str | None = None
    """The other scalar fields, as JSON."""


class Reader(ABC):
    """Reads one format."""

    version: ClassVar[int] = 1
    """Grows whenever the same file could give other records."""
    suffixes: ClassVar[tuple[str, ...]] = ()
    """Suffixes that `format: auto` takes for this format; a compressed file's suffix before .gz and the like counts."""

    def __init__(self, source: SourceSettings) -> None:
        self.source = source

    def is_whole_file(self) -> bool:
        """Return whether a file is one record, so that what comes from one file falls on one side of the split."""
        return False

    def takes(self, uri: str) -> bool:
        """Return whether the format reads this file where a folder, not the file itself, was named."""
        return plain_suffix(uri) in self.suffixes

    def check(self, files: list[SourceFile]) -> None:
        """Raise DataError if the source cannot be read as asked; look at little."""
        return None

    def pieces(self, file: SourceFile, piece_bytes: int) -> list[Piece]:
        """Return the pieces of a file, in order, about `piece_bytes` each where the format can be cut."""
        return [Piece(file)]

    @abstractmethod
    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the records of a piece in the order of the file; a bad record is yielded as such, not raised."""


def make_reader(name: str, source: SourceSettings) -> Reader:
    """Return the reader of a format."""
    module, _, attribute = FORMATS[name].partition(":")
    reader_type: type[Reader] = getattr(import_module(module), attribute)
    return reader_type(source)


def digest(data: bytes) -> str:
    """Return the xxh3-128 of bytes as 32 hexadecimal digits."""
    return xxhash.xxh3_128_hexdigest(data)


def bad_record(place: str, raw_bytes: int, reason: str, raw: bytes = b"") -> Record:
    """Return a record that is set aside; `raw` is digested where it was read."""
    return Record(place, raw_bytes, digest(raw) if raw else "", "", reason)


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


def decode_file(data: bytes, encoding: str) -> tuple[str, bool]:
    """Return the text of a whole file, whose byte order mark, where it has one, decides the encoding; see `decode`."""
    wide = next((wide for mark, wide in WIDE_MARKS.items() if data.startswith(mark)), encoding)
    return decode(data, wide)


def plain_suffix(name: str) -> str:
    """Return the suffix that tells the format: of `a.jsonl.gz` it is `.jsonl`."""
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    while suffixes and suffixes[-1] in COMPRESSED_SUFFIXES:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def is_compressed(path: Path) -> bool:
    """Return whether the suffix is that of a compressed file."""
    return path.suffix.lower() in COMPRESSED_SUFFIXES


def open_stream(path: Path) -> BinaryIO:
    """Return the decompressed bytes of a file as a buffered stream."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if suffix == ".bz2":
        return cast(BinaryIO, bz2.open(path, "rb"))
    if suffix == ".xz":
        return cast(BinaryIO, lzma.open(path, "rb"))
    if suffix == ".zst":
        import zstandard

        # The stream closes it.
        file = open(path, "rb")  # noqa: SIM115
        raw = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=True)
        return cast(BinaryIO, io.BufferedReader(raw, 2**17))
    return open(path, "rb", buffering=2**17)


def wide_encoding(path: Path) -> str | None:
    """Return "utf-16" or "utf-32" if the file begins with such a byte order mark."""
    with open_stream(path) as stream:
        head = stream.read(4)
    return next((wide for mark, wide in WIDE_MARKS.items() if head.startswith(mark)), None)


class Utf8Stream(io.RawIOBase):
    """The UTF-8 bytes of a stream in another encoding; what does not fit becomes U+FFFD."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._text = codecs.getreader(encoding)(stream, "replace")
        self._left = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` and return how many bytes it got; 0 at the end."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        if not self._left:
            self._left = self._text.read(2**16).encode("utf-8", errors="replace")
        taken = self._left[: len(view)]
        view[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)

    def close(self) -> None:
        """Close this stream and the one below it."""
        self._text.close()
        super().close()


def open_lines(path: Path, encoding: str) -> tuple[BinaryIO, str]:
    """Return a stream in which a byte 0x0A is always a line feed, and the encoding of its lines.

    UTF-16 and UTF-32 are turned into UTF-8 on the way; offsets then count in the UTF-8 stream.
    """
    wide = wide_encoding(path) or (encoding if encoding.startswith(("utf-16", "utf-32")) else None)
    stream = open_stream(path)
    if wide is None:
        return stream, encoding
    return cast(BinaryIO, io.BufferedReader(Utf8Stream(stream, wide), 2**17)), "utf-8"


class Line(NamedTuple):
    """One line of a stream; `data` is None where it is longer than allowed and was skipped."""

    start: int
    size: int
    data: bytes | None


def read_lines(stream: IO[bytes], start: int, end: int | None, max_bytes: int) -> Iterator[Line]:
    """Yield the lines that begin in [start, end) of a stream that stands at `start`, line feeds included.

    At most `max_bytes` and a little of an over-long line are in memory at once.
    """
    offset = start
    limit = max_bytes + 2
    while end is None or offset < end:
        data = stream.readline(limit)
        if not data:
            return
        if len(data) == limit and not data.endswith(b"\n"):
            size = len(data)
            while data and not data.endswith(b"\n"):
                data = stream.readline(SKIP_BYTES)
                size += len(data)
            yield Line(offset, size, None)
            offset += size
            continue
        yield Line(offset, len(data), data)
        offset += len(data)


def cut_at_lines(file: SourceFile, piece_bytes: int, blank: bool) -> list[Piece]:
    """Return pieces of an uncompressed file, each beginning at a line (with `blank`: after a blank line).

    The cuts depend on the file and `piece_bytes` only.
    """
    if file.size <= piece_bytes * 3 // 2 or is_compressed(file.path) or wide_encoding(file.path):
        return [Piece(file)]
    cuts = [0]
    with open_stream(file.path) as stream:
        while cuts[-1] + piece_bytes * 3 // 2 < file.size:
            cut = _next_start(stream, cuts[-1] + piece_bytes, blank)
            if cut is None or cut >= file.size:
                break
            cuts.append(cut)
    return [Piece(file, start, end) for start, end in zip(cuts, [*cuts[1:], None])]


def _next_start(stream: BinaryIO, offset: int, blank: bool) -> int | None:
    """Return the first place after `offset` where a line begins (with `blank`: after a blank line); None at the end."""
    stream.seek(offset)
    begun = False
    while data := stream.readline(SKIP_BYTES):
        offset += len(data)
        ended = data.endswith(b"\n")
        if ended and (not blank or (begun and not data.strip())):
            return offset
        begun = ended
    return None
