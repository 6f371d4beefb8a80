"""Read JSON files: an array of objects, or nested objects and arrays with texts at the end of a path."""

import json
from collections.abc import Iterator
from typing import Any

from massivetext.corpus.readers.columns import SHOWN_NAMES, choose_text_column, fields_of, string_paths
from massivetext.corpus.readers.decoding import clean_surrogates
from massivetext.corpus.readers.records import Reader, Record, bad_record, digest
from massivetext.corpus.readers.streams import Piece, SourceFile
from massivetext.corpus.readers.text import read_whole
from massivetext.errors import DataError


class JsonReader(Reader):
    """Reads .json. A file is read in full, so one above `max_record_bytes` is skipped and reported."""

    suffixes = (".json",)

    def check(self, files: list[SourceFile]) -> None:
        """Choose the text column; raise DataError if the first readable file lacks it, listing what is there."""
        self._path: tuple[str, ...] = (
            tuple((self.source.text_column or "").split(".")) if self.source.text_column else ()
        )
        for file in files:
            record = read_whole(file, self.source.max_record_bytes, self.source.encoding)
            try:
                value = json.loads(record.text)
            except (ValueError, RecursionError):
                continue
            if not self._path:
                columns = _columns(value)
                if columns or not isinstance(value, list):
                    self._path = (choose_text_column(None, columns, str(file.path), string_paths(value)),)
            elif next(_walk(value, self._path, ""), None) is None:
                shown = ", ".join(sorted(string_paths(value))[:SHOWN_NAMES])
                raise DataError(
                    f"{file.path} has no {self.source.text_column!r}; there are: {shown}. "
                    "Set text_column to one of them"
                )
            return

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield one record for each text at the end of the path."""
        whole = read_whole(piece.file, self.source.max_record_bytes, self.source.encoding)
        if whole.bad:
            yield whole
            return
        try:
            value = json.loads(whole.text)
        except (ValueError, RecursionError):
            yield bad_record("0", whole.raw_bytes, "broken JSON", whole.text.encode(errors="replace"))
            return
        for place, holder, found in _walk(value, self._path, ""):
            if not isinstance(found, str):
                yield bad_record(place, 0, f"the text is {type(found).__name__}, not a string")
                continue
            text = clean_surrogates(found)
            raw = text.encode()
            fields = fields_of(holder, self._path[-1]) if isinstance(holder, dict) else None
            yield Record(place, len(raw), digest(raw), text, "", whole.invalid, fields=fields)


def _columns(value: Any) -> dict[str, bool]:
    """Return the keys of the objects in an array (or of one object), and whether each holds strings."""
    objects = value if isinstance(value, list) else [value]
    columns: dict[str, bool] = {}
    for entry in objects[:100]:
        if isinstance(entry, dict):
            for key, held in entry.items():
                columns[key] = columns.get(key, False) or isinstance(held, str)
    return columns


def _walk(value: Any, path: tuple[str, ...], place: str, holder: Any = None) -> Iterator[tuple[str, Any, Any]]:
    """Yield (position, the object that holds the text, text) for each end of a path, iterating over arrays on the way.

    An array of strings at the end of a path is one text, its items joined with line feeds. Without a path (the file is
    an array of strings) each string is a text. The position lists the array indices on the way, such as "0:12".
    """
    if isinstance(value, list) and holder is not None and not path and all(isinstance(part, str) for part in value):
        yield place or "0", holder, "\n".join(value)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _walk(part, path, f"{place}:{index}" if place else str(index), holder)
    elif path:
        if isinstance(value, dict) and path[0] in value:
            yield from _walk(value[path[0]], path[1:], place, value)
    else:
        yield place or "0", holder, value
