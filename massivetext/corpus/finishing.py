"""What comes after the barrier: the corpus's files, part by part, and the clusters of duplicates."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from massivetext.corpus.barrier.census import Census, PartRows
from massivetext.corpus.barrier.fates import TWINS, Fate
from massivetext.corpus.barrier.keys import Mask, Numbers, as_hexadecimal
from massivetext.corpus.barrier.verdicts import Editor
from massivetext.corpus.gathering import part_files
from massivetext.corpus.parts import opened
from massivetext.corpus.rows import (
    EXCERPT_CHARACTERS,
    as_dropped,
    dropped_schema,
    kept_schema,
)
from massivetext.corpus.takedowns import TakenDown, blanked
from massivetext.engines import Advance, Engine
from massivetext.parquet import own_writer
from massivetext.storage import temporary_path, write_text
from massivetext.text.arrays import conformed, replaced

WORK = ".work"
ROW_GROUP_BYTES = 64 * 2**20
REPEATED_COLUMNS = ["source", "uri", "language", "license", "cluster"]
"""Columns whose values repeat, stored through a dictionary."""
WRITTEN = ("documents", "dropped", "index", "clusters", "contamination")
"""Folders that a build writes files `build-0001...` into."""
CLUSTER_SCHEMA = pa.schema(
    {
        "cluster": pa.string(),
        "id": pa.string(),
        "like": pa.string(),
        "similarity": pa.float64(),
        "reason": pa.string(),
        "source": pa.string(),
    }
)
"""A row for each duplicate: the first document of its cluster, its own id, the earlier document that it duplicates."""


def write_files(
    census: Census, measures: Mapping[str, pa.DataType], editors: tuple[Editor, ...], engine: Engine, advance: Advance
) -> None:
    """Write `documents/` and `dropped/`, one file for each part and split."""
    write = WriteFiles(census, measures, editors, TakenDown(census.folder))
    engine.map_parts(write, census.parts, advance)


def discard_builds(folder: Path, first: int) -> None:
    """Remove the files of this build and all later ones, and the work of an unfinished one; what is finished stays."""
    shutil.rmtree(folder / WORK, ignore_errors=True)
    for name in WRITTEN:
        for path in sorted((folder / name).rglob("build-*")):
            if int(path.name.split("-")[1].split(".")[0]) >= first:
                path.unlink()


def part_name(build: int, number: int) -> str:
    """Return the name of a part's Parquet files."""
    return f"build-{build:04d}-part-{number:05d}.parquet"


