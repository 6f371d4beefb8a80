"""Parquet files that this package writes and reads: every page has a checksum, and damage raises a clear error.

The footer has no checksum, so the manifest of a corpus records its digest (`footer_digest`).
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from massivetext.errors import StoreError
from massivetext.storage import temporary_path

ENDING_BYTES = 8
"""Size of a file's ending: the length of the footer, and PAR1."""


class OwnParquet:
    """A Parquet file written by this package, open for reading. Damage raises StoreError when it is found."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._damage_named():
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
        self.metadata: pq.FileMetaData = self._file.metadata
        self.schema_arrow: pa.Schema = self._file.schema_arrow
        self.num_row_groups: int = self._file.num_row_groups

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read_row_group(self, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a row group: all columns, or only the given ones."""
        with self._damage_named():
            return self._file.read_row_group(group, columns=None if columns is None else list(columns),
                                             use_threads=False)  # fmt: skip

    def iter_batches(
        self, rows: int, groups: Sequence[int] | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield batches of at most `rows` rows, from all row groups and columns or only the given ones."""
        names = None if columns is None else list(columns)
        chosen = range(self.num_row_groups) if groups is None else groups
        with self._damage_named():
            batches = self._file.iter_batches(rows, row_groups=list(chosen), columns=names, use_threads=False)
        while True:
            with self._damage_named():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        """Turn pyarrow's errors into a StoreError that names the file."""
        try:
            yield
        except FileNotFoundError:
            raise StoreError(f"{self.path} is missing. {_remedy(self.path)}") from None
        except PermissionError:
            raise
        except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
            words = str(error).split("\n")[0][:200]
            raise StoreError(f"{self.path} is damaged ({words}). {_remedy(self.path)}") from None


def _remedy(path: Path) -> str:
    return (
        "Restore the file from a copy, or delete the folder it belongs to and give the command that made it again "
        "(`massivetext run RECIPE --out RUN`); `massivetext doctor FOLDER` lists everything that is damaged"
    )


def read_own(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return all or some columns of a file written by this package as one table."""
    with OwnParquet(path) as opened:
        groups = [opened.read_row_group(group, columns) for group in range(opened.num_row_groups)]
        if groups:
            return pa.concat_tables(groups)
        schema = opened.schema_arrow
        return (schema if columns is None else pa.schema([schema.field(name) for name in columns])).empty_table()


def own_writer(path: Path, schema: pa.Schema, **options: Any) -> pq.ParquetWriter:
    """Return a Parquet writer with zstd and checksums, unless the options override them."""
    return pq.ParquetWriter(path, schema, **{"compression": "zstd", "write_page_checksum": True, **options})


def write_own(path: Path, table: pa.Table) -> None:
    """Write a table to a Parquet file atomically."""
    with temporary_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def footer_digest(path: Path) -> str:
    """Return the SHA-256 of the part that no page checksum covers: the footer, its length and the final PAR1."""
    with open(path, "rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - ENDING_BYTES))
        ending = stream.read()
        stream.seek(max(0, size - ENDING_BYTES - int.from_bytes(ending[:4], "little")))
        return hashlib.sha256(stream.read()).hexdigest()
