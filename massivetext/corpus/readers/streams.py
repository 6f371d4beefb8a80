"""The bytes of input files: opened, decompressed within limits, cut at lines.

Whatever is wrong with a compressed file is raised as BadDocument where it is met, after all that could be read.
"""

import bz2
import codecs
import errno
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePath
from typing import IO, Any, BinaryIO, NamedTuple, cast

from massivetext.corpus.readers.decoding import UTF8, Decoder
from massivetext.corpus.readers.detecting import SAMPLE_BYTES, detect_wide, wide_mark
from massivetext.errors import BadDocument

COMPRESSED_SUFFIXES = (".gz", ".zst", ".bz2", ".xz")
TAR_SUFFIXES = {".tar": "", ".tgz": ".gz", ".tbz2": ".bz2", ".txz": ".xz", ".tzst": ".zst"}
"""Suffixes of tar archives, and how they are compressed."""
ESCAPE_LIKE = re.compile(r"\\(?=x[0-9a-f]{2})")
BUFFER_BYTES = 2**17
SKIP_BYTES = 2**20
CUT = "cut short: the file ends before its content does"
ALWAYS_ALLOWED_BYTES = 2**28
"""What a compressed file may expand to, however small it is."""


def is_damage(error: Exception) -> bool:
    """Return whether an error is a complaint about what was read; one of the disk has a number of its own.

    A place before the file's beginning, to which damaged archives point, is EINVAL.
    """
    return not isinstance(error, OSError) or error.errno in (None, errno.EINVAL)


class Budget:
    """How many bytes a compressed file, with all that is nested in it, may still expand to."""

    def __init__(self, allowed_bytes: int) -> None:
        self.allowed_bytes = allowed_bytes
        self._left = allowed_bytes

    @property
    def is_spent(self) -> bool:
        """Whether more was asked for than there was."""
        return self._left < 0

    @property
    def message(self) -> str:
        """What is said where more was asked for."""
        return f"expands to more than {self.allowed_bytes} bytes (see max_expansion)"

    def spend(self, size: int) -> None:
        """Take `size` bytes off; raise BadDocument if there are not as many."""
        self._left -= size
        if self._left < 0:
            raise BadDocument(self.message)


class SourceFile(NamedTuple):
    """One input file of a source, or a member of an archive."""

    path: Path
    uri: str
    """Path relative to the source's root, with `/`; for a built-in root it begins with the root's name."""
    size: int
    """Bytes on disk (of a member: expanded)."""
    changed_ns: int
    """Time of last change, nanoseconds."""
    format: str
    """Name of its reader."""
    max_expansion: int = 250
    """See the source's setting."""
    content: Callable[[], BinaryIO] | None = None
    """Opens a member's bytes; None for a file on disk."""
    budget: Budget | None = None
    """What a member may expand to; None for a file on disk, which gets its own each time it is opened."""

    def open(self) -> BinaryIO:
        """Return the file's own bytes, as they are, as a buffered stream that can be sought in."""
        return self.content() if self.content else open(self.path, "rb", buffering=BUFFER_BYTES)

    def new_budget(self) -> Budget:
        """Return what the file may expand to when it is read once."""
        return self.budget or Budget(max(ALWAYS_ALLOWED_BYTES, self.size * self.max_expansion))


class Piece(NamedTuple):
    """A file, or the part of one that is read at a stretch."""

    file: SourceFile
    start: int = 0
    """First byte (row group in Parquet)."""
    end: int | None = None
    """Byte (row group) after the last; None is the end of the file."""

    @property
    def disk_bytes(self) -> int:
        """About how many bytes on disk it is; of a Parquet file the first piece counts as the whole file."""
        if self.file.format == "parquet" or (self.end is None and not self.start):
            return self.file.size if not self.start else 0
        return (self.file.size if self.end is None else self.end) - self.start


