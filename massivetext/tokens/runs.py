"""The two halves of building a store: chunks of a corpus become sorted runs, runs become shards.

A run is an Arrow file with one record batch a source, documents in ascending order of hash. A shard is the documents
of one range of hashes, gathered from all runs: memory is bounded by one chunk and one shard, however large the corpus.
"""

import hashlib
import json
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from massivetext.storage import temporary_path, write_json, write_whole
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
    """Encode the documents of `table` (COLUMNS) and write them as one run."""
    ids, offsets = tokenizer.encode_flat(table["text"])
    hashes = document_hashes(table["id"].to_pylist(), seed)
    tokens = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(ids.astype(dtype, copy=False)))
    columns = {"hash": pa.array(hashes), "tokens": tokens}
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


def read_run(path: Path) -> dict[str, pa.RecordBatch]:
    """Return the record batch of each source in a run, memory-mapped."""
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    names = json.loads(reader.schema.metadata[b"sources"])
    return {name: reader.get_batch(index) for index, name in enumerate(names)}


def write_shards(runs: list[pa.RecordBatch], folder: Path, relative: Path, marks: Path) -> dict[str, Any]:
    """Write the shards of one source and split; return its entry in the manifest.

    runs: the source's batch of each run. relative: folder of the shards below the store's. marks: folder of the
    marker of each finished shard, which holds the shard's entry; what has one is not written again.
    """
    lists = [batch["tokens"] for batch in runs]
    tokens = sum(len(array.flatten()) for array in lists)
    itemsize = lists[0].type.value_type.bit_width // 8
    count = max(1, ceil(tokens * itemsize / SHARD_IDS_BYTES))
    shards = []
    for number in range(count):
        mark = marks / f"shard-{number:05d}.json"
        if not mark.is_file():
            low, high = number * 2**64 // count, (number + 1) * 2**64 // count
            write_json(mark, _write_shard(_in_range(runs, low, high), folder, relative / f"shard-{number:05d}.bin"))
        shards.append(json.loads(mark.read_text(encoding="utf-8")))
    totals = {key: sum(shard[key] for shard in shards) for key in ("documents", "tokens", "text_bytes")}
    return {**totals, "shards": shards}


def _in_range(runs: list[pa.RecordBatch], low: int, high: int) -> pa.Table:
    """Return the documents whose hash is in [low, high), in ascending order of (hash, id)."""
    parts = []
    for batch in runs:
        hashes = batch["hash"].to_numpy()
        first = int(np.searchsorted(hashes, np.uint64(low)))
        last = int(np.searchsorted(hashes, np.uint64(high - 1), side="right"))
        parts.append(batch.slice(first, last - first))
    table = pa.Table.from_batches(parts).combine_chunks()
    order = pc.sort_indices(table, [("hash", "ascending"), ("id", "ascending")])
    # the Parquet's bytes depend on metadata, and on where chunks end
    return table.take(order).combine_chunks().replace_schema_metadata(None)


def _write_shard(table: pa.Table, folder: Path, relative: Path) -> dict[str, Any]:
    """Write the three files of one shard; return its entry: path, counts, digests."""
    tokens = table["tokens"].combine_chunks()
    ids = tokens.flatten().to_numpy()
    bounds = tokens.offsets.to_numpy()
    offsets = (bounds - bounds[0]).astype("<u8")
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
