"""The barrier and what comes after it: exact deduplication over all parts, then the corpus's files, part by part."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from massivetext.storage import temporary_path

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
    """Write `documents/` and `dropped/`, one file for each part and split; a file that is there already is finished."""
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
    """Write the Parquet files of one part."""
    files = part_files(work, number)
    for split in census.splits:
        _write_parquet(
            folder / "documents" / split / part_name(number),
            kept_schema(measures),
            lambda split=split: _documents(files.kept, number, census, split, kept_schema(measures)),  # type: ignore[misc]
        )
    schema = dropped_schema(measures)
    _write_parquet(folder / "dropped" / part_name(number), schema, lambda: _dropped(files, number, census, schema))


def _opened(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an Arrow file."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def _documents(path: Path, number: int, census: Census, split: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the documents of a part that belong to a split."""
    unique, row = _unique(census, number), 0
    for batch in _opened(path):
        mask = pc.and_(pa.array(unique[row : row + len(batch)]), pc.equal(batch.column("split"), split))
        row += len(batch)
        chosen = batch.filter(mask)
        if len(chosen):
            yield conformed(chosen, schema)


def _dropped(files: Any, number: int, census: Census, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows that steps dropped, then the duplicates, whose `cluster` is the id of the document they repeat."""
    yield from (batch for batch in _opened(files.dropped) if len(batch))
    unique, row = _unique(census, number), int(census.starts[number])
    for batch in _opened(files.kept):
        start = row - int(census.starts[number])
        gone = ~unique[start : start + len(batch)]
        first = census.first[row : row + len(batch)][gone]
        row += len(batch)
        if not gone.any():
            continue
        rows = batch.filter(pa.array(gone))
        originals = [f"{high:016x}{low:016x}" for high, low in census.ids[first].tolist()]
        rows = replaced(rows, "cluster", pa.array(originals, pa.string()))
        notes = {
            "step": pa.repeat(DEDUPLICATE, len(rows)),
            "version": pa.repeat(pa.scalar(DEDUPLICATE_VERSION, pa.int32()), len(rows)),
            "reason": pa.repeat(DUPLICATE, len(rows)),
        }
        yield as_dropped(rows, notes, schema)


def _write_parquet(path: Path, schema: pa.Schema, batches: Callable[[], Iterator[pa.RecordBatch]]) -> None:
    """Write batches as a Parquet file whose row groups hold one source each; write none where there are no rows."""
    if path.exists():
        return
    stream = batches()
    head = next(stream, None)
    if head is None:
        return
    with (
        temporary_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", use_dictionary=REPEATED_COLUMNS) as writer,
    ):
        gathered, size, source = [head], head.nbytes, head.column("source")[0]
        for batch in stream:
            if size + batch.nbytes > ROW_GROUP_BYTES or batch.column("source")[0] != source:
                _write_group(writer, gathered, schema)
                gathered, size, source = [], 0, batch.column("source")[0]
            gathered.append(batch)
            size += batch.nbytes
        _write_group(writer, gathered, schema)


def _write_group(writer: pq.ParquetWriter, batches: list[pa.RecordBatch], schema: pa.Schema) -> None:
    """Write batches as one row group."""
    table = pa.Table.from_batches(batches, schema)
    writer.write_table(table, row_group_size=max(table.num_rows, 1))
