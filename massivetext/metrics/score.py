"""The `Score` record: every measurement of a model is stored and shown in this form."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

MODEL = "model"
"""Name of the system that a run or command evaluates; other systems are compared with it."""
DIGEST_CHARACTERS = 16
"""Number of leading characters of a digest that signatures keep."""


@dataclass(frozen=True)
class Score:
    """Hold one measured value, what it measures, its confidence interval, and how it was computed."""

    task: str
    """The task, such as "test" for a run's test split; after a slash, a part of it, such as a source's name."""
    metric: str
    """Name of the metric, as declared in `declarations.METRICS`."""
    value: float
    """The number on the metric's own scale."""
    unit: str
    """The metric's unit."""
    low: float | None
    """Lower end of the 95 % interval; None if unknown."""
    high: float | None
    """Upper end of the 95 % interval; None if unknown."""
    items: int
    """Number of items that the value is averaged over, such as bytes or tokens; the metric declares the kind."""
    signature: str
    """What was measured and how, as written by `describe`.

    The scores of two systems are comparable if their signatures agree in everything except the system.
    """

    @property
    def group(self) -> str:
        """Return the task without its part."""
        return self.task.partition("/")[0]

    @property
    def part(self) -> str:
        """Return the part of the task; empty for the whole task."""
        return self.task.partition("/")[2]

    @property
    def facts(self) -> dict[str, str]:
        """Return the signature as a dict."""
        return dict(fact.partition(":")[::2] for fact in self.signature.split("|") if fact)

    @property
    def system(self) -> str:
        """Return the name of the scored system, as declared in `declarations.SYSTEMS`."""
        return self.facts.get("system", MODEL)

    def row(self) -> dict[str, Any]:
        """Return the score as a JSON object."""
        return asdict(self)


def describe(system: str, version: int, facts: Mapping[str, object]) -> str:
    """Return a signature such as "system:model|version:1|context_tokens:256".

    version: version of the metric. facts: settings of the measurement.
    """
    parts = {"system": system, "version": version, **facts}
    return "|".join(f"{name}:{str(value).replace('|', '/')}" for name, value in parts.items())


def change(own: float, other: float) -> float | None:
    """Return the relative change from `other` to `own`, positive if `own` is higher; None if it is undefined."""
    found = own / other - 1 if other > 0 else math.nan
    return found if math.isfinite(found) else None
