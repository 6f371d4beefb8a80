"""Read the members of zip and tar files (tar also compressed), including nested archives.

Each member is read by the reader of its own format; no file is ever written under a member's name. A compressed file
can be a tar file whatever its name, as OpenWebText's `urlsf_subset00-1_data.xz` is. A member's uri is `archive!member`.
"""

import io
import lzma
import os
import re
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from massivetext.corpus.readers.detecting import LATIN_CODECS, detect_foreign
from massivetext.corpus.readers.finding import format_of, is_xml, possible_readers
from massivetext.corpus.readers.records import UNREAD, Reader, Record, bad_record, make_reader
from massivetext.corpus.readers.streams import (
    BUFFER_BYTES,
    TAR_SUFFIXES,
    Budget,
    Piece,
    SourceFile,
    compression_of,
    is_archive,
    is_damage,
    open_stream,
    plain_suffix,
    portable_name,
)
from massivetext.errors import BadDocument, DataError

HELD_BYTES = 2**23
"""Larger members are kept in a temporary file while they are read."""
MAX_DEPTH = 5
TAR_MARK = slice(257, 262)
ENCRYPTED = 1
UTF8_NAME = 0x800
COMMON_NAME = re.compile(r"(?:[\x00-\x7f]|[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef“”‘’—…·《》、。])*")
TAR_NOTES = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
MAX_NOTE_BYTES = 2**16
"""Long names and other metadata precede a member in a tar file. The `tarfile` module parses them in quadratic time."""
DAMAGES = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    struct.error,
    OverflowError,
    OSError,
)
"""What `zipfile` and `tarfile` raise on input they cannot read. An unknown compression method is a
NotImplementedError."""


class ArchiveReader(Reader):
    """Reads the members of zip and tar files. Hidden members, links and members of unknown format are skipped."""

    version = 2
    suffixes = (".zip", *TAR_SUFFIXES)

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the records of all members, in archive order."""
        yield from self._archive(piece.file, piece.file.new_budget(), 1)

    def _archive(self, file: SourceFile, budget: Budget, depth: int) -> Iterator[Record]:
        """Yield the records of an archive's members, with `member` set to the member's name."""
        seen: dict[int, int] = {}
        members = _zip_members if plain_suffix(file.path.name) == ".zip" else _tar_members
        for written, stream, size in members(file, budget):
            name = portable_name(written)
            parts = PurePosixPath(name).parts
            if any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts):
                continue
            if ".." in parts or name.startswith("/"):
                yield bad_record("0", 0, "unsafe member name", member=name)
                continue
            # A second member with the same name is renamed, because documents are identified by it.
            unique = name
            while hash(unique) in seen:
                seen[hash(name)] += 1
                unique = f"{name}#{seen[hash(name)]}"
            seen[hash(unique)] = 1
            place = "0"
            try:
                for record in self._member(name, stream, size, budget, depth):
                    place = record.place
                    yield record._replace(member=f"{unique}!{record.member}" if record.member else unique)
            except (BadDocument, DataError) as error:
                yield bad_record(f"after {place}", 0, str(error), member=unique)
            if budget.is_spent:
                return

    def _member(self, name: str, stream: IO[bytes] | None, size: int, budget: Budget, depth: int) -> Iterator[Record]:
        """Yield the records of one member, or one that reports a format that is not read."""
        readers = possible_readers(self.source)
        member = SourceFile(Path(name), name, 0, 0, "", budget=budget)
        bare = compression_of(member.path) and not plain_suffix(name)
        looks = bare or is_archive(name) or plain_suffix(name) == ".json" or is_xml(name)
        if not looks and format_of(member, self.source, readers, False, False) is None:
            if self.source.is_by_suffix:
                yield bad_record("0", size, UNREAD)
            return
        if stream is None:
            raise BadDocument("encrypted, or packed in a way that is not known")
        with _held(stream, budget) as (content, size):
            member = member._replace(content=content, size=size)
            if is_archive(name) or (bare and _is_tar(member, budget)):
                if depth == MAX_DEPTH:
                    raise BadDocument(f"archives nested more than {MAX_DEPTH} deep")
                yield from self._archive(member, budget, depth + 1)
                return
            chosen = format_of(member, self.source, readers, False, False)
            if chosen is None:
                if self.source.is_by_suffix:
                    yield bad_record("0", size, UNREAD)
            else:
                member = member._replace(format=chosen)
                reader = make_reader(chosen, self.source)
                reader.check([member])
                yield from reader.read(Piece(member))


def _is_tar(member: SourceFile, budget: Budget) -> bool:
    """Return whether the expanded bytes of a compressed member start with a tar header."""
    with open_stream(member, budget) as stream:
        return stream.read(512)[TAR_MARK] == b"ustar"


@contextmanager
def _held(stream: IO[bytes], budget: Budget) -> Iterator[tuple[Callable[[], BinaryIO], int]]:
    """Yield (function that opens the member's bytes, number of bytes); large members are kept in a temporary file."""
    head = _paid(stream, HELD_BYTES, budget)
    if len(head) < HELD_BYTES:
        yield lambda: cast(BinaryIO, io.BufferedReader(io.BytesIO(head), BUFFER_BYTES)), len(head)
        return
    # The file has no name, so nothing is left behind if this process is killed.
    with tempfile.TemporaryFile() as file:
        while head:
            file.write(head)
            head = _paid(stream, HELD_BYTES, budget)
        file.flush()
        yield lambda: cast(BinaryIO, io.BufferedReader(_Again(file.fileno()), BUFFER_BYTES)), file.tell()


class _Again(io.RawIOBase):
    """Reads an open file from its beginning, independently of other readers of the same descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.place = descriptor, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position and return it."""
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: os.fstat(self.descriptor).st_size}
        self.place = max(0, starts[whence] + offset)
        return self.place

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the current position and return the number of bytes read."""
        data = os.pread(self.descriptor, len(buffer), self.place)
        buffer[: len(data)] = data
        self.place += len(data)
        return len(data)


def _paid(stream: IO[bytes], size: int, budget: Budget) -> bytes:
    """Return the next `size` bytes of a member, fewer at its end; raise BadDocument if it is damaged."""
    try:
        data = stream.read(size)
    except DAMAGES as error:
        if not is_damage(error):
            raise
        raise BadDocument(f"damaged member: {type(error).__name__}") from None
    budget.spend(len(data))
    return data


def _zip_members(file: SourceFile, budget: Budget) -> Iterator[tuple[str, IO[bytes] | None, int]]:
    """Yield (name, stream, size) for each file in a zip file; the stream is None if the file cannot be opened."""
    with ExitStack() as stack:
        if compression_of(file.path):
            # Reading a zip file requires seeking.
            opened = stack.enter_context(open_stream(file, budget))
            below = stack.enter_context(stack.enter_context(_held(opened, budget))[0]())
        else:
            below = stack.enter_context(file.open())
        try:
            archive = stack.enter_context(zipfile.ZipFile(below))
        except DAMAGES as error:
            raise BadDocument(f"damaged file: {type(error).__name__}") from None
        names = _decoded_names(archive)
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            try:
                stream = None if entry.flag_bits & ENCRYPTED else archive.open(entry)
            except DAMAGES:
                stream = None
            yield names.get(entry.filename, entry.filename), stream, entry.file_size
            if stream is not None:
                stream.close()


def _decoded_names(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return {name given by `zipfile`: decoded name} for names whose encoding the archive does not declare.

    `zipfile` assumes code page 437. Windows writes names in the system's encoding (GBK in China); other programs write
    UTF-8 without marking it. All names of an archive share one encoding, so they are judged together.
    """
    told = [entry.filename for entry in archive.infolist() if not entry.flag_bits & UTF8_NAME]
    raw = {name: name.encode("cp437") for name in told if not name.isascii()}
    joined = b"\n".join(raw.values())
    if not raw:
        return {}
    found = detect_foreign(joined) or "utf-8"
    # Western names are in code page 437, as the zip specification says.
    for encoding in ("utf-8", "utf-8" if found in LATIN_CODECS else found, "gb18030"):
        try:
            text = joined.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        # Few bytes are weak evidence: accept GB18030 only if every character is a common one.
        if encoding != "gb18030" or COMMON_NAME.fullmatch(text):
            return dict(zip(raw, text.split("\n")))
    return {}


