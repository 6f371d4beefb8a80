"""The census: what is known of all rows at the barrier, in arrays on disk. Except for a few bytes a row, memory does
not grow with the corpus.

A row is a document that the steps kept. Rows are in canonical order: first those of earlier builds, from
`index/build-0001.parquet` and its like, then those of this build, from its parts.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from massivetext.corpus.barrier.keys import Keys, Numbers
from massivetext.corpus.barrier.scratch import Scratch
from massivetext.corpus.gathering import part_files
from massivetext.corpus.parts import opened, schema_of

EXACT_ASKED, NEAR_ASKED = 1, 2
NOWHERE = -1
ARRAYS: dict[str, tuple[int, Any, float]] = {
    "ids": (2, np.uint64, 0),
    "digests": (2, np.uint64, 0),
    "arrived": (2, np.uint64, 0),
    "compared": (2, np.uint64, 0),
    "cluster": (2, np.uint64, 0),
    "group": (1, np.uint64, 0),
    "asked": (1, np.uint8, 0),
    "fate": (1, np.uint8, 0),
    "reason": (1, np.uint16, 0),
    "side": (1, np.int8, 0),
    "like": (1, np.int64, 0),
    "value": (1, np.float64, np.nan),
    "sizes": (1, np.int64, NOWHERE),
}
"""Name of an array -> values a row, their type, and what is in it at first. The columns of barriers are doubles, 0 at
first."""


class PartRows(NamedTuple):
    """The rows of one part of this build."""

    number: int
    start: int
    stop: int

    @property
    def place(self) -> slice:
        """Where they are among all rows."""
        return slice(self.start, self.stop)


class Reason(NamedTuple):
    """Why rows are dropped, as `dropped/` and the manifest show it."""

    step: str
    version: int
    text: str
    threshold: float
    """The limit that the rows' value reached; nan where nothing was measured."""


@dataclass(frozen=True)
class Census:
    """All rows, and what was decided of them. Its arrays are read-only: `apply_verdict` alone changes them.

    A pickled census opens the same files.
    """

    scratch: Scratch
    folder: Path
    """The corpus."""
    work: Path
    """The work files of this build."""
    build: int
    splits: tuple[str, ...]
    earlier: int
    """How many rows are of earlier builds."""
    parts: tuple[PartRows, ...]
    asking: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Name of a barrier -> the sources whose steps hold it."""
    columns: tuple[str, ...] = ()
    """Names of the columns that barriers add to the documents."""
    reasons: list[Reason] = field(default_factory=list)
    """Why rows were dropped; `reason` counts them from 1."""
    _written: dict[str, npt.NDArray[Any]] = field(default_factory=dict, repr=False)

    def create(self) -> "Census":
        """Return the census with new arrays in its scratch folder."""
        for name, (values, kind, first) in self._arrays.items():
            self.scratch.array(name, (self.rows * values,), kind, first)
        return self

    def __reduce__(self) -> tuple[type["Census"], tuple[Any, ...]]:
        """Return what another process opens the census with."""
        return Census, (self.scratch, self.folder, self.work, self.build, self.splits, self.earlier, self.parts,
                        self.asking, self.columns, self.reasons)  # fmt: skip

    @property
    def _arrays(self) -> dict[str, tuple[int, Any, float]]:
        return {**ARRAYS, **dict.fromkeys(self.columns, (1, np.float64, 0.0))}

    def writable(self, name: str) -> npt.NDArray[Any]:
        """Return an array that may be written to: for opening a census and for `apply_verdict`."""
        if name not in self._written:
            values, kind, _ = self._arrays[name]
            found = self.scratch.mapped(name, kind)
            self._written[name] = found.reshape(-1, values) if values > 1 else found
        return self._written[name]

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return an array, read-only: one of ARRAYS or a barrier's column."""
        found = self.writable(name).view()
        found.flags.writeable = False
        return found

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.parts[-1].stop if self.parts else self.earlier

    @property
    def ids(self) -> Keys:
        """(rows, 2), the id's 128 bits."""
        return self.array("ids")

    @property
    def digests(self) -> Keys:
        """(rows, 2), the text's, without what was taken out of it."""
        return self.array("digests")

    @property
    def arrived(self) -> Keys:
        """(rows, 2), the text's as the steps gave it."""
        return self.array("arrived")

    @property
    def compared(self) -> Keys:
        """(rows, 2), what exact deduplication compares: `arrived`, or the digest of the text's words."""
        return self.array("compared")

    @property
    def cluster(self) -> Keys:
        """(rows, 2), the id of the first document of its cluster of duplicates; its own where it duplicates none."""
        return self.array("cluster")

    @property
    def group(self) -> Keys:
        """(rows,), rows with the same number come from one file and fall on one side."""
        return self.array("group")

    @property
    def asked(self) -> npt.NDArray[np.uint8]:
        """(rows,), EXACT_ASKED and NEAR_ASKED as the source's steps say."""
        return self.array("asked")

    @property
    def fate(self) -> npt.NDArray[np.uint8]:
        """(rows,), a `Fate`."""
        return self.array("fate")

    @property
    def reason(self) -> npt.NDArray[np.uint16]:
        """(rows,), why the row is dropped: 0 for no reason, else the place in `reasons`, counted from 1."""
        return self.array("reason")

    @property
    def side(self) -> npt.NDArray[np.int8]:
        """(rows,), index of the split."""
        return self.array("side")

    @property
    def like(self) -> Numbers:
        """(rows,), the earlier row that this one duplicates; itself where it duplicates none."""
        return self.array("like")

    @property
    def value(self) -> npt.NDArray[np.float64]:
        """(rows,), what was measured when it was dropped, such as its similarity to `like`; nan where nothing was."""
        return self.array("value")

    @property
    def sizes(self) -> Numbers:
        """(rows,), bytes of the text where something is taken out of it at the barrier, else NOWHERE."""
        return self.array("sizes")

    def documents(
        self, part: PartRows, columns: Sequence[str], sources: Collection[str] | None = None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield (number of the first row, some columns) of a part's rows, batch by batch; each is of one source.

        sources: only the rows of these; unset: all.
        """
        start = part.start
        wanted = list(columns) if sources is None else [*columns, "source"]
        for batch in opened(part_files(self.work, part.number).kept, list(dict.fromkeys(wanted))):
            if sources is None or (len(batch) and batch.column("source")[0].as_py() in sources):
                yield start, batch
            start += len(batch)

    def table(self, part: PartRows, columns: Sequence[str]) -> pa.Table:
        """Return some columns of a part's rows."""
        schema = schema_of(part_files(self.work, part.number).kept)
        batches = (batch for _, batch in self.documents(part, columns))
        return pa.Table.from_batches(batches, pa.schema([schema.field(name) for name in columns]))
