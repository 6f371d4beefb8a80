"""What the loop asks of the data and of an objective: it knows these two protocols only."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from massivetext.training.objectives.causal import Crew


class Batches(Protocol):
    """The data of a run: the batch of any step, found without history (`tokens.order.TrainingOrder` is one)."""

    @property
    def sources(self) -> Sequence[str]:
        """Names of the sources that the rows come from."""

    def batch(self, step: int) -> Any:
        """Return the rows of a step, counted from 0, in the form that the objective understands."""


class Objective(Protocol):
    """A loss over batches of one form."""

    model: nn.Module
    has_modes: bool
    """Whether the model computes otherwise in evaluation mode (dropout), or may."""

    @property
    def crew(self) -> Crew | None:
        """Threads that compute parts of a batch at the same time; None: each operation is shared by all threads."""

    def parts(self, batch: Any) -> list[slice]:
        """Return the rows of the parts that a batch is computed in, in order."""

    def tokens(self, batch: Any) -> np.ndarray:
        """Return how many predictions each row counts, (rows,) integers."""

    def row_sources(self, batch: Any) -> np.ndarray:
        """Return the number of each row's source, (rows,) integers."""

    def loss(self, batch: Any, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the mean loss over the counted predictions of some rows, with its graph; each row's sum, detached."""

    def check(self, batch: Any) -> None:
        """Raise ModelError if the model sees what it must not see; called once, with the first batch."""
