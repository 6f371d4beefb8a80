"""What comes after the barrier: the corpus's files, part by part, and the clusters of duplicates."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from massivetext.corpus.barrier.census import CONTAMINATED, NEAR, REASONS, REFUSED, TWINS, Census, part_columns
from massivetext.corpus.barrier.decontamination import COLUMN, Decontaminate
from massivetext.corpus.barrier.deduplication import Deduplicate
from massivetext.corpus.barrier.index import KEPT, REPEATED, Numbers, as_hexadecimal
from massivetext.corpus.barrier.repeats import Mask, Repeats
from massivetext.corpus.parts import opened, part_files
from massivetext.corpus.rows import (
    EXCERPT_CHARACTERS,
    as_dropped,
    conformed,
    dropped_schema,
    kept_schema,
    replaced,
)
from massivetext.corpus.takedowns import TakenDown, blanked
from massivetext.parquet import own_writer
from massivetext.storage import temporary_path, write_text

if TYPE_CHECKING:
    from massivetext.corpus.building import Plan

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
    folder: Path,
    work: Path,
    repeats: Repeats,
    plan: "Plan",
    threads: int,
    advance: Callable[[int], None],
) -> None:
    """Write `documents/` and `dropped/`, one file for each part and split."""
    census = repeats.census
    writer = _Writer(folder, work, repeats, plan)
    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(writer.write_part, number) for number in range(len(census.starts) - 1)]
        try:
            for number, done in enumerate(waiting):
                done.result()
                advance(int(census.starts[number + 1] - census.starts[number]))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


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


class _Writer:
    """Writes the files of parts; what it holds is shared by all threads and not changed."""

    def __init__(self, folder: Path, work: Path, repeats: Repeats, plan: "Plan") -> None:
        self.folder, self.work, self.near, self.build = folder, work, plan.near, plan.build
        self.repeats, self.census = repeats, repeats.census
        self.taken = TakenDown(folder)
        self.least_contamination = plan.decontaminate.settings.min_item_fraction if plan.decontaminate else np.nan
        self.kept_schema, self.dropped_schema = kept_schema(plan.measures), dropped_schema(plan.measures)

    def write_part(self, number: int) -> None:
        """Write the Parquet files of one part, unless a marker says that they are written."""
        files, name = part_files(self.work, number), part_name(self.build, number)
        if files.written.exists():
            return
        with ExitStack() as stack:
            outputs = [
                Output(self.folder / "documents" / split / name, self.kept_schema, stack)
                for split in self.census.splits
            ]
            dropped = Output(self.folder / "dropped" / name, self.dropped_schema, stack)
            for batch in opened(files.dropped):
                dropped.add(self.taken.blanked(batch))
            row = self.census.starts[number]
            for batch in opened(files.kept):
                place = slice(row, row + len(batch))
                row += len(batch)
                fate, side = self.census.fate[place], self.census.side[place]
                if COLUMN in self.kept_schema.names:
                    batch = replaced(batch, COLUMN, pa.array(self.census.contamination[place]))
                kept = conformed(self._edited(batch, place), self.kept_schema)
                for index, output in enumerate(outputs):
                    chosen = (fate == KEPT) & (side == index)
                    if chosen.any():
                        output.add(kept if chosen.all() else kept.filter(pa.array(chosen)))
                gone = fate != KEPT
                if gone.any():
                    dropped.add(self._as_dropped(batch, gone, place.start + np.flatnonzero(gone)))
            for output in (*outputs, dropped):
                output.flush()
        self.census.scratch.release()
        write_text(files.written, "")

    def _edited(self, batch: pa.RecordBatch, place: slice) -> pa.RecordBatch:
        """Return rows without the lines that stood before."""
        edited = self.repeats.edited(batch, place.start)
        if edited is batch:
            return batch
        return replaced(edited, "text_digest", as_hexadecimal(self.census.digests[place]))

    def _as_dropped(self, batch: pa.RecordBatch, gone: Mask, rows: Numbers) -> pa.RecordBatch:
        """Return the rows that the barrier drops as they stand in `dropped/`; duplicates name their cluster."""
        census = self.census
        fate = census.fate[rows]
        twins = np.isin(fate, TWINS)
        clusters = pc.if_else(pa.array(twins), as_hexadecimal(census.cluster[rows]), None)
        thresholds = np.full(len(rows), np.nan)
        if self.near is not None:
            thresholds[fate == NEAR] = self.near.threshold
            thresholds[~twins & (fate != REPEATED)] = self.near.split_threshold or np.nan
        values = census.similarity[rows]
        contaminated = fate == CONTAMINATED
        values[contaminated] = census.contamination[rows[contaminated]]
        thresholds[contaminated] = self.least_contamination
        measured = ~np.isnan(values) & ~np.isnan(thresholds)
        notes = {
            "cluster": clusters,
            "step": pc.if_else(pa.array(contaminated), Decontaminate.name, Deduplicate.name),
            "version": pc.if_else(pa.array(contaminated), Decontaminate.version, Deduplicate.version).cast(pa.int32()),
            "reason": reasons_of(fate),
            "value": pa.array(values, mask=~measured),
            "threshold": pa.array(thresholds, mask=~measured),
        }
        dropped = as_dropped(batch, pa.array(gone), notes, self.dropped_schema)
        excerpts = pc.utf8_slice_codeunits(dropped.column("excerpt"), 0, EXCERPT_CHARACTERS)
        return blanked(replaced(dropped, "excerpt", excerpts), pa.array(fate == REFUSED))


def reasons_of(fate: npt.NDArray[np.uint8]) -> pa.Array:
    """Return why rows with such fates were dropped."""
    names = [REASONS.get(value) for value in range(max(REASONS) + 1)]
    return pa.array(names, pa.string()).take(pa.array(fate))


def write_clusters(folder: Path, work: Path, census: Census, build: int) -> None:
    """Write `clusters/`: which document duplicates which."""
    path = folder / "clusters" / f"build-{build:04d}.parquet"
    with temporary_path(path) as temporary, own_writer(temporary, CLUSTER_SCHEMA) as writer:
        for number in range(len(census.starts) - 1):
            place = slice(census.starts[number], census.starts[number + 1])
            twins = np.isin(census.fate[place], TWINS)
            if not twins.any():
                continue
            rows = place.start + np.flatnonzero(twins)
            sources = part_columns(work, number, ["source"])["source"].filter(pa.array(twins)).combine_chunks()
            arrays = [
                as_hexadecimal(census.cluster[rows]),
                as_hexadecimal(census.ids[rows]),
                as_hexadecimal(census.ids[census.like[rows]]),
                pa.array(census.similarity[rows], mask=np.isnan(census.similarity[rows])),
                reasons_of(census.fate[rows]),
                sources,
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
