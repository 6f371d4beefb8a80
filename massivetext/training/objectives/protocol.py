"""The protocols of the data and of an objective: the training loop knows only these two."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from massivetext.training.objectives.causal import Crew


class Batches(Protocol):
    """The data of a run. It finds the batch of any step without history, as `tokens.order.TrainingOrder` does."""

    @property
    def sources(self) -> Sequence[str]:
        """Return the names of the sources that the rows come from."""

    def batch(self, step: int) -> Any:
        """Return the rows of a step, counted from 0, in the form that the objective understands."""


class Objective(Protocol):
    """A loss over batches of one form."""

    model: nn.Module
    has_modes: bool
    """Whether the model computes, or may compute, differently in evaluation mode (dropout)."""

    @property
    def crew(self) -> Crew | None:
        """Return the threads that compute parts of a batch at the same time; None: all threads share each operation."""

    def parts(self, batch: Any) -> list[slice]:
        """Return the row ranges of the parts of a batch, in order."""

    def tokens(self, batch: Any) -> np.ndarray:
        """Return the number of predictions counted in each row, (rows,) integers."""

    def row_sources(self, batch: Any) -> np.ndarray:
        """Return the number of each row's source, (rows,) integers."""

    def loss(self, batch: Any, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the mean loss per counted prediction of some rows, with its graph, and each row's sum, detached."""

    def check(self, batch: Any) -> None:
        """Raise ModelError if the model sees tokens that it must not see; called once, with the first batch."""