@dataclass(frozen=True)
class WriteFiles:
    """Writes the Parquet files of a part, unless a marker says that they are written."""

    census: Census
    measures: Mapping[str, pa.DataType]
    editors: tuple[Editor, ...]
    taken: TakenDown

    def __call__(self, part: PartRows, advance: Advance) -> None:
        """Write the files of one part."""
        census, files = self.census, part_files(self.census.work, part.number)
        if not files.written.exists():
            with ExitStack() as stack:
                self._write(part, stack)
            census.scratch.release()
            write_text(files.written, "")
        advance(part.stop - part.start, 0)

    def _write(self, part: PartRows, stack: ExitStack) -> None:
        """Write the documents of each split, and the dropped rows."""
        census, files = self.census, part_files(self.census.work, part.number)
        name, schema = part_name(census.build, part.number), kept_schema(self.measures)
        outputs = [Output(census.folder / "documents" / split / name, schema, stack) for split in census.splits]
        dropped = Output(census.folder / "dropped" / name, dropped_schema(self.measures), stack)
        for batch in opened(files.dropped):
            dropped.add(self.taken.blanked(batch))
        row = part.start
        for batch in opened(files.kept):
            start, row = row, row + len(batch)
            fate, side = census.fate[start:row], census.side[start:row]
            for column in census.columns:
                batch = replaced(batch, column, pa.array(census.array(column)[start:row]))
            edited = batch
            for edit in self.editors:
                edited = edit(edited, start)
            kept = conformed(edited, schema)
            for index, output in enumerate(outputs):
                chosen = (fate == Fate.KEPT) & (side == index)
                if chosen.any():
                    output.add(kept if chosen.all() else kept.filter(pa.array(chosen)))
            gone = fate != Fate.KEPT
            if gone.any():
                dropped.add(self._as_dropped(batch, gone, start + np.flatnonzero(gone)))
        for output in (*outputs, dropped):
            output.flush()

    def _as_dropped(self, batch: pa.RecordBatch, gone: Mask, rows: Numbers) -> pa.RecordBatch:
        """Return the rows that the barrier drops as `dropped/` holds them; duplicates name their cluster."""
        census = self.census
        fate, reasons = census.fate[rows], pa.array(census.reason[rows] - 1)
        steps, versions, texts, thresholds = zip(*census.reasons)
        values, limits = census.value[rows], np.array(thresholds)[reasons.to_numpy()]
        measured = ~np.isnan(values) & ~np.isnan(limits)
        notes = {
            "cluster": pc.if_else(pa.array(np.isin(fate, TWINS)), as_hexadecimal(census.cluster[rows]), None),
            "step": pa.array(steps, pa.string()).take(reasons),
            "version": pa.array(versions, pa.int32()).take(reasons),
            "reason": pa.array(texts, pa.string()).take(reasons),
            "value": pa.array(values, mask=~measured),
            "threshold": pa.array(limits, mask=~measured),
        }
        dropped = as_dropped(batch, pa.array(gone), notes, dropped_schema(self.measures))
        excerpts = pc.utf8_slice_codeunits(dropped.column("excerpt"), 0, EXCERPT_CHARACTERS)
        return blanked(replaced(dropped, "excerpt", excerpts), pa.array(fate == Fate.REFUSED))


def write_clusters(census: Census) -> None:
    """Write `clusters/`: which document duplicates which."""
    path = census.folder / "clusters" / f"build-{census.build:04d}.parquet"
    texts = pa.array([reason.text for reason in census.reasons], pa.string())
    with temporary_path(path) as temporary, own_writer(temporary, CLUSTER_SCHEMA) as writer:
        for part in census.parts:
            twins = np.isin(census.fate[part.place], TWINS)
            if not twins.any():
                continue
            rows = part.start + np.flatnonzero(twins)
            arrays = [
                as_hexadecimal(census.cluster[rows]),
                as_hexadecimal(census.ids[rows]),
                as_hexadecimal(census.ids[census.like[rows]]),
                pa.array(census.value[rows], mask=np.isnan(census.value[rows])),
                texts.take(pa.array(census.reason[rows] - 1)),
                census.table(part, ["source"])["source"].filter(pa.array(twins)).combine_chunks(),
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=CLUSTER_SCHEMA))
            census.scratch.release()


class Output:
    """A Parquet file whose row groups hold one source each; it comes into being with its first row."""

    def __init__(self, path: Path, schema: pa.Schema, stack: ExitStack) -> None:
        self.path, self.schema, self.stack = path, schema, stack
        self.writer: pq.ParquetWriter | None = None
        self.gathered: list[pa.RecordBatch] = []
        self.size = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows, all of one source."""
        if not len(batch):
            return
        other = self.gathered and self.gathered[0].column("source")[0] != batch.column("source")[0]
        size = batch.get_total_buffer_size()  # `nbytes` takes as long as all the rest
        if other or self.size + size > ROW_GROUP_BYTES:
            self.flush()
        self.gathered.append(batch)
        self.size += size

    def flush(self) -> None:
        """Write what was gathered as a row group."""
        if not self.gathered:
            return
        if self.writer is None:
            temporary = self.stack.enter_context(temporary_path(self.path))
            # Nobody looks for the first and the last text in the order of their bytes.
            looked_at = [name for name in self.schema.names if name not in ("text", "excerpt")]
            writer = own_writer(temporary, self.schema, use_dictionary=REPEATED_COLUMNS, write_statistics=looked_at)
            self.writer = self.stack.enter_context(writer)
        table = pa.Table.from_batches(self.gathered, self.schema)
        self.writer.write_table(table, row_group_size=table.num_rows)
        self.gathered, self.size = [], 0
