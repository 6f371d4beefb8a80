"""Plain text: a document is a file, a block of paragraphs, a paragraph, or a line."""

from collections.abc import Iterator

from massivetext.corpus.readers.records import (
    TOO_LONG,
    Line,
    Piece,
    Reader,
    Record,
    SourceFile,
    bad_record,
    cut_at_lines,
    decode,
    decode_file,
    digest,
    open_lines,
    open_stream,
    read_lines,
)


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
        stream, encoding = open_lines(piece.file.path, self.source.encoding)
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
            for group in groups:
                yield self._record(group, encoding)

    def _record(self, lines: list[Line], encoding: str) -> Record:
        """Return the record that some consecutive lines make, without the blank ones at their end."""
        while len(lines) > 1 and (lines[-1].data or b"").isspace():
            lines = lines[:-1]
        place = str(lines[0].start)
        if lines[0].data is None:
            return bad_record(place, lines[0].size, TOO_LONG)
        raw = b"".join(line.data or b"" for line in lines)
        text, invalid = decode(raw, encoding)
        return Record(place, len(raw), digest(raw), text.strip("\r\n"), "", invalid)


def read_whole(file: SourceFile, max_record_bytes: int, encoding: str) -> Record:
    """Return a file as one record; a file that is too long is not held in memory."""
    with open_stream(file.path) as stream:
        raw = stream.read(max_record_bytes + 1)
        if len(raw) > max_record_bytes:
            return bad_record("0", max(file.size, len(raw)), TOO_LONG)
    text, invalid = decode_file(raw, encoding)
    return Record("0", len(raw), digest(raw), text, "", invalid)


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
