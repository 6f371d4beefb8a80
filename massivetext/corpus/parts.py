"""A corpus is built in parts: stretches of the input in canonical order, whose work files appear whole or not at all.

`.work/part-00000.kept.arrow` and `.dropped.arrow` hold its rows, `.work/part-00000.json`, written last, its counts: a
part that has the latter is finished and is not done again.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from massivetext.corpus.gathering import Gathered, about_bytes, batch_of
from massivetext.corpus.readers.records import EXPECTED, UNREAD, Reader, Record, bad_record
from massivetext.corpus.readers.streams import Piece, SourceFile
from massivetext.corpus.rows import Lane, Passage, dropped_schema, work_schema
from massivetext.corpus.unread import Counts, count_unread
from massivetext.engines import Advance, say_nothing
from massivetext.errors import BadDocument, DataError
from massivetext.state import read_state, write_state
from massivetext.storage import temporary_path

BATCH_BYTES = 4 * 2**20
BATCH_RECORDS = 8192
SHOWN_RECORDS = 100
"""How many of the records that were set aside are listed in the manifest."""


@dataclass(frozen=True)
class Course:
    """One source on its way into the corpus: its lane, its files, and the reader of each format among them."""

    lane: Lane
    files: tuple[SourceFile, ...]
    readers: dict[str, Reader]
    unread: Counts = field(default_factory=dict)
    """Files that nothing reads."""


class Part(NamedTuple):
    """A stretch of the input: pieces of files in canonical order, each with the name of its source."""

    number: int
    pieces: tuple[tuple[str, Piece], ...]

    @property
    def input_bytes(self) -> int:
        """Bytes on disk that the part reads (Parquet: its share of the file)."""
        return sum(piece_bytes(piece) for _, piece in self.pieces)


def piece_bytes(piece: Piece) -> int:
    """Return about how many bytes on disk a piece is."""
    if piece.file.format == "parquet" or (piece.end is None and not piece.start):
        return piece.file.size if not piece.start else 0
    return (piece.file.size if piece.end is None else piece.end) - piece.start


def make_parts(courses: list[Course], part_bytes: int) -> list[Part]:
    """Return the parts of all sources, which must come in ascending order of their names."""
    parts: list[Part] = []
    gathered: list[tuple[str, Piece]] = []
    size = 0
    for course in courses:
        for file in course.files:
            for piece in course.readers[file.format].pieces(file, part_bytes):
                gathered.append((course.lane.name, piece))
                size += max(piece_bytes(piece), 1)
                if size >= part_bytes:
                    parts.append(Part(len(parts), tuple(gathered)))
                    gathered, size = [], 0
    if gathered:
        parts.append(Part(len(parts), tuple(gathered)))
    return parts


class PartFiles(NamedTuple):
    """Where a part's rows and counts are."""

    kept: Path
    dropped: Path
    marker: Path
    """Says that the rows are there, and counts them."""
    written: Path
    """Says that the corpus's files of this part are there."""


def part_files(work: Path, number: int) -> PartFiles:
    """Return the work files of a part."""
    stem = f"part-{number:05d}"
    return PartFiles(*(work / f"{stem}.{suffix}" for suffix in ("kept.arrow", "dropped.arrow", "json", "written")))


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


def process_part(
    part: Part,
    courses: dict[str, Course],
    measures: dict[str, pa.DataType],
    work: Path,
    advance: Advance,
) -> dict[str, Any]:
    """Return a part's counts after writing its work files; a part that has them is not done again.

    advance: told how many bytes of the input and how many records are done.
    """
    files = part_files(work, part.number)
    if files.marker.is_file():
        remedy = f"Delete {work} and give the same command again: the build starts anew"
        known = read_state(files.marker, ["sources", "set_aside"], remedy)
        advance(part.input_bytes, sum(counts["records"] for counts in known["sources"].values()))
        return known
    counts: dict[str, Any] = {}
    set_aside: list[dict[str, str]] = []
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with ExitStack() as stack:
        kept_path, dropped_path = (stack.enter_context(temporary_path(path)) for path in (files.kept, files.dropped))
        kept = stack.enter_context(pa.ipc.new_file(str(kept_path), work_schema(measures), options=options))
        dropped = stack.enter_context(pa.ipc.new_file(str(dropped_path), dropped_schema(measures), options=options))
        for source, group in groupby(part.pieces, key=lambda entry: entry[0]):
            passage = Passage(courses[source].lane, measures)
            pieces = [piece for _, piece in group]
            for records in gather(courses[source], pieces, advance, passage.counts.unread):
                set_aside += _listed(source, records)[: SHOWN_RECORDS - len(set_aside)]
                rows = passage.take(*_taken(courses[source].lane, records))
                advance(0, len(records))
                if len(rows):
                    kept.write_batch(rows)
                for batch in passage.dropped:
                    dropped.write_batch(batch)
                passage.dropped.clear()
            counts[source] = asdict(passage.counts)
    marker = {"sources": counts, "set_aside": set_aside}
    write_state(files.marker, marker)
    return marker


def batches_of(course: Course, pieces: list[Piece]) -> Iterator[tuple[pa.RecordBatch, list[str], int]]:
    """Yield the records of some pieces as `Passage.take` wants them: batch, why records were set aside, how many bytes
    did not fit."""
    for records in gather(course, pieces):
        yield _taken(course.lane, records)


def _taken(lane: Lane, records: Gathered) -> tuple[pa.RecordBatch, list[str], int]:
    """Return records as `Passage.take` wants them."""
    return batch_of(lane, records), records.columns["bad"], sum(records.columns["invalid"])


def _listed(source: str, records: Gathered) -> list[dict[str, str]]:
    """Return place and reason of the records that were set aside, but for those that sound files hold."""
    if not any(records.columns["bad"]):
        return []
    found = zip(records.members(), records.columns["place"], records.columns["bad"])
    return [
        {"source": source, "uri": uri, "record": place, "reason": bad}
        for uri, place, bad in found
        if bad and bad not in EXPECTED
    ]


def gather(
    course: Course,
    pieces: list[Piece],
    advance: Advance = say_nothing,
    unread: Counts | None = None,
) -> Iterator[Gathered]:
    """Yield the records of some pieces, a bounded number of bytes at a time, or a single record.

    unread: told which members of archives nothing reads.
    """
    batch = Gathered()
    unread = {} if unread is None else unread
    for piece in pieces:
        whole, uri = course.readers[piece.file.format].is_whole_file(), piece.file.uri
        for record in _records(course, piece):
            if record.bad == UNREAD:
                count_unread(unread, f"{uri}!{record.member}", record.raw_bytes)
                continue
            size = about_bytes(record)
            if batch.uris and (batch.text_bytes + size > BATCH_BYTES or len(batch.uris) >= BATCH_RECORDS):
                yield batch
                batch = Gathered()
            batch.add(uri, whole, record, size)
        advance(piece_bytes(piece), 0)
    if batch.uris:
        yield batch


def _records(course: Course, piece: Piece) -> Iterator[Record]:
    """Yield the records of a piece; where the rest of it cannot be read, that is the last one."""
    place = "0"
    try:
        for record in course.readers[piece.file.format].read(piece):
            place = record.place
            yield record
    except (BadDocument, DataError) as error:
        yield bad_record(f"after {place}", 0, str(error))
