"""What scores a text, a token or a choice: the last matrices of the classifiers, under the families' names.

A scorer makes its parts on the model itself, because files name them so. Legend: B rows, D features, L labels.
"""

from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn


class Scorer(Protocol):
    """Makes scores of hidden states."""

    def build(self, model: Any, features: int, outputs: int, dropout: float) -> None:
        """Make the parts on the model."""

    def scores(self, model: Any, hidden: Tensor) -> Tensor:
        """Return the scores (..., outputs) of hidden states (..., D)."""


class OneLayer(NamedTuple):
    """A matrix, behind dropout unless the family has none there."""

    name: str = "classifier"
    bias: bool = True
    drops: bool = True

    def build(self, model: Any, features: int, outputs: int, dropout: float) -> None:
        """Make dropout and matrix on the model."""
        model.dropout = nn.Dropout(dropout if self.drops else 0.0)
        model.add_module(self.name, nn.Linear(features, outputs, bias=self.bias))

    def scores(self, model: Any, hidden: Tensor) -> Tensor:
        """Return the scores (..., outputs) of hidden states (..., D)."""
        return cast(Tensor, getattr(model, self.name)(model.dropout(hidden)))


class TwoLayers(NamedTuple):
    """A `TwoLayerClassifier`."""

    name: str

    def build(self, model: Any, features: int, outputs: int, dropout: float) -> None:
        """Make the classifier on the model."""
        model.add_module(self.name, TwoLayerClassifier(features, outputs, dropout))

    def scores(self, model: Any, hidden: Tensor) -> Tensor:
        """Return the scores (..., outputs) of hidden states (..., D)."""
        return cast(Tensor, getattr(model, self.name)(hidden))


class TwoLayerClassifier(nn.Module):
    """Projected, tanh, projected again: the sequence classifier of RoBERTa, BART and T5."""

    def __init__(self, features: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(features, features)
        self.dropout = nn.Dropout(dropout)
        self.out_proj = nn.Linear(features, labels)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the logits (B, L) of hidden states (B, D)."""
        return cast(Tensor, self.out_proj(self.dropout(torch.tanh(self.dense(self.dropout(hidden))))))
