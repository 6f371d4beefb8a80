"""Read Parquet files with a text column."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from massivetext.corpus.readers.columns import choose_text_column, fields_of, matches, path_of, reach, text_of
from massivetext.corpus.readers.parquet_bounds import rows_at_once
from massivetext.corpus.readers.records import TOO_LONG, Reader, Record, bad_record, digest
from massivetext.corpus.readers.streams import Piece, SourceFile, is_damage
from massivetext.errors import BadDocument, DataError

ROW_BYTES = 8
"""Minimum number of bytes that a row counts against the expansion limit."""


class ParquetReader(Reader):
    """Reads .parquet, one row group at a time. Structs and lists of strings are handled as in JSON Lines."""

    suffixes = (".parquet",)

    version = 3

    def check(self, files: list[SourceFile]) -> None:
        """Choose the text column of the first file that has one; files without it are reported when read.

        Raises DataError if no file has one.
        """
        refused: list[DataError] = []
        for file in files:
            try:
                self._chosen = self._column(self._schema(file), file, self.source.text_column)
                return
            except DataError as error:
                refused.append(error)
        if refused:
            raise refused[0]

    def _schema(self, file: SourceFile) -> pa.Schema:
        """Return a file's schema; raise DataError if it is not a readable Parquet file."""
        try:
            with file.open() as stream:
                return pq.read_schema(stream)
        except (pa.ArrowInvalid, OSError) as error:
            if not is_damage(error):
                raise
            raise DataError(f"{file.path} is no readable Parquet file ({error}); remove it or write it again") from None

    def _column(self, schema: pa.Schema, file: SourceFile, wanted: str | None) -> str:
        """Return the name of the text column; raise DataError if there is none or it does not hold strings."""
        columns = {field.name: _is_string(field.type) for field in schema}
        paths = {path for field in schema for path in _string_paths(field.type, field.name)}
        column = choose_text_column(wanted, columns, str(file.path), paths)
        if column in columns and not _holds_strings(schema.field(column).type):
            strings = ", ".join(sorted(paths)) or "none"
            raise DataError(
                f"{file.path}: column {column!r} holds {schema.field(column).type}, not strings; "
                f"columns of strings: {strings}. Set text_column to one of them"
            )
        return column

    def pieces(self, file: SourceFile, piece_bytes: int) -> list[Piece]:
        """Return runs of row groups of about `piece_bytes` each."""
        try:
            with file.open() as stream:
                metadata = pq.read_metadata(stream)
        except (pa.ArrowInvalid, OSError) as error:
            if not is_damage(error):
                raise
            # Reading reports it.
            return [Piece(file)]
        starts, size = [0], 0
        for group in range(metadata.num_row_groups):
            if size >= piece_bytes:
                starts.append(group)
                size = 0
            size += metadata.row_group(group).total_byte_size
        return [Piece(file, start, end) for start, end in zip(starts, [*starts[1:], metadata.num_row_groups])]

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield one record per row."""
        try:
            schema = self._schema(piece.file)
            column = self._column(schema, piece.file, self._chosen)
        except DataError as error:
            # Reports stored in a corpus must not reveal the folders of its sources.
            raise BadDocument(str(error).replace(str(piece.file.path), piece.file.path.name)) from None
        path = path_of(column, schema.names)
        # Of structs, read only the scalars, which go to `meta`, unless the text or `where` needs the rest.
        wanted = {path[0], *(path_of(name, schema.names)[0] for name in self.source.where)}
        kept = [
            name
            for field in schema
            for name in ([field.name] if field.name in wanted or _is_scalar(field.type) else _scalars_of(field))
        ]
        budget = piece.file.new_budget()
        with piece.file.open() as stream, pq.ParquetFile(stream) as opened:
            for group in range(piece.start, opened.num_row_groups if piece.end is None else piece.end):
                try:
                    rows = rows_at_once(stream, opened.metadata, group, kept, budget)
                    for record in self._rows(opened, group, kept, path, rows):
                        said = record.fields.meta if record.fields else None
                        budget.spend(ROW_BYTES + record.raw_bytes + len(said or ""))
                        yield record
                except (pa.ArrowInvalid, OSError) as error:
                    if not is_damage(error):
                        raise
                    yield bad_record(f"{group}:?", 0, f"damaged row group: {type(error).__name__}")

    def _rows(
        self, opened: pq.ParquetFile, group: int, kept: list[str], path: tuple[str, ...], rows: int
    ) -> Iterator[Record]:
        """Yield the records of a row group; rows: number of rows to read at once."""
        row = 0
        for batch in opened.iter_batches(rows, row_groups=[group], columns=kept, use_threads=False):
            for values in _rows_of(batch):
                if values is None:
                    yield bad_record(f"{group}:{row}", 0, "strings that are not UTF-8")
                elif not self.source.where or matches(values, self.source.where):
                    yield self._record(f"{group}:{row}", values, path)
                row += 1

    def _record(self, place: str, values: dict[str, object], path: tuple[str, ...]) -> Record:
        """Return the record of one row."""
        try:
            text = text_of(reach(values, path))
        except BadDocument as error:
            return bad_record(place, 0, str(error))
        raw = text.encode()
        if len(raw) > self.source.max_record_bytes:
            return bad_record(place, len(raw), TOO_LONG)
        return Record(place, len(raw), digest(raw), text, fields=fields_of(values, ".".join(path)))


def _rows_of(batch: pa.RecordBatch) -> list[dict[str, Any] | None]:
    """Return the rows of a batch; None for rows with invalid UTF-8, which Parquet does not check."""
    try:
        rows: list[dict[str, Any] | None] = batch.to_pylist()
    except UnicodeDecodeError:
        rows = []
        for number in range(len(batch)):
            try:
                rows += batch.slice(number, 1).to_pylist()
            except UnicodeDecodeError:
                rows.append(None)
    return rows


def _is_string(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds strings."""
    if pa.types.is_dictionary(kind):
        return _is_string(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_list(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _holds_strings(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds strings, or lists of them."""
    return _is_string(kind.value_type if _is_list(kind) else kind)


def _string_paths(kind: pa.DataType, name: str) -> Iterator[str]:
    """Yield the dotted paths that lead to strings in a column, through structs and lists."""
    if _is_list(kind):
        yield from _string_paths(kind.value_type, name)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _string_paths(field.type, f"{name}.{field.name}")
    elif _is_string(kind):
        yield name


def _scalars_of(field: pa.Field) -> list[str]:
    """Return the dotted names of the scalars in a struct, one level deep as in `meta`."""
    if not pa.types.is_struct(field.type):
        return []
    return [f"{field.name}.{inner.name}" for inner in field.type if _is_scalar(inner.type)]


def _is_scalar(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds strings, numbers or booleans."""
    return _is_string(kind) or bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )
