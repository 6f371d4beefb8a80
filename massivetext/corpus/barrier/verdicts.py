"""Verdicts: what a barrier finds, and the one function that writes it down.

A judge looks at all documents at once: it reads the census and yields verdicts. A recipe's step that does so is a
`Barrier` and a `Judge` at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from massivetext.corpus.barrier.census import Census, Reason
from massivetext.corpus.barrier.fates import Fate
from massivetext.corpus.barrier.keys import Mask, Numbers
from massivetext.engines import Engine
from massivetext.errors import ConfigError

FACTS = ("side", "digests", "sizes")
"""Arrays of the census that a verdict may give new values for."""


@dataclass(frozen=True)
class Verdict:
    """What became of some rows, and what was found about them. Rows that it does not name stay as they are."""

    rows: Numbers
    """Numbers of the rows, each once."""
    fate: Fate
    """KEPT: the rows stay, and only the facts are new."""
    like: Numbers | None = None
    """The earlier row that each duplicates."""
    value: npt.NDArray[np.float64] | None = None
    """What was measured of each row that is dropped, such as its similarity; nan where nothing was."""
    threshold: float = np.nan
    """The limit that the values reached."""
    reason: str = ""
    """Why the rows are dropped; unset: the fate's reason."""
    facts: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    """New values: `side` (of the split), `digests` and `sizes` (of edited texts), or columns of the barrier."""


class IndexColumn(NamedTuple):
    """What a judge keeps of this build's rows in `index/`, for later builds."""

    kind: pa.DataType
    array: Callable[[slice], pa.Array]
    """The column of some rows."""
    sizes: Callable[[slice], Numbers] | None = None
    """Of a column of lists: how many values each of some rows has at most."""


Editor = Callable[[pa.RecordBatch, int], pa.RecordBatch]
"""Takes a batch of rows and the number of the first; returns them as they are written."""


class Judge(ABC):
    """Decides about documents by looking at all of them."""

    name: ClassVar[str]
    """Name and version of the step in whose name rows are dropped."""
    version: ClassVar[int]

    @abstractmethod
    def judge(self, census: Census, engine: Engine) -> Iterator[Verdict]:
        """Yield verdicts about rows of this build; each is written into the census before the next is asked for.

        A verdict about a row depends on that row and earlier ones alone, so that appending gives what building at once
        gives. Verdicts are small: they come stretch by stretch, or hold few rows.
        """

    def index_columns(self, census: Census, engine: Engine) -> dict[str, IndexColumn]:
        """Return what later builds need to know of this build's rows; called when all verdicts are written down."""
        return {}

    def editor(self, census: Census) -> Editor | None:
        """Return what edits the documents as they are written, None where nothing does; it pickles."""
        return None


def apply_verdict(census: Census, verdict: Verdict, judge: Judge) -> None:
    """Write a verdict into the census.

    What was dropped before stays dropped for its first reason, and of earlier builds only takedowns change a row.
    """
    stands = np.ones(len(verdict.rows), bool)
    if verdict.fate != Fate.REMOVED:
        stands = (verdict.rows >= census.earlier) & (census.fate[verdict.rows] == Fate.KEPT)
    verdict = verdict if stands.all() else _some_of(verdict, stands)
    if not len(verdict.rows):
        return
    for name, values in verdict.facts.items():
        if name not in FACTS and name not in census.columns:
            allowed = ", ".join([*FACTS, *census.columns])
            raise ConfigError(
                f"the barrier {judge.name!r} gives values of {name!r}; allowed are {allowed}. Name its own columns in "
                "its `columns`"
            )
        census.writable(name)[verdict.rows] = values
    if verdict.like is not None:
        census.writable("like")[verdict.rows] = verdict.like
    if verdict.fate != Fate.KEPT:
        if verdict.value is not None:
            census.writable("value")[verdict.rows] = verdict.value
        census.writable("fate")[verdict.rows] = verdict.fate
        text = verdict.reason or verdict.fate.reason
        reason = Reason(judge.name, judge.version, text, float(verdict.threshold))
        census.writable("reason")[verdict.rows] = _number_of(census, reason)
    census.scratch.release()


def _some_of(verdict: Verdict, chosen: Mask) -> Verdict:
    """Return a verdict about some of its rows."""
    return replace(
        verdict,
        rows=verdict.rows[chosen],
        like=None if verdict.like is None else verdict.like[chosen],
        value=None if verdict.value is None else verdict.value[chosen],
        facts={name: values[chosen] for name, values in verdict.facts.items()},
    )


def _number_of(census: Census, reason: Reason) -> int:
    """Return the place of a reason in the census's list, counted from 1; one that is not there is added."""
    # nan equals no other nan, so reasons are compared as they are shown.
    for number, known in enumerate(census.reasons, 1):
        if repr(known) == repr(reason):
            return number
    census.reasons.append(reason)
    return len(census.reasons)
