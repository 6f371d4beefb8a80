"""Archives: the members of zip and tar files (tar also compressed), nested as deep as people nest them.

A member is read by the reader of its own format, and nothing is ever written under its name. A tar may hide behind any
compressed name, as OpenWebText's `urlsf_subset00-1_data.xz` does. A member's uri is `archive!member`.
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
"""A larger member is laid on disk while it is read."""
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
"""Long names and other facts about a member stand before it in a tar file; the module parses them in square time."""
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
"""What the two modules raise on what they cannot read; an unknown method of packing is a NotImplementedError."""


class ArchiveReader(Reader):
    """Reads the members of zip and tar files; hidden ones, links and those of no known format are left out."""

    version = 2
    suffixes = (".zip", *TAR_SUFFIXES)

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the records of all members, in the order of the archive."""
        yield from self._archive(piece.file, piece.file.new_budget(), 1)

    def _archive(self, file: SourceFile, budget: Budget, depth: int) -> Iterator[Record]:
        """Yield the records of an archive's members; `member` names them within it."""
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
            # The second of two members with one name gets another, for documents are told apart by it.
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
        """Yield the records of one member, or that it is not read."""
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
    """Return whether a compressed member's expanded bytes begin as a tar file does."""
    with open_stream(member, budget) as stream:
        return stream.read(512)[TAR_MARK] == b"ustar"


@contextmanager
def _held(stream: IO[bytes], budget: Budget) -> Iterator[tuple[Callable[[], BinaryIO], int]]:
    """Give (what opens a member's bytes again and again, their number): held in memory, or laid on disk if large."""
    head = _paid(stream, HELD_BYTES, budget)
    if len(head) < HELD_BYTES:
        yield lambda: cast(BinaryIO, io.BufferedReader(io.BytesIO(head), BUFFER_BYTES)), len(head)
        return
    # A file without a name: if this process is killed, nothing of it stays behind.
    with tempfile.TemporaryFile() as file:
        while head:
            file.write(head)
            head = _paid(stream, HELD_BYTES, budget)
        file.flush()
        yield lambda: cast(BinaryIO, io.BufferedReader(_Again(file.fileno()), BUFFER_BYTES)), file.tell()


class _Again(io.RawIOBase):
    """Reads an open file from its beginning, whatever place others that read it have reached."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.place = descriptor, 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that any place can be gone to."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place and return it."""
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: os.fstat(self.descriptor).st_size}
        self.place = max(0, starts[whence] + offset)
        return self.place

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the place that was reached; return how many bytes that were."""
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
    """Yield (name, bytes, size) of the files in a zip file; None where they cannot be opened."""
    with ExitStack() as stack:
        if compression_of(file.path):
            # A zip file must be sought in.
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
    """Return what the names are that an archive holds as bytes of an encoding it does not tell.

    The module takes them for code page 437. Windows writes them in the system's encoding, in China GBK; other programs
    write UTF-8 without marking it. All names of an archive are in one encoding, so they are judged together.
    """
    told = [entry.filename for entry in archive.infolist() if not entry.flag_bits & UTF8_NAME]
    raw = {name: name.encode("cp437") for name in told if not name.isascii()}
    joined = b"\n".join(raw.values())
    if not raw:
        return {}
    found = detect_foreign(joined) or "utf-8"
    # Western names are in code page 437, as the format says.
    for encoding in ("utf-8", "utf-8" if found in LATIN_CODECS else found, "gb18030"):
        try:
            text = joined.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        # Few bytes are no evidence: they are Chinese only if nothing else than common characters comes out.
        if encoding != "gb18030" or COMMON_NAME.fullmatch(text):
            return dict(zip(raw, text.split("\n")))
    return {}


def _tar_members(file: SourceFile, budget: Budget) -> Iterator[tuple[str, IO[bytes] | None, int]]:
    """Yield (name, bytes, size) of the files in a tar file, read from its beginning to its end."""
    most = budget.allowed_bytes if compression_of(file.path) else file.size

    class Member(tarfile.TarInfo):
        """A member's header; one that claims more than there is would be waited for without end."""

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "Member":
            """Return the header in some bytes; where there is none, the module would take it for the archive's end."""
            try:
                return super().frombuf(buf, encoding, errors)
            except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
                raise tarfile.ReadError(str(error)) from None

        def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
            """Read what belongs to the header; refuse sizes that cannot be, before the bytes are read."""
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
                # The module keeps every header.
                archive.members.clear()  # type: ignore[attr-defined]
                stream = archive.extractfile(entry) if entry.isreg() else None
                if stream is not None:
                    yield entry.name, stream, entry.size
