"""Scorers: the last layers of the classifiers, under the names that each family gives them.

A scorer adds its layers to the model itself, so that their names match those in weight files. Legend: B rows,
D features, L labels.
"""

from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn


class Scorer(Protocol):
    """Layers that turn hidden states into scores."""

    def build(self, model: Any, features: int, outputs: int, dropout: float) -> None:
        """Add the layers to the model."""

    def scores(self, model: Any, hidden: Tensor) -> Tensor:
        """Return the scores (..., outputs) for hidden states (..., D)."""


class OneLayer(NamedTuple):
    """One linear layer, after dropout unless the family has none there."""

    name: str = "classifier"
    bias: bool = True
    drops: bool = True

    def build(self, model: Any, features: int, outputs: int, dropout: float) -> None:
        """Add the dropout and the linear layer to the model."""
        model.dropout = nn.Dropout(dropout if self.drops else 0.0)
        model.add_module(self.name, nn.Linear(features, outputs, bias=self.bias))

    def scores(self, model: Any, hidden: Tensor) -> Tensor:
        """Return the scores (..., outputs) for hidden states (..., D)."""
        return cast(Tensor, getattr(model, self.name)(model.dropout(hidden)))


class TwoLayers(NamedTuple):
    """Two linear layers: a `TwoLayerClassifier`."""

    name: str

    def build(self, model: Any, features: int, outputs: int, dropout: float) -> None:
        """Add the classifier to the model."""
        model.add_module(self.name, TwoLayerClassifier(features, outputs, dropout))

    def scores(self, model: Any, hidden: Tensor) -> Tensor:
        """Return the scores (..., outputs) for hidden states (..., D)."""
        return cast(Tensor, getattr(model, self.name)(hidden))


class TwoLayerClassifier(nn.Module):
    """Linear layer, tanh, linear layer: the sequence classifier of RoBERTa, BART and T5."""

    def __init__(self, features: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(features, features)
        self.dropout = nn.Dropout(dropout)
        self.out_proj = nn.Linear(features, labels)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the logits (B, L) for hidden states (B, D)."""
        return cast(Tensor, self.out_proj(self.dropout(torch.tanh(self.dense(self.dropout(hidden))))))
