"""The two phases of building a token store: chunks of a corpus become sorted runs, and runs become shards.

A run consists of the ids of one chunk and an Arrow file with the position of each document's ids: one record batch per
source, in ascending order of hash. A shard holds the documents of one range of hashes, gathered from all runs. So
memory is bounded by one chunk and one shard, however large the corpus is.
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
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from massivetext.parquet import write_own
from massivetext.state import read_state, write_state
from massivetext.storage import file_digest, temporary_path, write_whole
from massivetext.tokens.tokenizer import Tokenizer

Ids = NDArray[np.unsignedinteger[Any]]
CHUNK_TEXT_BYTES = 32 * 2**20
SHARD_IDS_BYTES = 128 * 2**20
COLUMNS = ("id", "source", "text", "text_bytes", "build")


def chunks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the documents in order, in tables of about CHUNK_TEXT_BYTES of text."""
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
    """Return hash(seed, id) of each document, (documents,), which determines the order of a store."""
    key = xxh3_64_intdigest(f"{seed}\0order of documents".encode())
    return np.fromiter(
        (xxh3_64_intdigest(name.encode(), seed=key) for name in names), dtype=np.uint64, count=len(names)
    )


def write_run(path: Path, table: pa.Table, tokenizer: Tokenizer, seed: int, dtype: np.dtype[Any]) -> None:
    """Encode the documents of `table` (COLUMNS) and write them as one run: first its `.ids`, then `path`."""
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
    tokens = {name: int(places["length"][number == index].sum()) for index, name in enumerate(names)}
    schema = run.schema.with_metadata({"tokens": json.dumps(tokens)})
    with temporary_path(path) as temporary, pa.ipc.new_file(temporary, schema) as writer:
        for index in range(len(names)):
            rows = np.flatnonzero(number == index)
            rows = rows[np.argsort(hashes[rows], kind="stable")]
            # one batch per source, in the order of the schema's metadata
            writer.write_batch(run.take(pa.array(rows)).combine_chunks().to_batches()[0])


def tokens_by_source(path: Path) -> dict[str, int]:
    """Return the number of ids of each source in a run, in the order of the run's batches."""
    with pa.memory_map(str(path)) as stream:
        found: dict[str, int] = json.loads(pa.ipc.open_file(stream).schema.metadata[b"tokens"])
    return found


def mapped(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a file as a read-only memory-mapped array; an empty file, which cannot be mapped, gives an empty array."""
    if path.stat().st_size == 0:
        return np.empty(0, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r")


def write_shards(
    runs: list[Path], source: str, tokens: int, dtype: np.dtype[Any], folder: Path, split: str, marks: Path
) -> dict[str, Any]:
    """Write the shards of one source and split; return their entry in the manifest.

    tokens: number of ids of the source in all runs. marks: folder of marker files, one for each finished shard with the
    shard's entry; such a shard is not written again.
    """
    count = max(1, ceil(tokens * dtype.itemsize / SHARD_IDS_BYTES))
    shards = []
    for number in range(count):
        mark = marks / f"shard-{number:05d}.json"
        if not mark.is_file():
            low, high = number * 2**64 // count, (number + 1) * 2**64 // count
            parts = [part for path in runs if (part := _part(path, source, low, high, dtype)) is not None]
            relative = Path(split) / source / f"shard-{number:05d}.bin"
            write_state(mark, _write_shard(*_ordered(parts, dtype), folder, relative))
        remedy = f"Delete {folder} and give the same command again: the token store is built again"
        shards.append(read_state(mark, ["path", "documents", "tokens", "text_bytes", "digests"], remedy))
    totals = {key: sum(shard[key] for shard in shards) for key in ("documents", "tokens", "text_bytes")}
    return {**totals, "shards": shards}


def _part(path: Path, source: str, low: int, high: int, dtype: np.dtype[Any]) -> tuple[pa.RecordBatch, Ids] | None:
    """Return the documents of a source in one run with a hash in [low, high), and their concatenated ids.

    Both are copies and the run's file is closed, so the number of runs is not limited. None if the run does not contain
    the source.
    """
    names = list(tokens_by_source(path))
    if source not in names:
        return None
    ids = np.asarray(mapped(path.with_suffix(".ids"), dtype))  # slices of plain arrays are cheap, of memmaps not
    with pa.memory_map(str(path)) as stream:
        batch = pa.ipc.open_file(stream).get_batch(names.index(source))
        hashes = batch["hash"].to_numpy()
        first = int(np.searchsorted(hashes, np.uint64(low)))
        last = int(np.searchsorted(hashes, np.uint64(high - 1), side="right"))
        part = batch.take(pa.array(np.arange(first, last)))
        del batch, hashes
    return part.drop_columns(["start"]), _gathered(ids, part["start"].to_pylist(), part["length"].to_pylist())


def _gathered(ids: Ids, starts: list[int], lengths: list[int]) -> Ids:
    """Return concatenated ranges of ids (30 times as fast as Arrow's `take` on lists)."""
    gathered, place = np.empty(sum(lengths), dtype=ids.dtype), 0
    for start, length in zip(starts, lengths, strict=True):
        gathered[place : place + length] = ids[start : start + length]
        place += length
    return gathered


def _ordered(parts: list[tuple[pa.RecordBatch, Ids]], dtype: np.dtype[Any]) -> tuple[pa.Table, Ids]:
    """Return the documents of all parts in ascending order of (hash, id), and their ids in the same order."""
    table = pa.Table.from_batches([part for part, _ in parts]).combine_chunks()
    lengths = table["length"].to_numpy()
    table = table.append_column("start", pa.array(np.cumsum(lengths) - lengths))
    order = pc.sort_indices(table, [("hash", "ascending"), ("id", "ascending")])
    # the bytes of the Parquet file depend on metadata and chunk boundaries
    table = table.take(order).combine_chunks().replace_schema_metadata(None)
    ids = np.concatenate([np.empty(0, dtype), *(ids for _, ids in parts)])
    return table, _gathered(ids, table["start"].to_pylist(), table["length"].to_pylist())


def _write_shard(table: pa.Table, ids: Ids, folder: Path, relative: Path) -> dict[str, Any]:
    """Write the three files of one shard; return its entry: path, counts, digests."""
    offsets = np.concatenate([[0], np.cumsum(table["length"].to_numpy())]).astype("<u8")
    path = folder / relative
    digests = {}
    for ending, array in ((".bin", ids.astype(ids.dtype.newbyteorder("<"), copy=False)), (".offsets", offsets)):
        with write_whole(path.with_suffix(ending)) as stream:
            stream.write(array.data)
        digests[ending] = hashlib.sha256(array.data).hexdigest()
    write_own(path.with_suffix(".parquet"), table.select(["id", "text_bytes", "build"]))
    digests[".parquet"] = file_digest(path.with_suffix(".parquet"))
    return {
        "path": relative.as_posix(),
        "documents": len(offsets) - 1,
        "tokens": len(ids),
        "text_bytes": pc.sum(table["text_bytes"]).as_py() or 0,
        "digests": digests,
    }
