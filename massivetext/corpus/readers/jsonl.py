"""Read JSON Lines: one object per line with its text under one key; plain, .gz, .bz2, .xz or .zst.

The Pile has this format: `where: {meta.pile_set_name: Pile-CC}` selects one of its components as a source.
"""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson

from massivetext.corpus.readers.columns import (
    choose_text_column,
    fields_of,
    matches,
    path_of,
    reach,
    string_paths,
    text_of,
)
from massivetext.corpus.readers.decoding import Decoder, clean_surrogates
from massivetext.corpus.readers.records import Reader, Record, digest, line_records, record_of
from massivetext.corpus.readers.streams import Line, Piece, SourceFile, cut_at_lines, open_lines, read_lines
from massivetext.errors import BadDocument, DataError

LINES_LOOKED_AT = 100


class JsonLinesReader(Reader):
    """Reads .jsonl and .ndjson. A line that is not an object with a text is skipped and reported."""

    version = 3
    suffixes = (".jsonl", ".ndjson")

    def check(self, files: list[SourceFile]) -> None:
        """Choose the text column from the first lines of the first file that has a JSON object there."""
        columns: dict[str, bool] = {}
        nested: set[str] = set()
        where = ""
        for file in files[:LINES_LOOKED_AT]:
            columns, nested, where = *self._columns(file), str(file.path)
            if columns:
                break
        if not columns and self.source.text_column is None:
            raise DataError(
                f"source {self.source.name!r}: no JSON object in the first lines of {where}; "
                "give files with one JSON object a line, or another format"
            )
        wanted = self.source.text_column
        chosen = choose_text_column(wanted, columns, where, nested) if columns else wanted or "text"
        self._path = path_of(chosen, columns)
        self._column = ".".join(self._path)

    def _columns(self, file: SourceFile) -> tuple[dict[str, bool], set[str]]:
        """Return the keys in a file's first lines, whether each ever holds a string, and the paths to strings."""
        columns: dict[str, bool] = {}
        nested: set[str] = set()
        try:
            stream, decoder = open_lines(file, self.source.encoding)
            with stream:
                for line in islice(read_lines(stream, 0, None, self.source.max_record_bytes), LINES_LOOKED_AT):
                    try:
                        value = json.loads(decoder.decode(line.data or b"", line.start).text)
                    except (ValueError, RecursionError):
                        continue
                    if isinstance(value, dict):
                        for key, entry in value.items():
                            columns[key] = columns.get(key, False) or isinstance(entry, str)
                        nested |= string_paths(value)
        except BadDocument:
            # Reading reports it.
            pass
        return columns, nested

    def pieces(self, file: SourceFile, piece_bytes: int) -> list[Piece]:
        """Return the file cut at line boundaries."""
        return cut_at_lines(file, piece_bytes, blank=False)

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield one record per line; blank lines, and lines that `where` does not select, are skipped."""
        return line_records(piece, self.source, self._record)

    def _record(self, line: Line, data: bytes, decoder: Decoder) -> Record | None:
        """Return the record of one line; None if it is blank or not selected by `where`."""
        if data.isspace():
            return None
        value, invalid = _loaded(data, decoder, line.start)
        if self.source.where and not matches(value, self.source.where):
            return None
        text = value.get(self._path[0]) if len(self._path) == 1 else None
        if type(text) is not str:
            text = self._text(value)
        fields = fields_of(value, self._column)
        return record_of((str(line.start), line.size, digest(data), text, "", invalid, "", fields))

    def _text(self, value: dict[str, Any]) -> str:
        """Return the text in an object; raise BadDocument with the reason if there is none."""
        try:
            return text_of(reach(value, self._path))
        except KeyError:
            raise BadDocument(f"no key {self._column!r}") from None


def _loaded(data: bytes, decoder: Decoder, start: int) -> tuple[dict[str, Any], bool]:
    """Return (object in a line, whether some bytes were invalid); raise BadDocument if there is no object."""
    invalid = False
    try:
        if not decoder.takes_utf8:
            raise ValueError
        value = orjson.loads(data)
    except ValueError:
        # orjson rejects what the standard `json` module reads: NaN, lone surrogates, and bytes that are not UTF-8.
        text, invalid, _ = decoder.decode(data, start)
        try:
            value = json.loads(text)
            if "\\u" in text:
                spelled = json.dumps(value, ensure_ascii=False)
                clean = clean_surrogates(spelled)
                value = value if clean is spelled else json.loads(clean)
        except (ValueError, RecursionError):
            raise BadDocument("broken JSON") from None
    if not isinstance(value, dict):
        raise BadDocument("not a JSON object")
    return value, invalid
