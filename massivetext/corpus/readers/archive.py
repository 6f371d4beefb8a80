"""Archives: the members of zip and tar files (tar also compressed), nested as deep as people nest them.

A member is read by the reader of its own format, and nothing is ever written under its name. A tar may hide behind any
compressed name, as OpenWebText's `urlsf_subset00-1_data.xz` does. A member's uri is `archive!member`.
"""

import io
import lzma
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from massivetext.corpus.readers.finding import format_of, possible_readers
from massivetext.corpus.readers.records import Reader, Record, bad_record, make_reader
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
        for written, stream in members(file, budget):
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
                for record in self._member(name, stream, budget, depth):
                    place = record.place
                    yield record._replace(member=f"{unique}!{record.member}" if record.member else unique)
            except (BadDocument, DataError) as error:
                yield bad_record(f"after {place}", 0, str(error), member=unique)
            if budget.is_spent:
                return

    def _member(self, name: str, stream: IO[bytes] | None, budget: Budget, depth: int) -> Iterator[Record]:
        """Yield the records of one member."""
        readers = possible_readers(self.source)
        member = SourceFile(Path(name), name, 0, 0, "", budget=budget)
        bare = compression_of(member.path) and not plain_suffix(name)
        looks = bare or is_archive(name) or plain_suffix(name) == ".json"
        if not looks and format_of(member, self.source, readers, False, False) is None:
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
            if chosen is not None:
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
    with tempfile.NamedTemporaryFile(prefix="massivetext-") as file:
        while head:
            file.write(head)
            head = _paid(stream, HELD_BYTES, budget)
        file.flush()
        yield lambda: open(file.name, "rb", buffering=BUFFER_BYTES), file.tell()  # noqa: SIM115


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


def _zip_members(file: SourceFile, budget: Budget) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield (name, bytes) of the files in a zip file; None where they cannot be opened."""
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
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            try:
                stream = None if entry.flag_bits & ENCRYPTED else archive.open(entry)
            except DAMAGES:
                stream = None
            yield entry.filename, stream
            if stream is not None:
                stream.close()


def _tar_members(file: SourceFile, budget: Budget) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield (name, bytes) of the files in a tar file, read from its beginning to its end."""
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
                    yield entry.name, stream
