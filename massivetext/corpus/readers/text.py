"""Plain text: a document is a file, a block of paragraphs, a paragraph, or a line; and whole files of other formats."""

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from massivetext.corpus.readers.columns import noting
from massivetext.corpus.readers.decoding import AUTO, UTF8, Decoded, Decoder
from massivetext.corpus.readers.detecting import ESCAPES, SAMPLE_BYTES, wide_mark
from massivetext.corpus.readers.front_matter import NONE, SUFFIXES, find_front_matter, front_matter_of
from massivetext.corpus.readers.records import TOO_LONG, Fields, Reader, Record, bad_record, digest
from massivetext.corpus.readers.streams import (
    Line,
    Piece,
    SourceFile,
    cut_at_lines,
    damage_of,
    open_lines,
    open_stream,
    read_lines,
)
from massivetext.errors import BadDocument


class Stretch(NamedTuple):
    """Some consecutive lines."""

    start: int
    data: bytes | None
    """None where a line is longer than allowed and was skipped."""
    solid: int
    """Bytes without the blank lines at the end."""


class TextReader(Reader):
    """Reads .txt and its kin."""

    version = 2
    suffixes = (".txt", ".text", ".md", ".markdown", ".rst")

    def takes(self, uri: str) -> bool:
        """Return True: any file can be read as text, so a folder of source code can."""
        return True

    def is_whole_file(self) -> bool:
        """Return whether a document is a file."""
        return self.source.unit == "file"

    def pieces(self, file: SourceFile, piece_bytes: int) -> list[Piece]:
        """Return the file cut at lines or after blank lines; blocks begin anew at each cut."""
        if self.source.unit == "file":
            return [Piece(file)]
        return cut_at_lines(file, piece_bytes, blank=self.source.unit != "line")

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield the documents of a piece."""
        if self.source.unit == "file":
            yield from self._whole(piece.file)
            return
        front = front_matter_of(piece.file) if has_front_matter(piece.file) else NONE
        start = piece.start or front.size
        stream, decoder = open_lines(piece.file, self.source.encoding, keeps_start=True)
        with stream:
            if piece.start:
                stream.seek(piece.start)
            else:
                stream.read(front.size)
            lines = UntilDamage(read_lines(stream, start, piece.end, self.source.max_record_bytes))
            if self.source.unit == "line":
                groups: Iterator[Stretch] = (
                    Stretch(line.start, line.data, line.size)
                    for line in lines
                    if line.data is None or not line.data.isspace()
                )
            else:
                largest = self.source.block_bytes if self.source.unit == "block" else self.source.max_record_bytes
                groups = paragraphs(lines, largest)
                if self.source.unit == "block":
                    groups = blocks(groups, largest)
            for group in groups:
                yield self._record(group, decoder, front.fields)
        if lines.damage:
            raise lines.damage

    def _whole(self, file: SourceFile) -> Iterator[Record]:
        """Yield a file as one record, without its front matter; raise BadDocument after what is readable of it."""
        try:
            raw, damage = read_start(file, self.source.max_record_bytes)
        except BadDocument as error:
            yield bad_record("0", file.size, str(error))
            return
        if damage and not raw:
            raise damage
        record = whole_record(raw, decode_file(raw, self.source.encoding), self.source.encoding)
        if has_front_matter(file):
            front = find_front_matter(record.text)
            meta = json.loads(record.fields.meta) if record.fields and record.fields.meta else {}
            fields = noting(front.fields, **meta) if meta else front.fields
            record = record._replace(
                text=record.text[front.size :].lstrip("\r\n") if front.size else record.text, fields=fields
            )
        if damage:
            record = record._replace(fields=noting(record.fields, truncated=str(damage)))
        yield record
        if damage:
            raise damage

    def _record(self, stretch: Stretch, decoder: Decoder, fields: Fields | None) -> Record:
        """Return the record that some consecutive lines make, without the blank ones at their end."""
        place = str(stretch.start)
        if stretch.data is None:
            return bad_record(place, stretch.solid, TOO_LONG)
        raw = stretch.data[: stretch.solid]
        text, invalid, encoding = decoder.decode(raw, stretch.start)
        # Which encoding was found is noted where it is not what the recipe says.
        if encoding not in ("utf-8", self.source.encoding):
            fields = noting(fields, encoding=encoding)
        return Record(place, len(raw), digest(raw), text.strip("\r\n"), "", invalid, fields=fields)


def has_front_matter(file: SourceFile) -> bool:
    """Return whether files of this name may open with front matter."""
    return any(suffix.lower() in SUFFIXES for suffix in file.path.suffixes[-2:])


def read_whole(file: SourceFile, max_record_bytes: int, encoding: str) -> Record:
    """Return a file as one record; one that is too long, which is not held in memory, or damaged is set aside."""
    try:
        raw = read_bytes(file, max_record_bytes)
    except BadDocument as error:
        return bad_record("0", file.size, str(error))
    return whole_record(raw, decode_file(raw, encoding), encoding)


def decode_file(data: bytes, encoding: str, declared: str | None = None) -> Decoded:
    """Return the text of a whole file, whose byte order mark, where it has one, decides the encoding.

    encoding, declared: see `Decoder`.
    """
    if encoding == AUTO and b"\0" not in data[:SAMPLE_BYTES]:
        # Most files are UTF-8, and are decoded once. With the mark of another encoding they are not UTF-8.
        try:
            text = data.removeprefix(codecs.BOM_UTF8).decode()
        except UnicodeDecodeError:
            pass
        else:
            if not text.isascii() or not any(escape in data for escape in ESCAPES):
                return Decoded(text, False, UTF8)
    return Decoder(wide_mark(data) or encoding, data, declared).decode(data)


def read_bytes(file: SourceFile, max_record_bytes: int) -> bytes:
    """Return the expanded bytes of a file; raise BadDocument if there are too many, or if it is damaged."""
    raw, damage = read_start(file, max_record_bytes)
    if damage:
        raise damage
    return raw


def read_start(file: SourceFile, max_record_bytes: int) -> tuple[bytes, BadDocument | None]:
    """Return what is readable of a file, and why no more is; raise BadDocument if it is damaged or too long."""
    with open_stream(file, keeps_start=True) as stream:
        raw = stream.read(max_record_bytes + 1)
        damage = damage_of(stream)
    if len(raw) > max_record_bytes:
        raise BadDocument(TOO_LONG)
    return raw, damage


class UntilDamage:
    """The lines of a file up to its first flaw, which `damage` then holds."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self.damage: BadDocument | None = None

    def __iter__(self) -> Iterator[Line]:
        """Yield the lines."""
        try:
            yield from self._lines
        except BadDocument as error:
            self.damage = error


