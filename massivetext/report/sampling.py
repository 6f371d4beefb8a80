"""Samples of a corpus that anyone can draw again, and what is shown of their texts.

A sample holds the documents whose ids, mixed with a key, give the smallest numbers. What is shown of a text has its
personal data replaced, whatever the corpus's own steps did.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from massivetext.corpus.steps.pii import TYPES, replaced
from massivetext.parquet import OwnParquet

SHOWN_CHARACTERS = 240
BATCH_ROWS = 2**16  # rows of a corpus that are read at once
MARGIN_CHARACTERS = 200
"""Read beyond what is shown, so that an address at the end is seen whole before it is replaced."""
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """A document as the page shows it."""

    id: str
    source: str
    text: str
    """Its beginning, redacted; where it has none, where it lies."""
    reason: str = ""
    value: float | None = None


@dataclass(frozen=True)
class RowPlace:
    """Where a row is."""

    path: Path
    group: int
    row: int


class Draw:
    """Keeps the rows with the smallest keys of all that it is offered."""

    def __init__(self, key: str, size: int) -> None:
        self.salt = np.uint64(xxhash.xxh3_64_intdigest(key.encode()))
        self.size = size
        self.held: list[tuple[int, RowPlace, float | None]] = []

    def offer(self, hashes: npt.NDArray[np.uint64], rows: Sequence[int] | npt.NDArray[np.int64], path: Path,
              group: int, values: Values | None = None) -> None:  # fmt: skip
        """Consider rows: their ids' hashes, their numbers in the row group, and what to show beside them."""
        keys = mixed(hashes ^ self.salt)
        order = np.argpartition(keys, self.size)[: self.size] if len(keys) > self.size else np.arange(len(keys))
        for at in order.tolist():
            value = None if values is None or np.isnan(values[at]) else float(values[at])
            self.held.append((int(keys[at]), RowPlace(path, group, int(rows[at])), value))
        self.held.sort(key=lambda entry: entry[0])
        del self.held[self.size :]


def mixed(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return numbers spread evenly, one for each (the finaliser of MurmurHash3)."""
    with np.errstate(over="ignore"):
        keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
        return keys ^ (keys >> np.uint64(33))


def id_hashes(ids: pa.Array) -> npt.NDArray[np.uint64]:
    """Return the first 64 bits of each id."""
    return np.frombuffer(bytes.fromhex("".join(ids.to_pylist())), ">u8")[::2].astype(np.uint64)


def read_rows(path: Path, group: int, rows: list[int]) -> list[Sample]:
    """Return some rows of a row group, their texts cut and redacted."""
    with OwnParquet(path) as opened:
        names = opened.schema_arrow.names
        text = "text" if "text" in names else "excerpt"
        columns = [name for name in ("id", "source", "uri", "record", text, "reason", "value") if name in names]
        # The text comes alone and in batches: a row group holds much more of it than the samples need.
        table = opened.read_row_group(group, [name for name in columns if name != text])
        table = table.take(pa.array(rows))
        cut = [words for part in _cut_texts(opened, group, text, np.array(rows)) for words in part.to_pylist()]
    return [
        Sample(row["id"], row["source"], redacted(words) or _place(row), row.get("reason") or "", row.get("value"))
        for row, words in zip(table.to_pylist(), cut)
    ]


def _place(row: Mapping[str, str]) -> str:
    """Return where a record without text lies."""
    return f"{row['uri']} @{row['record']}"


def _cut_texts(opened: OwnParquet, group: int, name: str, rows: npt.NDArray[np.int64]) -> Iterator[pa.Array]:
    """Yield the beginnings of the texts of some rows, which are in ascending order."""
    start = 0
    for batch in opened.iter_batches(1024, [group], [name]):
        here = rows[(rows >= start) & (rows < start + len(batch))] - start
        yield pc.utf8_slice_codeunits(batch.column(0).take(pa.array(here)), 0, SHOWN_CHARACTERS + MARGIN_CHARACTERS)
        start += len(batch)


def redacted(text: str | None) -> str:
    """Return the beginning of a text without personal data, control characters shown as U+FFFD."""
    return replaced(text or "", TYPES)[:SHOWN_CHARACTERS]
