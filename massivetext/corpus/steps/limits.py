"""Decisions by limits: the base of every rule that drops a document because a measured value is too small or too large.

A custom rule names its limits in a subclass of `LimitSettings`, as `min_NAME` and `max_NAME`, and the measures that it
uses in `needs`. `LimitDecide` does the rest.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import model_validator

from massivetext.corpus.steps import Decide, Decision
from massivetext.errors import DataError
from massivetext.settings import Settings

Values = npt.NDArray[np.float64]


class LimitSettings(Settings):
    """Settings of a step that drops documents by limits, each named `min_...` or `max_...`."""

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        """Return the settings; raise an error if no document can be within all limits."""
        for name, value in self:
            if not isinstance(value, int | float) or not name.startswith(("min_", "max_")):
                continue
            if value < 0:
                raise ValueError(f"{name} is {value}; it must be at least 0, or null for no limit")
            most = getattr(self, f"max_{name.removeprefix('min_')}", None)
            if most is not None and value > most:
                raise ValueError(
                    f"{name} is {value} and max_{name[4:]} is {most}, so nothing is kept; raise the latter"
                )
        return self


class LimitDecide(Decide):
    """A decision by limits: each setting named `min_...` drops values below it, any other above; null is no limit."""

    def measured(self, batch: pa.RecordBatch) -> dict[str, Values]:
        """Return for each limit the values that are compared with it, one per document.

        By default, `min_NAME` and `max_NAME` use the column NAME of the last measure in `needs`.
        """
        return {limit: statistic(batch, limit[4:], self.needs[-1]) for limit in self.settings_type.model_fields}

    @property
    def limits(self) -> Mapping[str, Any]:
        """The limits, by the names used in `measured`."""
        return self.settings.model_dump()

    def decide(self, batch: pa.RecordBatch) -> Decision:
        """Return the first limit that each document breaks, in the order of the settings."""
        return decide_by_limits(self.limits, self.measured(batch), batch.num_rows)


def statistic(batch: pa.RecordBatch, name: str, measure: str = "statistics") -> Values:
    """Return the column `MEASURE__NAME` as float64, nan where it is null; raise DataError if it is missing."""
    column = f"{measure}__{name}"
    if column not in batch.schema.names:
        raise DataError(
            f"the batch has no column {column}; found {', '.join(batch.schema.names)}; "
            f"take the measure {measure!r} before this step, as make_steps does"
        )
    return as_values(batch.column(column))


def as_values(array: pa.Array) -> Values:
    """Return a column of numbers as float64, nan where it is null."""
    values: Values = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def decide_by_limits(limits: Mapping[str, Any], measured: dict[str, Values], documents: int) -> Decision:
    """Return the first limit that each document breaks, with the value and the limit.

    measured: the documents' values for each limit; a limit named `min_...` drops values below it, any other drops
    values above. nan breaks no limit. The reason is the name of the limit. None means no limit.
    """
    names = list(measured)
    broken = np.full(documents, -1)
    value, threshold = np.zeros(documents), np.zeros(documents)
    for index, (name, values) in enumerate(measured.items()):
        limit = limits[name]
        if limit is None:
            continue
        breaks = (broken < 0) & (values < limit if name.startswith("min_") else values > limit)
        broken[breaks], value[breaks], threshold[breaks] = index, values[breaks], limit
    kept = broken < 0
    return Decision(
        reason=pa.array(np.array(names, dtype=object)[broken], type=pa.string(), mask=kept),
        value=pa.array(value, mask=kept),
        threshold=pa.array(threshold, mask=kept),
    )
