"""Read CSV and TSV files with a header line; quoted cells may hold line feeds, and a stray quote costs only one record.

Delimiter and quoting come from the source's settings, or are inferred from the first lines. In tab-separated files
quotation marks are ordinary text, except in files named .csv.
"""

import csv
from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from massivetext.corpus.readers.columns import choose_text_column, fields_of, matches
from massivetext.corpus.readers.decoding import Decoder
from massivetext.corpus.readers.records import TOO_LONG, Reader, Record, bad_record, digest
from massivetext.corpus.readers.streams import Line, Piece, SourceFile, open_lines, plain_suffix, read_lines
from massivetext.corpus.settings import SourceSettings
from massivetext.errors import BadDocument

DELIMITERS = (",", "\t", ";", "|")
TAB = "\t"
QUOTE = '"'
SNIFFED_LINES, SNIFFED_BYTES = 100, 2**16
LINES_ALLOWED, LINES_READ_TWICE = 16, 2**20
"""A quoted cell may always span this many lines. It may span more while the number of lines read twice is below the
number of lines read once plus `LINES_READ_TWICE`. This keeps the time linear in the file size, whatever its quotation
marks. A long line counts as one line per KiB."""
UNCLOSED = "a quotation mark opens a cell and none closes it"
MISQUOTED = "a quotation mark inside a quoted cell that is not doubled"
OTHER_COUNT = "another number of cells than the header"


class Dialect(NamedTuple):
    """The delimiter and quotation mark of a file."""

    delimiter: str
    quote: str
    """Empty if quotation marks are ordinary text."""


class Row(NamedTuple):
    """The lines that make up one record."""

    lines: list[Line]
    invalid: bool
    """Whether some bytes were invalid in the encoding."""
    cells: list[str]
    bad: str = ""
    """Why the record cannot be read; empty if it can."""


class CsvReader(Reader):
    """Reads .csv and .tsv. A record whose number of cells differs from the header is skipped and reported."""

    version = 2
    suffixes = (".csv", ".tsv")

    def __init__(self, source: SourceSettings) -> None:
        super().__init__(source)
        self._dialects: Counter[Dialect] = Counter()

    def check(self, files: list[SourceFile]) -> None:
        """Check that every readable header has the text column, and infer each file's dialect."""
        for file in files:
            try:
                dialect = self._dialect(file)
                rows = self._rows(file, dialect)
                header, first = next(rows, None), next(rows, None)
            except BadDocument:
                # Reading reports it.
                continue
            self._dialects[dialect] += 1
            if header is not None and not header.bad:
                self._column(header.cells, first, file)

    def choices(self) -> list[dict[str, Any]]:
        """Return the delimiters and quotation marks of the files that were checked."""
        return [{**dialect._asdict(), "files": count} for dialect, count in sorted(self._dialects.items())]

    def _column(self, header: list[str], first: Row | None, file: SourceFile) -> str:
        """Return the name of the text column of a file with this header and first row."""
        cells = first.cells if first is not None and not first.bad else header
        columns = {name: not _is_number(cell) for name, cell in zip(header, cells)}
        columns = {**dict.fromkeys(header, False), **columns}
        return choose_text_column(self.source.text_column, columns, str(file.path))

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield one record per row."""
        rows = self._rows(piece.file, self._dialect(piece.file))
        first = next(rows, None)
        if first is None:
            return
        if first.bad:
            raise BadDocument(f"the header cannot be read ({first.bad})")
        header = first.cells
        column: int | None = None
        for row in rows:
            place, size = str(row.lines[0].start), sum(line.size for line in row.lines)
            raw = b"".join(line.data or b"" for line in row.lines)
            if row.bad:
                yield bad_record(place, size, row.bad, raw)
            elif row.cells:
                if column is None:
                    column = header.index(self._column(header, row, piece.file))
                named = dict(zip(header, row.cells))
                if self.source.where and not matches(named, self.source.where):
                    continue
                fields = fields_of(named, header[column])
                yield Record(place, size, digest(raw), row.cells[column], "", row.invalid, fields=fields)

    def _dialect(self, file: SourceFile) -> Dialect:
        """Return a file's dialect: as set for the source, or as inferred from its first lines."""
        suffix = plain_suffix(file.path.name)
        usual = TAB if suffix == ".tsv" else ","
        asked = self.source.delimiter
        lines: list[str] = []
        if asked is None:
            stream, decoder = open_lines(file, self.source.encoding)
            with stream:
                size = 0
                for line in islice(read_lines(stream, 0, None, SNIFFED_BYTES), SNIFFED_LINES):
                    size += line.size
                    if line.data is None or (lines and size > SNIFFED_BYTES):
                        break
                    lines.append(decoder.decode(line.data, line.start).text)
        best, best_score = Dialect(asked or usual, self._quote(asked or usual, suffix)), (False, 0.0, 0)
        for delimiter in sorted(DELIMITERS, key=lambda entry: entry != usual) if asked is None else ():
            dialect = Dialect(delimiter, self._quote(delimiter, suffix))
            score = _score(lines, dialect, self.source.text_column)
            if score > best_score:
                best, best_score = dialect, score
        return best

    def _quote(self, delimiter: str, suffix: str) -> str:
        """Return the quotation mark to use with a delimiter."""
        if self.source.quote is not None:
            return self.source.quote
        return "" if delimiter == TAB and suffix != ".csv" else QUOTE

    def _rows(self, file: SourceFile, dialect: Dialect) -> Iterator[Row]:
        """Yield the rows of a file, header first.

        If a quoted cell does not end, or the resulting row does not match the header, only its first line becomes a bad
        row, and reading resumes at the next line.
        """
        limit = self.source.max_record_bytes
        csv.field_size_limit(max(csv.field_size_limit(), limit + 1))
        stream, decoder = open_lines(file, self.source.encoding)
        with stream:
            lines = _Lines(read_lines(stream, 0, None, limit), decoder, limit)
            width: int | None = None
            reader = _cells(lines, dialect)
            while lines.begin():
                bad = ""
                cells: list[str] = []
                try:
                    cells = next(reader)
                except csv.Error as error:
                    bad = (
                        UNCLOSED
                        if "end of data" in str(error)
                        else MISQUOTED
                        if "expected after" in str(error)
                        else str(error)
                    )
                except _TooLongError:
                    bad = UNCLOSED if lines.taken[0].data is not None else TOO_LONG
                if cells and width is not None and len(cells) != width:
                    bad = OTHER_COUNT
                width = len(cells) if width is None else width
                if bad:
                    lines.give_back()
                    reader = _cells(lines, dialect)
                yield Row(lines.taken, lines.invalid, cells, bad)
            if lines.damage is not None:
                raise lines.damage


