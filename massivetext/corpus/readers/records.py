"""What all readers share: records, what is said of them, and how a reader is asked for them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import xxhash

from massivetext.corpus.readers.decoding import Decoder
from massivetext.corpus.readers.streams import Line, Piece, SourceFile, open_lines, plain_suffix, read_lines
from massivetext.corpus.settings import FORMATS, SourceSettings
from massivetext.errors import BadDocument

TOO_LONG = "longer than max_record_bytes"
EMPTY = "empty"
REDIRECT = "a redirect"
NO_ARTICLE = "not an article"
NO_PAGE = "an answer that brought no page"
NO_TEXT = "not text"
UNREAD = "of a format that is not read"
"""Said of a member of an archive; such records are counted by suffix and are no rows of the corpus."""
EXPECTED = frozenset({EMPTY, REDIRECT, NO_ARTICLE, NO_PAGE, NO_TEXT})
"""Reasons for which a sound file holds records without a document: dropped and counted, but not listed as bad."""


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


record_of: Callable[[tuple[str, int, str, str, str, bool, str, Fields | None]], Record] = partial(tuple.__new__, Record)
"""Return the record with these values, all of them, in half the time that `Record(...)` takes."""


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

    def lacks_package(self, name: str) -> bool:
        """Return whether a file of this name needs a package that is not installed."""
        return False

    def check(self, files: list[SourceFile]) -> None:
        """Raise DataError if the source cannot be read as asked; look at little."""
        return None

    def choices(self) -> list[dict[str, Any]]:
        """Return what `check` inferred about how the files are written, for the log and the manifest."""
        return []

    def pieces(self, file: SourceFile, piece_bytes: int) -> list[Piece]:
        """Return the pieces of a file, in order, about `piece_bytes` each where the format can be cut."""
        return [Piece(file)]

    @abstractmethod
    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the records of a piece in the order of the file; a bad record is yielded as such, not raised.

        Where the rest of the file cannot be read, BadDocument is raised after the records before.
        """


def make_reader(name: str, source: SourceSettings) -> Reader:
    """Return the reader of a format."""
    module, _, attribute = FORMATS[name].partition(":")
    reader_type: type[Reader] = getattr(import_module(module), attribute)
    return reader_type(source)


digest: Callable[[bytes], str] = xxhash.xxh3_128_hexdigest
"""Return the xxh3-128 of bytes as 32 hexadecimal digits."""


def bad_record(place: str, raw_bytes: int, reason: str, raw: bytes = b"", member: str = "") -> Record:
    """Return a record that is set aside; `raw` is digested where it was read."""
    return Record(place, raw_bytes, digest(raw) if raw else "", "", reason, member=member)


def line_records(
    piece: Piece, source: SourceSettings, record_of: Callable[[Line, bytes, Decoder], Record | None]
) -> Iterator[Record]:
    """Yield what `record_of` (line, bytes, decoder) makes of each line of a piece, but for None.

    A line that is too long, and one for which it raises BadDocument, is set aside.
    """
    stream, decoder = open_lines(piece.file, source.encoding)
    with stream:
        if piece.start:
            stream.seek(piece.start)
        for line in read_lines(stream, piece.start, piece.end, source.max_record_bytes):
            if line.data is None:
                yield bad_record(str(line.start), line.size, TOO_LONG)
                continue
            try:
                record = record_of(line, line.data, decoder)
            except BadDocument as error:
                record = bad_record(str(line.start), line.size, str(error), line.data)
            if record is not None:
                yield record
