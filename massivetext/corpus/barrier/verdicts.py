"""Verdicts: the findings of a judge, and the one function that applies them to the census.

A judge looks at all documents at once: it reads the census and yields verdicts. A step of a recipe that does so is both
a `Barrier` and a `Judge`.
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
"""Arrays of the census for which a verdict may give new values."""


@dataclass(frozen=True)
class Verdict:
    """A decision about some rows, and the facts found. Rows that it does not name stay as they are."""

    rows: Numbers
    """Row numbers, without duplicates."""
    fate: Fate
    """KEPT: the rows stay, and only the facts change."""
    like: Numbers | None = None
    """The earlier row that each row duplicates."""
    value: npt.NDArray[np.float64] | None = None
    """The value measured for each dropped row, such as its similarity; nan if there is none."""
    threshold: float = np.nan
    """The limit that the values reached."""
    reason: str = ""
    """Why the rows are dropped; if unset, the reason of the fate."""
    facts: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    """New values: `side` (of the split), `digests` and `sizes` (of edited texts), or columns of the barrier."""


class IndexColumn(NamedTuple):
    """What a judge stores about this build's rows in `index/`, for later builds."""

    kind: pa.DataType
    array: Callable[[slice], pa.Array]
    """Return the column for some rows."""
    sizes: Callable[[slice], Numbers] | None = None
    """For a column of lists: the maximum number of values of each of some rows."""


Editor = Callable[[pa.RecordBatch, int], pa.RecordBatch]
"""Takes a batch of rows and the number of its first row; returns the rows as they are written."""


class Judge(ABC):
    """Decides about documents by looking at all of them."""

    name: ClassVar[str]
    """Name and version of the step that is recorded for dropped rows."""
    version: ClassVar[int]

    @abstractmethod
    def judge(self, census: Census, engine: Engine) -> Iterator[Verdict]:
        """Yield verdicts about rows of this build; each is applied to the census before the next is requested.

        A verdict about a row depends only on that row and earlier ones, so that appending gives the same result as
        building everything at once. Verdicts are small: yield them stretch by stretch, or for few rows at a time.
        """

    def index_columns(self, census: Census, engine: Engine) -> dict[str, IndexColumn]:
        """Return what later builds need to know about this build's rows; called after all verdicts were applied."""
        return {}

    def editor(self, census: Census) -> Editor | None:
        """Return a picklable function that edits the documents as they are written, or None if nothing is edited."""
        return None


def apply_verdict(census: Census, verdict: Verdict, judge: Judge) -> None:
    """Apply a verdict to the census.

    A row that was dropped keeps its first reason. Rows of earlier builds are changed by takedowns only.
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
    """Return the verdict restricted to some of its rows."""
    return replace(
        verdict,
        rows=verdict.rows[chosen],
        like=None if verdict.like is None else verdict.like[chosen],
        value=None if verdict.value is None else verdict.value[chosen],
        facts={name: values[chosen] for name, values in verdict.facts.items()},
    )


def _number_of(census: Census, reason: Reason) -> int:
    """Return the position of a reason in the census's list, counted from 1; add the reason if it is new."""
    # nan does not equal nan, so reasons are compared by their printed form.
    for number, known in enumerate(census.reasons, 1):
        if repr(known) == repr(reason):
            return number
    census.reasons.append(reason)
    return len(census.reasons)
