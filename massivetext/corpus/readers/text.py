"""Plain text: a document is a file, a block of paragraphs, a paragraph, or a line."""

from collections.abc import Iterator

from massivetext.corpus.readers.columns import noting
from massivetext.corpus.readers.decoding import Decoded, decode, decode_file
from massivetext.corpus.readers.records import TOO_LONG, Fields, Reader, Record, bad_record, digest
from massivetext.corpus.readers.streams import (
    Line,
    Piece,
    SourceFile,
    cut_at_lines,
    open_lines,
    open_stream,
    read_lines,
)
from massivetext.errors import BadDocument


class TextReader(Reader):
    """Reads .txt and its kin."""

    suffixes = (".txt", ".text", ".md", ".rst")

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
            yield read_whole(piece.file, self.source.max_record_bytes, self.source.encoding)
            return
        stream, encoding = open_lines(piece.file, self.source.encoding)
        with stream:
            if piece.start:
                stream.seek(piece.start)
            lines = read_lines(stream, piece.start, piece.end, self.source.max_record_bytes)
            if self.source.unit == "line":
                groups: Iterator[list[Line]] = (
                    [line] for line in lines if line.data is None or not line.data.isspace()
                )
            else:
                largest = self.source.block_bytes if self.source.unit == "block" else self.source.max_record_bytes
                groups = paragraphs(lines, largest)
                if self.source.unit == "block":
                    groups = blocks(groups, largest)
            # Which encoding was found is noted where it is not what it says in the recipe.
            fields = noting(None, encoding=encoding) if encoding not in ("utf-8", self.source.encoding) else None
            for group in groups:
                yield self._record(group, encoding, fields)

    def _record(self, lines: list[Line], encoding: str, fields: Fields | None) -> Record:
        """Return the record that some consecutive lines make, without the blank ones at their end."""
        while len(lines) > 1 and (lines[-1].data or b"").isspace():
            lines = lines[:-1]
        place = str(lines[0].start)
        if lines[0].data is None:
            return bad_record(place, lines[0].size, TOO_LONG)
        raw = b"".join(line.data or b"" for line in lines)
        text, invalid = decode(raw, encoding)
        return Record(place, len(raw), digest(raw), text.strip("\r\n"), "", invalid, fields=fields)


def read_whole(file: SourceFile, max_record_bytes: int, encoding: str) -> Record:
    """Return a file as one record; one that is too long, which is not held in memory, or damaged is set aside."""
    try:
        raw = read_bytes(file, max_record_bytes)
    except BadDocument as error:
        return bad_record("0", file.size, str(error))
    return whole_record(raw, decode_file(raw, encoding), encoding)


def read_bytes(file: SourceFile, max_record_bytes: int) -> bytes:
    """Return the expanded bytes of a file; raise BadDocument if there are too many, or if it is damaged."""
    with open_stream(file) as stream:
        raw = stream.read(max_record_bytes + 1)
    if len(raw) > max_record_bytes:
        raise BadDocument(TOO_LONG)
    return raw


def whole_record(raw: bytes, decoded: Decoded, encoding: str, fields: Fields | None = None) -> Record:
    """Return the record of a whole file; an encoding that was found, and is not the one asked for, is noted."""
    if decoded.encoding not in ("utf-8", encoding):
        fields = noting(fields, encoding=decoded.encoding)
    return Record("0", len(raw), digest(raw), decoded.text, "", decoded.invalid, fields=fields)


def paragraphs(lines: Iterator[Line], largest: int) -> Iterator[list[Line]]:
    """Yield runs of lines without a blank one, each at most `largest` bytes unless one line alone is longer.

    Blank lines go with the paragraph before them (they count towards no limit); those at the start are skipped. A line
    that was skipped for its length stands alone.
    """
    group: list[Line] = []
    size, closed = 0, False
    for line in lines:
        if line.data is not None and line.data.isspace():
            if group:
                group.append(line)
                closed = True
            continue
        if group and (closed or line.data is None or group[0].data is None or size + line.size > largest):
            yield group
            group, size = [], 0
        group.append(line)
        size += line.size
        closed = False
    if group:
        yield group


def blocks(groups: Iterator[list[Line]], largest: int) -> Iterator[list[Line]]:
    """Yield consecutive paragraphs joined while together they have at most `largest` bytes."""
    block: list[Line] = []
    size = 0
    for group in groups:
        added = sum(line.size for line in group)
        if block and (size + added > largest or group[0].data is None or block[0].data is None):
            yield block
            block, size = [], 0
        block += group
        size += added
    if block:
        yield block