class _TooLongError(Exception):
    """Raised when a row exceeds the allowed length."""


class _Lines:
    """Yields the text of a file's lines and can give back those after the first of a row."""

    def __init__(self, lines: Iterator[Line], decoder: Decoder, limit: int) -> None:
        self.taken: list[Line] = []
        """The lines of the row being read."""
        self.invalid = False
        self.damage: BadDocument | None = None
        """The error met after the last readable line; None if there was none."""
        self._lines, self._decoder, self._limit = lines, decoder, limit
        self._waiting: deque[Line] = deque()
        self._size = self._weight = 0
        self._spare = LINES_READ_TWICE
        """How many lines may still be read twice."""

    def __iter__(self) -> "_Lines":
        return self

    def begin(self) -> bool:
        """Begin a row; return whether another line exists."""
        self._spare += len(self.taken)
        self.taken, self.invalid, self._size = [], False, 0
        self._weight = 0
        return self._has_next()

    def __next__(self) -> str:
        """Return the text of the next line; raise _TooLongError if it makes the row too long."""
        if not self._has_next():
            raise StopIteration
        line = self._waiting.popleft()
        self.taken.append(line)
        self._size += line.size
        self._weight += 1 + line.size // 1024
        is_long = self._size > self._limit or self._weight > max(self._spare, LINES_ALLOWED)
        if line.data is None or (is_long and len(self.taken) > 1):
            raise _TooLongError
        text, invalid, _ = self._decoder.decode(line.data, line.start)
        self.invalid |= invalid
        return text.replace("\0", "")

    def _has_next(self) -> bool:
        """Return whether another line exists."""
        if not self._waiting and self.damage is None:
            try:
                self._waiting.extend(islice(self._lines, 1))
            except BadDocument as error:
                self.damage = error
        return bool(self._waiting)

    def give_back(self) -> None:
        """Give back all lines of the row except the first."""
        self._waiting.extendleft(reversed(self.taken[1:]))
        self._spare -= self._weight
        del self.taken[1:]


def _cells(lines: Iterator[str], dialect: Dialect) -> Iterator[list[str]]:
    """Return an iterator over the cells of each row; it raises csv.Error at a misplaced quotation mark."""
    if dialect.quote:
        return csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True)
    return (line.rstrip("\r\n").split(dialect.delimiter) if line.strip() else [] for line in lines)


def _score(lines: list[str], dialect: Dialect, wanted: str | None) -> tuple[bool, float, int]:
    """Return (has the wanted column, fraction of rows as wide as the header, number of columns) for the first lines."""
    try:
        reader = csv.reader(
            lines,
            delimiter=dialect.delimiter,
            quotechar=dialect.quote or QUOTE,
            quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        )
        rows = [row for row in reader if row]
    except csv.Error:
        return False, 0.0, 0
    if not rows or len(rows[0]) < 2:
        return False, 0.0, 0
    alike = sum(len(row) == len(rows[0]) for row in rows)
    return wanted in rows[0], alike / len(rows), len(rows[0])


def _is_number(cell: str) -> bool:
    """Return whether a cell is empty or reads as a number."""
    try:
        float(cell or "0")
    except ValueError:
        return False
    return True
