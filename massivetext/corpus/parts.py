"""A corpus is built in parts: stretches of the input in canonical order; and how the rows of a part are read back."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from massivetext.corpus.lanes import Course
from massivetext.corpus.readers.streams import Piece


class Part(NamedTuple):
    """A stretch of the input: pieces of files in canonical order, each with the name of its source."""

    number: int
    pieces: tuple[tuple[str, Piece], ...]

    @property
    def input_bytes(self) -> int:
        """Bytes on disk that the part reads (Parquet: its share of the file)."""
        return sum(piece.disk_bytes for _, piece in self.pieces)


def make_parts(courses: list[Course], part_bytes: int) -> list[Part]:
    """Return the parts of all sources, which must come in ascending order of their names."""
    parts: list[Part] = []
    gathered: list[tuple[str, Piece]] = []
    size = 0
    for course in courses:
        for file in course.files:
            for piece in course.readers[file.format].pieces(file, part_bytes):
                gathered.append((course.lane.name, piece))
                size += max(piece.disk_bytes, 1)
                if size >= part_bytes:
                    parts.append(Part(len(parts), tuple(gathered)))
                    gathered, size = [], 0
    if gathered:
        parts.append(Part(len(parts), tuple(gathered)))
    return parts


def schema_of(path: Path) -> pa.Schema:
    """Return the schema of an Arrow file."""
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
        return reader.schema


def opened(path: Path, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an Arrow file, all columns or those named; only these are read and expanded."""
    options = pa.ipc.IpcReadOptions(use_threads=False)
    if names is not None:
        schema = schema_of(path)
        options.included_fields = [schema.get_field_index(name) for name in names]
    # Not mapped: what was read of a large file would stay in memory.
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source, options=options) as reader:
        for index in range(reader.num_record_batches):
            batch = reader.get_batch(index)
            yield batch if names is None else batch.select(list(names))
