"""JSON lines: one object a line, its text under one key; plain, .gz, .bz2, .xz or .zst."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from massivetext.corpus.readers.columns import choose_text_column, fields_of
from massivetext.corpus.readers.records import (
    EMPTY,
    TOO_LONG,
    Line,
    Piece,
    Reader,
    Record,
    SourceFile,
    bad_record,
    cut_at_lines,
    decode,
    digest,
    open_lines,
    read_lines,
)
from massivetext.errors import BadDocument, DataError

LINES_LOOKED_AT = 100


class JsonLinesReader(Reader):
    """Reads .jsonl and its kin; a line that is no object with a text is set aside."""

    suffixes = (".jsonl", ".ndjson")

    def check(self, files: list[SourceFile]) -> None:
        """Choose the text column from the first lines of the first file that has a readable one."""
        if self.source.text_column and "." in self.source.text_column:
            self._path = tuple(self.source.text_column.split("."))
            return
        columns: dict[str, bool] = {}
        where = ""
        for file in files[:LINES_LOOKED_AT]:
            columns, where = self._columns(file), str(file.path)
            if columns:
                break
        if not columns and self.source.text_column is None:
            raise DataError(
                f"source {self.source.name!r}: no JSON object in the first lines of {where}; "
                "give files with one JSON object a line, or another format"
            )
        wanted = self.source.text_column
        self._path = (choose_text_column(wanted, columns, where) if columns else wanted or "text",)

    def _columns(self, file: SourceFile) -> dict[str, bool]:
        """Return the keys in a file's first lines, and whether each ever holds a string."""
        stream, encoding = open_lines(file.path, self.source.encoding)
        columns: dict[str, bool] = {}
        with stream:
            for line in islice(read_lines(stream, 0, None, self.source.max_record_bytes), LINES_LOOKED_AT):
                try:
                    value = json.loads(decode(line.data or b"", encoding)[0])
                except ValueError:
                    continue
                if isinstance(value, dict):
                    for key, entry in value.items():
                        columns[key] = columns.get(key, False) or isinstance(entry, str)
        return columns

    def pieces(self, file: SourceFile, piece_bytes: int) -> list[Piece]:
        """Return the file cut at lines."""
        return cut_at_lines(file, piece_bytes, blank=False)

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield one record a line; blank lines are skipped."""
        stream, encoding = open_lines(piece.file.path, self.source.encoding)
        with stream:
            if piece.start:
                stream.seek(piece.start)
            for line in read_lines(stream, piece.start, piece.end, self.source.max_record_bytes):
                if line.data is None:
                    yield bad_record(str(line.start), line.size, TOO_LONG)
                elif line.data.strip():
                    yield self._record(line, line.data, encoding)

    def _record(self, line: Line, data: bytes, encoding: str) -> Record:
        """Return the record of one line."""
        text, invalid = decode(data, encoding)
        try:
            value, found = self._text(text)
        except BadDocument as error:
            return bad_record(str(line.start), line.size, str(error), data)
        fields = fields_of(value, self._path[0]) if len(self._path) == 1 else None
        return Record(str(line.start), line.size, digest(data), found, "", invalid, fields=fields)

    def _text(self, line: str) -> tuple[dict[str, Any], str]:
        """Return the object and the text in a line; raise BadDocument with the reason if there is none."""
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise BadDocument("broken JSON") from None
        if not isinstance(value, dict):
            raise BadDocument("not a JSON object")
        entry: Any = value
        for key in self._path:
            if not isinstance(entry, dict) or key not in entry:
                raise BadDocument(f"no key {'.'.join(self._path)!r}")
            entry = entry[key]
        if entry is None:
            raise BadDocument(EMPTY)
        if isinstance(entry, list) and all(isinstance(part, str) for part in entry):
            entry = "\n".join(entry)
        if not isinstance(entry, str):
            raise BadDocument(f"the text is {type(entry).__name__}, not a string")
        return value, clean_surrogates(entry) if "\\u" in line else entry


def clean_surrogates(text: str) -> str:
    """Return `text` with lone surrogates, which JSON can spell but UTF-8 cannot hold, as U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le", errors="replace")
    return text
