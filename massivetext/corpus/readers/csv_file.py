"""CSV and TSV with a header line; cells may hold line feeds inside quotes."""

import csv
from collections.abc import Generator, Iterator

from massivetext.corpus.readers.columns import choose_text_column, fields_of, matches
from massivetext.corpus.readers.records import TOO_LONG, Reader, Record, bad_record, digest
from massivetext.corpus.readers.streams import Line, Piece, SourceFile, open_lines, read_lines
from massivetext.errors import BadDocument


class CsvReader(Reader):
    """Reads .csv (commas) and .tsv (tabs); a row with another number of cells than the header is set aside."""

    suffixes = (".csv", ".tsv")

    def check(self, files: list[SourceFile]) -> None:
        """Look for the text column in every header."""
        for file in files:
            rows = self._rows(file)
            try:
                header = next(rows, None)
                first = next(rows, None)
            except BadDocument:
                # Reading will list it.
                continue
            if header is not None and isinstance(header[2], list):
                self._column(header[2], first, file)
            rows.close()

    def _column(
        self, header: list[str], first: tuple[list[Line], bool, list[str] | str] | None, file: SourceFile
    ) -> str:
        """Return the name of the text column of a file with this header and first row."""
        cells = first[2] if first is not None and isinstance(first[2], list) else header
        columns = {name: not _is_number(cell) for name, cell in zip(header, cells)}
        columns = {**dict.fromkeys(header, False), **columns}
        return choose_text_column(self.source.text_column, columns, str(file.path))

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield one record a row."""
        rows = self._rows(piece.file)
        first = next(rows, None)
        if first is None:
            return
        header = first[2]
        if isinstance(header, str):
            raise BadDocument(f"the header cannot be read ({header})")
        column: int | None = None
        for lines, invalid, cells in rows:
            place, size = str(lines[0].start), sum(line.size for line in lines)
            raw = b"".join(line.data or b"" for line in lines)
            if column is None and isinstance(cells, list):
                column = header.index(self._column(header, (lines, invalid, cells), piece.file))
            if isinstance(cells, str):
                yield bad_record(place, size, cells, raw)
            elif cells and column is not None:
                if len(cells) != len(header):
                    yield bad_record(place, size, "another number of cells than the header", raw)
                    continue
                named = dict(zip(header, cells))
                if self.source.where and not matches(named, self.source.where):
                    continue
                fields = fields_of(named, header[column])
                yield Record(place, size, digest(raw), cells[column], "", invalid, fields=fields)

    def _rows(self, file: SourceFile) -> Generator[tuple[list[Line], bool, list[str] | str]]:
        """Yield (lines taken, whether bytes did not fit, cells or why there are none) for each row."""
        limit = self.source.max_record_bytes
        csv.field_size_limit(max(csv.field_size_limit(), limit + 1))
        stream, decoder = open_lines(file, self.source.encoding)
        taken: list[Line] = []
        flaws: list[str] = []
        invalid = False

        def texts() -> Iterator[str]:
            nonlocal invalid
            for line in read_lines(stream, 0, None, limit):
                taken.append(line)
                if line.data is None:
                    flaws.append(TOO_LONG)
                    yield '"\n' if len(taken) > 1 else "\n"
                    continue
                if sum(part.size for part in taken) > limit:
                    flaws.append(TOO_LONG)
                text, flawed, _ = decoder.decode(line.data, line.start)
                invalid = invalid or flawed
                yield text.replace("\0", "")

        with stream:
            delimiter = "\t" if ".tsv" in file.path.suffixes[-2:] else ","
            reader = csv.reader(texts(), delimiter=delimiter)
            while True:
                try:
                    cells: list[str] | str = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    cells = str(error)
                yield list(taken), invalid, flaws[0] if flaws else cells
                taken.clear()
                flaws.clear()
                invalid = False


def _is_number(cell: str) -> bool:
    """Return whether a cell reads as a number or is empty."""
    try:
        float(cell or "0")
    except ValueError:
        return False
    return True
