"""One score: the only form in which a measured number of a model is stored or shown."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

MODEL = "model"
"""The system that a run or a command is about; other systems are shown beside it."""
DIGEST_CHARACTERS = 16
"""The first characters of a digest, as signatures hold them."""


@dataclass(frozen=True)
class Score:
    """One number, what it measures, how certain it is, and how it was made."""

    task: str
    """What was done, such as "test" for a run's test split; after a slash the part of it, such as a source's name."""
    metric: str
    """Name of the metric, as declared in `declarations.METRICS`."""
    value: float
    """The number on the metric's own scale."""
    unit: str
    """The metric's unit."""
    low: float | None
    """Lower end of the 95 % interval; None where none is known."""
    high: float | None
    """Upper end of the 95 % interval."""
    items: int
    """Number of items that the value is a mean over: bytes, tokens, questions; the metric's declaration says which."""
    signature: str
    """What was measured and how, as `describe` writes it. Scores of two systems compare if all else in it agrees."""

    @property
    def group(self) -> str:
        """The task without its part."""
        return self.task.partition("/")[0]

    @property
    def part(self) -> str:
        """The part of the task; empty for the whole task."""
        return self.task.partition("/")[2]

    @property
    def facts(self) -> dict[str, str]:
        """The signature as a mapping."""
        return dict(fact.partition(":")[::2] for fact in self.signature.split("|") if fact)

    @property
    def system(self) -> str:
        """Name of what was scored, as declared in `declarations.SYSTEMS`: the model, or a peer beside it."""
        return self.facts.get("system", MODEL)

    def row(self) -> dict[str, Any]:
        """Return the score as a JSON object."""
        return asdict(self)


def describe(system: str, version: int, facts: Mapping[str, object]) -> str:
    """Return a signature: "system:model|version:1|context_tokens:256". version: the metric's. facts: its settings."""
    parts = {"system": system, "version": version, **facts}
    return "|".join(f"{name}:{str(value).replace('|', '/')}" for name, value in parts.items())


def change(own: float, other: float) -> float | None:
    """Return by which fraction of `other` the value `own` is higher; None where that has no meaning."""
    found = own / other - 1 if other > 0 else math.nan
    return found if math.isfinite(found) else None
