"""The two halves of building a store: chunks of a corpus become sorted runs, runs become shards.

A run is the ids of one chunk and an Arrow file that says where each document's are: one record batch a source, in
ascending order of hash. A shard is the documents of one range of hashes, gathered from all runs. So memory is bounded
by one chunk and one shard, however large the corpus.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from massivetext.storage import read_json, temporary_path, write_json, write_whole
from massivetext.tokens.tokenizer import Tokenizer

CHUNK_TEXT_BYTES = 32 * 2**20
SHARD_IDS_BYTES = 128 * 2**20
COLUMNS = ("id", "source", "text", "text_bytes", "build")


def chunks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the documents in tables of about CHUNK_TEXT_BYTES of text, in order."""
    held: list[pa.RecordBatch] = []
    held_bytes = 0
    for batch in batches:
        held.append(batch)
        held_bytes += pc.sum(batch["text_bytes"]).as_py() or 0
        if held_bytes >= CHUNK_TEXT_BYTES:
            yield pa.Table.from_batches(held)
            held, held_bytes = [], 0
    if held_bytes or held:
        yield pa.Table.from_batches(held)


def document_hashes(names: list[str], seed: int) -> NDArray[np.uint64]:
    """Return (documents,) the hash(seed, id) that orders the documents of a store."""
    key = xxh3_64_intdigest(f"{seed}\0order of documents".encode())
    return np.fromiter(
        (xxh3_64_intdigest(name.encode(), seed=key) for name in names), dtype=np.uint64, count=len(names)
    )


def write_run(path: Path, table: pa.Table, tokenizer: Tokenizer, seed: int, dtype: np.dtype[Any]) -> None:
    """Encode the documents of `table` (COLUMNS) and write them as one run: `path` and, before it, its `.ids`."""
    ids, offsets = tokenizer.encode_flat(table["text"])
    with write_whole(path.with_suffix(".ids")) as stream:
        stream.write(ids.astype(dtype, copy=False).data)
    hashes = document_hashes(table["id"].to_pylist(), seed)
    places = {"hash": hashes, "start": offsets[:-1], "length": np.diff(offsets)}
    columns = {name: pa.array(values) for name, values in places.items()}
    columns |= {name: table[name].combine_chunks() for name in ("id", "text_bytes", "build")}
    run = pa.table(columns).combine_chunks()
    source = table["source"].combine_chunks().dictionary_encode()
    names, number = source.dictionary.to_pylist(), source.indices.to_numpy()
    schema = run.schema.with_metadata({"sources": json.dumps(names)})
    with temporary_path(path) as temporary, pa.ipc.new_file(temporary, schema) as writer:
        for index in range(len(names)):
            rows = np.flatnonzero(number == index)
            rows = rows[np.argsort(hashes[rows], kind="stable")]
            # one batch a source: its number is its place in the schema's list
            writer.write_batch(run.take(pa.array(rows)).combine_chunks().to_batches()[0])


@dataclass(frozen=True)
class Run:
    """The documents of one source in one run: their table in ascending order of hash, and the run's ids, mapped."""

    table: pa.RecordBatch
    ids: NDArray[np.unsignedinteger[Any]]

    @property
    def tokens(self) -> int:
        """Return the number of ids of this source."""
        return int(self.table["length"].to_numpy().sum())


def read_run(path: Path, dtype: np.dtype[Any]) -> dict[str, Run]:
    """Return what each source has in a run, memory-mapped."""
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    names = json.loads(reader.schema.metadata[b"sources"])
    ids = np.asarray(mapped(path.with_suffix(".ids"), dtype))  # slices of plain arrays are cheap, of memmaps not
    return {name: Run(reader.get_batch(index), ids) for index, name in enumerate(names)}


def mapped(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a file as a read-only array, memory-mapped (an empty file cannot be mapped, and gives an empty array)."""
    if path.stat().st_size == 0:
        return np.empty(0, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r")


def write_shards(runs: list[Run], folder: Path, relative: Path, marks: Path) -> dict[str, Any]:
    """Write the shards of one source and split; return its entry in the manifest.

    relative: folder of the shards below the store's. marks: folder of the marker of each finished shard, which holds
    the shard's entry; what has one is not written again.
    """
    itemsize = runs[0].ids.dtype.itemsize
    count = max(1, ceil(sum(run.tokens for run in runs) * itemsize / SHARD_IDS_BYTES))
    shards = []
    for number in range(count):
        mark = marks / f"shard-{number:05d}.json"
        if not mark.is_file():
            low, high = number * 2**64 // count, (number + 1) * 2**64 // count
            table, ids = _in_range(runs, low, high)
            write_json(mark, _write_shard(table, ids, folder, relative / f"shard-{number:05d}.bin"))
        shards.append(read_json(mark))
    totals = {key: sum(shard[key] for shard in shards) for key in ("documents", "tokens", "text_bytes")}
    return {**totals, "shards": shards}


def _in_range(runs: list[Run], low: int, high: int) -> tuple[pa.Table, NDArray[np.unsignedinteger[Any]]]:
    """Return the documents whose hash is in [low, high), in ascending order of (hash, id), and their ids likewise."""
    parts = []
    for number, run in enumerate(runs):
        hashes = run.table["hash"].to_numpy()
        first = int(np.searchsorted(hashes, np.uint64(low)))
        last = int(np.searchsorted(hashes, np.uint64(high - 1), side="right"))
        part = run.table.slice(first, last - first)
        parts.append(part.append_column("run", pa.array(np.full(last - first, number, np.int32))))
    table = pa.Table.from_batches(parts).combine_chunks()
    order = pc.sort_indices(table, [("hash", "ascending"), ("id", "ascending")])
    # the Parquet's bytes depend on metadata, and on where chunks end
    table = table.take(order).combine_chunks().replace_schema_metadata(None)
    numbers, starts, lengths = (table[name].to_pylist() for name in ("run", "start", "length"))
    ids = np.empty(sum(lengths), dtype=runs[0].ids.dtype)
    place = 0
    for number, start, length in zip(numbers, starts, lengths, strict=True):  # 30 times Arrow's `take` on lists
        ids[place : place + length] = runs[number].ids[start : start + length]
        place += length
    return table, ids


def _write_shard(
    table: pa.Table, ids: NDArray[np.unsignedinteger[Any]], folder: Path, relative: Path
) -> dict[str, Any]:
    """Write the three files of one shard; return its entry: path, counts, digests."""
    offsets = np.concatenate([[0], np.cumsum(table["length"].to_numpy())]).astype("<u8")
    path = folder / relative
    digests = {}
    for ending, array in ((".bin", ids.astype(ids.dtype.newbyteorder("<"), copy=False)), (".offsets", offsets)):
        with write_whole(path.with_suffix(ending)) as stream:
            stream.write(array.data)
        digests[ending] = hashlib.sha256(array.data).hexdigest()
    with temporary_path(path.with_suffix(".parquet")) as temporary:
        pq.write_table(table.select(["id", "text_bytes", "build"]), temporary, compression="zstd")
        digests[".parquet"] = hashlib.sha256(temporary.read_bytes()).hexdigest()
    return {
        "path": relative.as_posix(),
        "documents": len(offsets) - 1,
        "tokens": len(ids),
        "text_bytes": pc.sum(table["text_bytes"]).as_py() or 0,
        "sha256": digests,
    }
