"""Rotary position embedding (RoPE, arXiv:2104.09864) and the scalings of its frequencies. Legend: B batch, T tokens."""

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from massivetext.settings import Settings


class RopeScaling(Settings):
    """How the rotary frequencies are changed so that a model reads more tokens than it was first trained on."""

    rope_type: Literal["linear", "llama3"]
    """linear: every frequency is divided by `factor`; llama3: only the slow ones, with a smooth passage."""
    factor: float = Field(gt=0)
    """How many times longer the context becomes."""
    low_freq_factor: float = 1.0
    """llama3 only: waves longer than original_max_position_embeddings / low_freq_factor are divided by `factor`."""
    high_freq_factor: float = 4.0
    """llama3 only: waves shorter than original_max_position_embeddings / high_freq_factor are left as they are."""
    original_max_position_embeddings: int | None = None
    """llama3 only: tokens of context in the first training; None: the model's max_position_embeddings."""


def inverse_frequencies(
    head_dim: int, theta: float, scaling: RopeScaling | None = None, context_tokens: int | None = None
) -> Tensor:
    """Return the angle in radians that each feature pair turns per position, (head_dim // 2,) float32.

    Pair i turns by theta^(-2i / head_dim), then changed by `scaling`; context_tokens: the model's
    max_position_embeddings, which the llama3 scaling falls back on. The llama3 rule is the one published with
    Llama 3.1.
    """
    frequencies = 1.0 / (theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim))
    if scaling is None:
        return frequencies
    if scaling.rope_type == "linear":
        return frequencies / scaling.factor
    original = scaling.original_max_position_embeddings or context_tokens
    assert original is not None
    wavelengths = 2 * math.pi / frequencies
    span = scaling.high_freq_factor - scaling.low_freq_factor
    kept = ((original / wavelengths - scaling.low_freq_factor) / span).clamp(0.0, 1.0)  # 1: left, 0: divided
    return (1 - kept) * frequencies / scaling.factor + kept * frequencies


def rotary_tables(positions: Tensor, frequencies: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of every position's angles, each (B, 1, T, head_dim), taken in float32, given in `dtype`.

    positions: (B, T) integers. frequencies: (head_dim // 2,). Both halves of the last axis hold the same angles.
    """
    angles = positions[:, None, :, None].float() * frequencies  # (B, 1, T, head_dim / 2)
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat((cosine, cosine), dim=-1).to(dtype), torch.cat((sine, sine), dim=-1).to(dtype)


def rotate(values: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Return queries or keys with each feature pair turned by its position's angle.

    values: (B, heads, T, head_dim); cosine and sine from `rotary_tables`. Pairs are (i, i + head_dim/2), as in Hugging
    Face weights, not the paper's (2i, 2i+1). Where the tables are narrower than a head, only that many of its first
    features are turned (GPT-NeoX).
    """
    turned = cosine.shape[-1]
    if turned < values.shape[-1]:
        return torch.cat((rotate(values[..., :turned], cosine, sine), values[..., turned:]), dim=-1)
    half = turned // 2
    first, second = values[..., :half], values[..., half:]
    return values * cosine + torch.cat((-second, first), dim=-1) * sine
