"""Opening the census: the rows of earlier builds from `index/`, those of this build from its parts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.barrier.census import NOWHERE, Census, PartRows
from massivetext.corpus.barrier.index import INDEX_COLUMNS, index_batches, index_files
from massivetext.corpus.barrier.keys import from_binary, from_hexadecimal
from massivetext.corpus.barrier.requirements import Requirements
from massivetext.corpus.barrier.scratch import Scratch
from massivetext.corpus.gathering import part_files
from massivetext.corpus.parts import opened
from massivetext.parquet import OwnParquet


def open_census(
    folder: Path, work: Path, parts: int, required: Requirements, splits: Sequence[str], build: int
) -> Census:
    """Return the rows of earlier builds and of this one; nothing is decided of the latter yet."""
    earlier = sum(_rows_of(path) for path in index_files(folder, build))
    rows, found = earlier, []
    for number in range(parts):
        start = rows
        rows += sum(len(batch) for batch in opened(part_files(work, number).kept, ["id"]))
        found.append(PartRows(number, start, rows))
    census = Census(
        Scratch(work / "rows"),
        folder,
        work,
        build,
        tuple(splits),
        earlier,
        tuple(found),
        required.asking,
        required.columns,
    ).create()
    _fill_earlier(census)
    for part in census.parts:
        _fill_part(census, part, required.duplicates)
    for place in census.scratch.stretches(0, rows):
        census.writable("like")[place] = np.arange(place.start, place.stop)
    return census


def _fill_earlier(census: Census) -> None:
    """Write the rows of earlier builds into the census."""
    start = 0
    for batch in index_batches(census.folder, census.build, list(INDEX_COLUMNS)):
        place = slice(start, start + len(batch))
        census.writable("ids")[place] = from_binary(batch.column("id"))
        census.writable("digests")[place] = from_binary(batch.column("text_digest"))
        for name in ("arrived", "compared"):
            census.writable(name)[place] = from_binary(pc.coalesce(batch.column(name), batch.column("text_digest")))
        census.writable("cluster")[place] = from_binary(batch.column("cluster"))
        census.writable("side")[place] = _sides(batch.column("split"), census.splits)
        for name in ("group", "asked", "fate"):
            census.writable(name)[place] = batch.column(name).to_numpy()
        start += len(batch)
        census.scratch.release()


def _fill_part(census: Census, part: PartRows, asked: Mapping[str, int]) -> None:
    """Write the rows of a part of this build into the census."""
    table = census.table(part, ["id", "text_digest", "compared", "source", "group", "split"])
    for name in ("ids", "cluster"):
        census.writable(name)[part.place] = from_hexadecimal(table["id"])
    for name in ("digests", "arrived"):
        census.writable(name)[part.place] = from_hexadecimal(table["text_digest"])
    census.writable("compared")[part.place] = from_hexadecimal(table["compared"])
    census.writable("group")[part.place] = table["group"].to_numpy()
    census.writable("side")[part.place] = _sides(table["split"], census.splits)
    sources = pc.index_in(table["source"], pa.array(list(asked), pa.string())).to_numpy()
    census.writable("asked")[part.place] = np.array(list(asked.values()), np.uint8)[sources]
    census.scratch.release()


def _rows_of(path: Path) -> int:
    """Return the rows of an index."""
    with OwnParquet(path) as found:
        return int(found.metadata.num_rows)


def _sides(splits: Any, names: Sequence[str]) -> npt.NDArray[np.int8]:
    """Return the index of each split's name, NOWHERE for a null."""
    found = pc.index_in(splits, pa.array(list(names), pa.string())).fill_null(NOWHERE)
    return np.asarray(found.to_numpy(), dtype=np.int8)
