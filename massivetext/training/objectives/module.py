"""The loss of any module, called as Hugging Face models are: what `Trainer` learns where nothing can be packed."""

from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from massivetext.errors import ModelError
from massivetext.tokens.labels import IGNORED_LABEL
from massivetext.training.machine import compile_wanted, mixed_precision, precision_for, training_device
from massivetext.training.settings import TrainSettings

ComputeLoss = Callable[[Callable[..., Any], dict[str, Any], int], Tensor]
"""Makes the mean loss of a part of a batch: of the model to call, the columns, and how many labels they count."""


class ModuleObjective:
    """The loss of any module that is called with a batch's columns by name, as Hugging Face models are.

    A batch is a list of parts, each a mapping of columns (rows, ...) with `labels`. The module returns its mean loss
    (in `.loss`, `["loss"]`, first of a tuple, or itself), or `compute_loss` calls the module and makes it.
    """

    def __init__(self, model: nn.Module, settings: TrainSettings, compute_loss: ComputeLoss | None = None) -> None:
        self.model, self.compute_loss = model, compute_loss
        self.has_modes = True
        self.device = training_device(model)
        self._mixed_precision = mixed_precision(self.device, precision_for(settings, self.device))
        self._call: Callable[..., Any] = model
        if settings.compile == "on" and compile_wanted(settings, self.device):
            self._call = torch.compile(model)

    @property
    def crew(self) -> None:
        """None: a module that is not ours may not bear being called by two threads."""

    def parts(self, batch: Any) -> list[slice]:
        """Return the rows of the parts that the batch is made of."""
        ends = list(accumulate(_rows(part) for part in batch))
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def tokens(self, batch: Any) -> np.ndarray:
        """Return how many labels each row has; 1 where a row has none, or one."""
        return np.concatenate([_label_counts(part) for part in batch])

    def row_sources(self, batch: Any) -> np.ndarray:
        """Return zeros: there is one source."""
        return np.zeros(len(self.tokens(batch)), np.int64)

    def loss(self, batch: Any, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the mean loss of the part that begins at `rows.start`, and a share of its sum for each row."""
        part = batch[[part.start for part in self.parts(batch)].index(rows.start)]
        inputs = {name: value.to(self.device) if isinstance(value, Tensor) else value for name, value in part.items()}
        counts = _label_counts(part)
        with self._mixed_precision():
            if self.compute_loss is not None:
                mean = self.compute_loss(self._call, inputs, int(counts.sum()))
            else:
                mean = loss_in(self._call(**inputs), self.model)
        return mean, mean.detach() * torch.from_numpy(counts).to(self.device)

    def check(self, batch: Any) -> None:
        """Nothing is packed, so nothing can leak."""


def _rows(part: Mapping[str, Any]) -> int:
    return len(next(iter(part.values())))


def _label_counts(part: Mapping[str, Any]) -> np.ndarray:
    labels = part.get("labels")
    if labels is None or labels.ndim < 2 or labels.is_floating_point():
        return np.ones(_rows(part), np.int64)
    return np.asarray((labels != IGNORED_LABEL).flatten(1).sum(dim=1).cpu())


def loss_in(outputs: Any, model: nn.Module) -> Tensor:
    """Return the loss that a module returned; raise ModelError if there is none."""
    if isinstance(outputs, Mapping):
        outputs = outputs.get("loss")
    elif hasattr(outputs, "loss"):
        outputs = outputs.loss
    elif isinstance(outputs, tuple) and outputs:
        outputs = outputs[0]
    if not isinstance(outputs, Tensor) or outputs.ndim:
        raise ModelError(
            f"{type(model).__name__} returned no loss; return it as .loss or first of a tuple when the batch has "
            f"labels, or pass compute_loss_func to the Trainer"
        )
    return outputs