def _tar_members(file: SourceFile, budget: Budget) -> Iterator[tuple[str, IO[bytes] | None, int]]:
    """Yield (name, stream, size) for each file in a tar file, reading it sequentially."""
    most = budget.allowed_bytes if compression_of(file.path) else file.size

    class Member(tarfile.TarInfo):
        """Parses a member's header and rejects sizes larger than the archive, which would stall the reader."""

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "Member":
            """Return the header in a block; raise ReadError if it is invalid, which `tarfile` takes for the end."""
            try:
                return super().frombuf(buf, encoding, errors)
            except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
                raise tarfile.ReadError(str(error)) from None

        def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
            """Read the rest of the header; raise ReadError for an impossible size before any data is read."""
            if self.type in TAR_NOTES and not 0 <= self.size <= MAX_NOTE_BYTES:
                raise tarfile.ReadError(f"a header of {self.size} bytes")
            member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
            if member.size < 0 or not 0 <= archive.offset <= most + tarfile.RECORDSIZE:
                raise tarfile.ReadError(f"a member of {member.size} bytes")
            return member

    with open_stream(file, budget) as below:
        try:
            archive = tarfile.open(fileobj=below, mode="r|", errors="surrogateescape", tarinfo=Member)  # noqa: SIM115
        except DAMAGES as error:
            raise BadDocument(f"damaged file: {type(error).__name__}") from None
        with archive:
            while True:
                try:
                    entry = archive.next()
                except DAMAGES as error:
                    raise BadDocument(f"damaged file: {type(error).__name__}") from None
                if entry is None:
                    return
                # `tarfile` would keep every header in memory.
                archive.members.clear()  # type: ignore[attr-defined]
                stream = archive.extractfile(entry) if entry.isreg() else None
                if stream is not None:
                    yield entry.name, stream, entry.size
