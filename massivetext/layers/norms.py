"""Normalisation shared by the model families. Legend: D features."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class RMSNorm(nn.Module):
    """Division by the root mean square of the last axis (arXiv:1910.07467), with a learned scale unless `scaled=False`.

    weight: (D,), starts at one; absent when `scaled` is False. The division is done in float32.
    """

    def __init__(self, features: int, epsilon: float, scaled: bool = True) -> None:
        super().__init__()
        self.features, self.epsilon = features, epsilon
        self.weight: nn.Parameter | None = nn.Parameter(torch.ones(features)) if scaled else None

    def forward(self, values: Tensor) -> Tensor:
        """Return `values` (..., D) with each vector at root mean square one, times the scale; dtype is kept."""
        normed = functional.rms_norm(values.float(), (self.features,), None, self.epsilon).to(values.dtype)
        return normed if self.weight is None else normed * self.weight
