"""The barrier and what comes after it: exact deduplication over all parts, then the corpus's files, part by part."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from massivetext.corpus.parts import part_files
from massivetext.corpus.rows import BUILD, as_dropped, conformed, dropped_schema, kept_schema, replaced
from massivetext.storage import temporary_path, write_text

ROW_GROUP_BYTES = 64 * 2**20
DUPLICATE = "exact duplicate"
DEDUPLICATE = "deduplicate"
DEDUPLICATE_VERSION = 1
REPEATED_COLUMNS = ["source", "uri", "language", "license", "cluster"]
"""Columns whose values repeat, stored through a dictionary."""

Keys = npt.NDArray[np.uint64]


@dataclass
class Census:
    """What is known of all rows that the steps kept, in canonical order."""

    ids: Keys
    """(rows, 2), the id's 128 bits."""
    first: npt.NDArray[np.int64]
    """(rows,), the row whose text this one repeats; itself where it repeats none."""
    starts: npt.NDArray[np.int64]
    """(parts + 1,), the first row of each part."""
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    """split -> documents, bytes, and the same for each source."""
    duplicates: dict[str, dict[str, int]] = field(default_factory=dict)
    """source -> documents and bytes that are exact duplicates."""
    digest: str = ""
    """SHA-256 over (split, id, text digest) of the documents, in canonical order."""


def first_equal(keys: Keys, eligible: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return for each row the first eligible row with the same key; a row that is not eligible stands for itself.

    keys: (rows, 2).
    """
    first = np.arange(len(keys), dtype=np.int64)
    rows = np.flatnonzero(eligible)
    if len(rows) == 0:
        return first
    chosen = keys[rows]
    order = np.lexsort((chosen[:, 1], chosen[:, 0]))
    ordered = chosen[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    # The sort is stable, so the row that begins a run of equal keys is the earliest of them.
    leaders = rows[order][np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
    first[rows[order]] = leaders
    return first


def take_census(work: Path, parts: int, deduplicated: frozenset[str], splits: Sequence[str]) -> Census:
    """Return what is known of all rows in the parts' work files.

    deduplicated: the sources whose steps ask for exact deduplication. splits: names of the splits.
    """
    ids, keys, eligible, starts = [], [], [], [0]
    for number in range(parts):
        table = _columns(work, number, ["id", "text_digest", "source"])
        ids.append(_as_keys(table["id"]))
        keys.append(_as_keys(table["text_digest"]))
        eligible.append(pc.is_in(table["source"], pa.array(sorted(deduplicated), pa.string())).to_numpy())
        starts.append(starts[-1] + table.num_rows)
    first = first_equal(np.concatenate(keys), np.concatenate(eligible).astype(bool))
    census = Census(np.concatenate(ids), first, np.array(starts, dtype=np.int64))
    census.splits = {split: {"documents": 0, "bytes": 0, "sources": {}} for split in splits}
    digest = hashlib.sha256()
    for number in range(parts):
        table = _columns(work, number, ["split", "id", "text_digest", "source", "text_bytes"])
        unique = pa.array(_unique(census, number))
        kept = table.filter(unique)
        lines = pc.binary_join_element_wise(kept["split"], kept["id"], kept["text_digest"], "\t")
        digest.update("".join(f"{line}\n" for line in lines.to_pylist()).encode())
        for row in _sums(kept, ["split", "source"]):
            entry = census.splits[row["split"]]
            size = {"documents": row["text_bytes_count"], "bytes": row["text_bytes_sum"]}
            held = entry["sources"].setdefault(row["source"], {"documents": 0, "bytes": 0})
            for name, amount in size.items():
                entry[name] += amount
                held[name] += amount
        for row in _sums(table.filter(pc.invert(unique)), ["source"]):
            held = census.duplicates.setdefault(row["source"], {"documents": 0, "bytes": 0})
            held["documents"] += row["text_bytes_count"]
            held["bytes"] += row["text_bytes_sum"]
    for entry in census.splits.values():
        entry["sources"] = dict(sorted(entry["sources"].items()))
    census.digest = digest.hexdigest()
    return census


def _sums(table: pa.Table, keys: list[str]) -> list[dict[str, Any]]:
    """Return count and sum of the text bytes for each value of some columns."""
    rows: list[dict[str, Any]] = (
        table.group_by(keys).aggregate([("text_bytes", "count"), ("text_bytes", "sum")]).to_pylist()
    )
    return rows


def _unique(census: Census, number: int) -> npt.NDArray[np.bool_]:
    """Return which rows of a part repeat no earlier one."""
    start, end = census.starts[number], census.starts[number + 1]
    return np.asarray(census.first[start:end] == np.arange(start, end))


def _columns(work: Path, number: int, names: list[str]) -> pa.Table:
    """Return some columns of a part's kept rows."""
    path = str(part_files(work, number).kept)
    with pa.memory_map(path) as source:
        schema = pa.ipc.open_file(source).schema
    options = pa.ipc.IpcReadOptions(included_fields=[schema.get_field_index(name) for name in names], use_threads=False)
    with pa.memory_map(path) as source, pa.ipc.open_file(source, options=options) as reader:
        return reader.read_all().select(names)


def _as_keys(column: pa.ChunkedArray) -> Keys:
    """Return (rows, 2) numbers for a column of 32 hexadecimal digits."""
    data = bytes.fromhex("".join(column.to_pylist()))
    return np.frombuffer(data, dtype=">u8").astype(np.uint64).reshape(-1, 2)


def write_files(
    folder: Path,
    work: Path,
    census: Census,
    measures: dict[str, pa.DataType],
    threads: int,
    advance: Callable[[int], None],
) -> None:
    """Write `documents/` and `dropped/`, one file for each part and split."""
    parts = len(census.starts) - 1
    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(_write_part, folder, work, number, census, measures) for number in range(parts)]
        try:
            for number, done in enumerate(waiting):
                done.result()
                advance(int(census.starts[number + 1] - census.starts[number]))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def part_name(number: int) -> str:
    """Return the name of a part's Parquet files."""
    return f"build-{BUILD:04d}-part-{number:05d}.parquet"