def portable_name(name: str) -> str:
    r"""Return a file's name as it is stored: bytes that are not UTF-8 become `\xe9`, as `caf\xe9.txt`; others stay.

    Names that differ stay different: a backslash before `x` and two hexadecimal digits becomes `\x5c`.
    """
    if name.isascii() and "\\" not in name:
        return name
    escaped = ESCAPE_LIKE.sub(r"\\x5c", name)
    return escaped.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def plain_suffix(name: str) -> str:
    """Return the suffix that tells the format: of `a.jsonl.gz` it is `.jsonl`."""
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    while suffixes and suffixes[-1] in COMPRESSED_SUFFIXES:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def compression_of(path: Path) -> str:
    """Return the suffix that tells how a file is compressed, e.g. ".gz"; empty if it is not."""
    suffix = path.suffix.lower()
    return suffix if suffix in COMPRESSED_SUFFIXES else TAR_SUFFIXES.get(suffix, "")


def is_archive(name: str) -> bool:
    """Return whether the name is that of a zip or tar file, whose members are the files to read."""
    return plain_suffix(name) in (".zip", *TAR_SUFFIXES)


class _ZstdFile:
    """Expands zstd frames one after the other; unlike the library's stream it raises at a frame that is cut short."""

    def __init__(self, file: BinaryIO) -> None:
        import zstandard

        self._new = zstandard.ZstdDecompressor().decompressobj
        self._file = file
        self._frame: Any = None
        self._ready = memoryview(b"")
        self._given = b""
        self._chunk_bytes = 512

    def read1(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end."""
        while not self._ready:
            chunk = self._given or self._file.read(self._chunk_bytes)
            self._given = b""
            if not chunk:
                if self._frame is not None:
                    raise EOFError("the last frame is cut short")
                return b""
            self._frame = self._frame or self._new()
            expanded = self._frame.decompress(chunk)
            self._ready = memoryview(expanded)
            # The library gives all that a chunk expands to at once: the next one is as small as the last was dense.
            self._chunk_bytes = min(2**15, max(512, SKIP_BYTES * len(chunk) // max(len(expanded), 1)))
            if self._frame.eof:
                self._given = self._frame.unused_data
                self._frame = None
        taken, self._ready = self._ready[:size], self._ready[size:]
        return bytes(taken)

    def close(self) -> None:
        """Close the file below."""
        self._file.close()


class Expanding(io.RawIOBase):
    """The expanded bytes of a compressed stream, paid from a budget; what is wrong with it becomes BadDocument.

    With `keeps_start` the stream of a file that was cut short ends where the file does, and `damage` holds the reason.
    Other flaws are raised all the same: a checksum that does not fit says nothing about where the bytes are wrong.
    """

    def __init__(self, stream: Any, budget: Budget, below: BinaryIO, keeps_start: bool = False) -> None:
        self._stream = stream
        self._budget = budget
        self._below = below
        self._keeps_start = keeps_start
        self.damage: BadDocument | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as it goes without waiting and return how many bytes it got; 0 at the end."""
        import zstandard

        if self.damage:
            return 0
        try:
            data = self._stream.read1(len(buffer))
        except (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, MemoryError, OSError) as error:
            if not is_damage(error):
                raise
            if not isinstance(error, EOFError):
                raise BadDocument(f"damaged file: {type(error).__name__}") from None
            damage = BadDocument(CUT)
            if not self._keeps_start:
                raise damage from None
            self.damage = damage
            return 0
        self._budget.spend(len(data))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close this stream and those below it."""
        if not self.closed:
            self._stream.close()
            self._below.close()
        super().close()


def expand(below: BinaryIO, suffix: str, budget: Budget, keeps_start: bool = False) -> BinaryIO:
    """Return the expanded bytes of a stream compressed as `suffix` says, buffered; closing it closes `below`.

    keeps_start: see `Expanding`.
    """
    kinds: dict[str, Callable[[Any], Any]] = {
        ".gz": lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
        ".bz2": bz2.BZ2File,
        ".xz": lzma.LZMAFile,
        ".zst": _ZstdFile,
    }
    return cast(BinaryIO, io.BufferedReader(Expanding(kinds[suffix](below), budget, below, keeps_start), BUFFER_BYTES))


def open_stream(file: SourceFile, budget: Budget | None = None, keeps_start: bool = False) -> BinaryIO:
    """Return the decompressed bytes of a file as a buffered stream.

    Reading raises BadDocument where it is damaged; with `keeps_start` the stream of one that was cut ends there: ask
    `damage_of`.
    """
    stream = file.open()
    suffix = compression_of(file.path)
    return expand(stream, suffix, budget or file.new_budget(), keeps_start) if suffix else stream


def damage_of(stream: IO[bytes]) -> BadDocument | None:
    """Return why a stream that keeps the start of a damaged file has ended; None if it ended as it should."""
    found: BadDocument | None = getattr(getattr(stream, "raw", None), "damage", None)
    return found


class Utf8Stream(io.RawIOBase):
    """The UTF-8 bytes of a stream in another encoding; what does not fit becomes U+FFFD."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._text = codecs.getreader(encoding)(stream, "replace")
        self._below = stream
        self._left = b""

    @property
    def damage(self) -> BadDocument | None:
        """Why the stream below has ended."""
        return damage_of(self._below)

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


def open_lines(file: SourceFile, encoding: str, keeps_start: bool = False) -> tuple[BinaryIO, Decoder]:
    """Return a stream in which a byte 0x0A is always a line feed, and what decodes its lines.

    UTF-16 and UTF-32 are turned into UTF-8 on the way; offsets then count in the UTF-8 stream. With "auto" the encoding
    is detected from the beginning of the file, or where the first line is that is not UTF-8. keeps_start: see
    `open_stream`.
    """
    stream = open_stream(file, keeps_start=keeps_start)
    try:
        head = stream.peek(SAMPLE_BYTES)[:SAMPLE_BYTES]  # type: ignore[attr-defined]
        head = head[: head.rfind(b"\n") + 1] or head
        decoder = Decoder(wide_mark(head) or encoding, head, evidence_at=partial(_bytes_at, file))
    except BadDocument:
        stream.close()
        raise
    if not decoder.encoding.startswith(("utf-16", "utf-32")):
        return stream, decoder
    return cast(BinaryIO, io.BufferedReader(Utf8Stream(stream, decoder.encoding), BUFFER_BYTES)), Decoder(UTF8, b"")


def _bytes_at(file: SourceFile, offset: int) -> bytes:
    """Return SAMPLE_BYTES of a file's expanded bytes from an offset on, or as many as there are."""
    with open_stream(file, keeps_start=True) as stream:
        if stream.seekable():
            stream.seek(offset)
        while not stream.seekable() and offset > 0:
            offset -= len(stream.read(min(offset, SKIP_BYTES))) or offset
        return stream.read(SAMPLE_BYTES)


class Line(NamedTuple):
    """One line of a stream; `data` is None where it is longer than allowed and was skipped."""

    start: int
    size: int
    data: bytes | None


def read_lines(stream: IO[bytes], start: int, end: int | None, max_bytes: int) -> Iterator[Line]:
    """Yield the lines that begin in [start, end) of a stream that stands at `start`, line feeds included.

    At most `max_bytes` and a little of an over-long line are in memory at once. Raises BadDocument after the last
    readable line of a damaged file.
    """
    offset = start
    limit = max_bytes + 2
    # `Line(...)` costs as much as all the rest of the loop.
    line_of: Callable[[tuple[int, int, bytes]], Line] = partial(tuple.__new__, Line)
    while end is None or offset < end:
        data = stream.readline(limit)
        size = len(data)
        if not size:
            if damage := damage_of(stream):
                raise damage
            return
        if size == limit and not data.endswith(b"\n"):
            while data and not data.endswith(b"\n"):
                data = stream.readline(SKIP_BYTES)
                size += len(data)
            yield Line(offset, size, None)
        else:
            yield line_of((offset, size, data))
        offset += size


def cut_at_lines(file: SourceFile, piece_bytes: int, blank: bool) -> list[Piece]:
    """Return pieces of an uncompressed file, each beginning at a line (with `blank`: after a blank line).

    The cuts depend on the file and `piece_bytes` only.
    """
    if file.size <= piece_bytes * 3 // 2 or compression_of(file.path):
        return [Piece(file)]
    cuts = [0]
    with open_stream(file) as stream:
        head = stream.read(SAMPLE_BYTES)
        if wide_mark(head) or detect_wide(head):
            return [Piece(file)]
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