def whole_record(raw: bytes, decoded: Decoded, encoding: str, fields: Fields | None = None) -> Record:
    """Return the record of a whole file; an encoding that was found, and is not the one asked for, is noted."""
    if decoded.encoding not in ("utf-8", encoding):
        fields = noting(fields, encoding=decoded.encoding)
    return Record("0", len(raw), digest(raw), decoded.text, "", decoded.invalid, fields=fields)


def paragraphs(lines: Iterable[Line], largest: int) -> Iterator[Stretch]:
    """Yield runs of lines without a blank one, each at most `largest` bytes unless one line alone is longer.

    Blank lines go with the paragraph before them (they count towards no limit); those at the start are skipped. A line
    that was skipped for its length stands alone.
    """
    group: list[bytes] = []
    begin, solid, closed = 0, 0, False
    for start, size, data in lines:
        if data is None:
            if group:
                yield Stretch(begin, b"".join(group), solid)
            group = []
            yield Stretch(start, None, size)
        elif data.isspace():
            if group:
                group.append(data)
                closed = True
        elif group and not closed and solid + size <= largest:
            group.append(data)
            solid += size
        else:
            if group:
                yield Stretch(begin, b"".join(group), solid)
            group, begin, solid, closed = [data], start, size, False
    if group:
        yield Stretch(begin, b"".join(group), solid)


def blocks(groups: Iterator[Stretch], largest: int) -> Iterator[Stretch]:
    """Yield consecutive paragraphs joined while together they have at most `largest` bytes."""
    block: list[bytes] = []
    begin, size, solid = 0, 0, 0
    for start, data, added in groups:
        if block and (data is None or size + len(data) > largest):
            yield Stretch(begin, b"".join(block), solid)
            block, size = [], 0
        if data is None:
            yield Stretch(start, None, added)
            continue
        begin = begin if block else start
        solid = size + added
        block.append(data)
        size += len(data)
    if block:
        yield Stretch(begin, b"".join(block), solid)