def _write_part(folder: Path, work: Path, number: int, census: Census, measures: dict[str, pa.DataType]) -> None:
    """Write the Parquet files of one part, unless a marker says that they are written."""
    files = part_files(work, number)
    if files.written.exists():
        return
    documents, gone = kept_schema(measures), dropped_schema(measures)
    with ExitStack() as stack:
        outputs = {
            split: _Output(folder / "documents" / split / part_name(number), documents, stack)
            for split in census.splits
        }
        dropped = _Output(folder / "dropped" / part_name(number), gone, stack)
        for batch in _opened(files.dropped):
            dropped.add(batch)
        unique, row = _unique(census, number), 0
        for batch in _opened(files.kept):
            mask = unique[row : row + len(batch)]
            first = census.first[census.starts[number] + row : census.starts[number] + row + len(batch)]
            row += len(batch)
            if not mask.all():
                dropped.add(_as_duplicates(batch.filter(pa.array(~mask)), census.ids[first[~mask]], gone))
                batch = batch.filter(pa.array(mask))
            for split, output in outputs.items():
                output.add(conformed(batch.filter(pc.equal(batch.column("split"), split)), documents))
        for output in (*outputs.values(), dropped):
            output.flush()
    write_text(files.written, "")


def _opened(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an Arrow file."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def _as_duplicates(rows: pa.RecordBatch, originals: Keys, schema: pa.Schema) -> pa.RecordBatch:
    """Return duplicates as dropped rows, whose `cluster` is the id of the document that they repeat."""
    ids = [f"{high:016x}{low:016x}" for high, low in originals.tolist()]
    notes = {
        "step": pa.repeat(DEDUPLICATE, len(rows)),
        "version": pa.repeat(pa.scalar(DEDUPLICATE_VERSION, pa.int32()), len(rows)),
        "reason": pa.repeat(DUPLICATE, len(rows)),
    }
    return as_dropped(replaced(rows, "cluster", pa.array(ids, pa.string())), notes, schema)


class _Output:
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
        if other or self.size + batch.nbytes > ROW_GROUP_BYTES:
            self.flush()
        self.gathered.append(batch)
        self.size += batch.nbytes

    def flush(self) -> None:
        """Write what was gathered as a row group."""
        if not self.gathered:
            return
        if self.writer is None:
            temporary = self.stack.enter_context(temporary_path(self.path))
            writer = pq.ParquetWriter(temporary, self.schema, compression="zstd", use_dictionary=REPEATED_COLUMNS)
            self.writer = self.stack.enter_context(writer)
        table = pa.Table.from_batches(self.gathered, self.schema)
        self.writer.write_table(table, row_group_size=table.num_rows)
        self.gathered, self.size = [], 0
