"""The parts of a decoder's block: causal self-attention with rotary positions, and the feed-forward part.

Legend: B batch, T tokens that read, S tokens that are read, D features. Names are Hugging Face's.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from massivetext.layers.attention import Mask, RMSNorm, Weights, attend
from massivetext.layers.cache import StaticCache


class AttentionShape(NamedTuple):
    """The sizes and choices of one attention layer."""

    hidden_size: int
    heads: int
    key_value_heads: int
    head_dim: int
    bias: bool = False
    """Whether queries, keys and values have biases."""
    output_bias: bool = False
    norm: Literal["none", "before_rotary", "after_rotary"] = "none"
    norm_epsilon: float = 1e-6
    reverse_rotary: bool = False
    dropout: float = 0.0
    scale: float | None = None
    """What scores are multiplied by; None: 1 / sqrt(head_dim)."""


class Context(NamedTuple):
    """What all layers of one forward pass share: where tokens stand and what they may read.

    cosine, sine: (B, 1, T, turned features of a head); None: positions are not rotary. mask: (B, 1, T, S) boolean, True
    where a query may read a key, or the documents of packed rows; None: causal.
    cache, slots and layer: the key-value cache, where in it the new tokens go, (T,) int64, and the layer that asks;
    None: no cache. weights: where each layer puts its attention weights, see `attend`; None: they are not kept.
    """

    cosine: Tensor | None
    sine: Tensor | None
    mask: Mask = None
    cache: StaticCache | None = None
    slots: Tensor | None = None
    layer: int = 0
    weights: Weights = None


def rotary_tables(
    positions: Tensor, frequencies: Tensor, dtype: torch.dtype, magnitude: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of every position's angles, each (B, 1, T, head_dim), taken in float32, given in `dtype`.

    positions: (B, T) integers. frequencies: (head_dim // 2,). Both halves of the last axis hold the same angles.
    magnitude: what both are multiplied by.
    """
    angles = positions[:, None, :, None].float() * frequencies  # (B, 1, T, head_dim / 2)
    cosine, sine = angles.cos(), angles.sin()
    if magnitude != 1.0:
        cosine, sine = cosine * magnitude, sine * magnitude
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


class SelfAttention(nn.Module):
    """Multi-head causal self-attention (arXiv:1706.03762) with grouped keys (arXiv:2305.13245).

    Positions are rotary where the context brings their angles. Submodules carry Llama's names in Hugging Face. Queries
    and keys may be normalised per head (arXiv:2302.05442): `before_rotary` with a learned scale, or `after_rotary`
    without one. `reverse_rotary` turns the other way round, as nanochat does.
    """

    def __init__(self, shape: AttentionShape) -> None:
        super().__init__()
        self.shape = shape
        wide, narrow = shape.heads * shape.head_dim, shape.key_value_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, wide, bias=shape.bias)
        self.k_proj = nn.Linear(shape.hidden_size, narrow, bias=shape.bias)
        self.v_proj = nn.Linear(shape.hidden_size, narrow, bias=shape.bias)
        self.o_proj = nn.Linear(wide, shape.hidden_size, bias=shape.output_bias)
        self.dropout = nn.Dropout(shape.dropout)
        if shape.norm != "none":
            scaled = shape.norm == "before_rotary"
            self.q_norm = RMSNorm(shape.head_dim, shape.norm_epsilon, scaled)
            self.k_norm = RMSNorm(shape.head_dim, shape.norm_epsilon, scaled)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return what each token gathers from those it may read, (B, T, D)."""
        batch, tokens, _ = hidden.shape
        queries = self.q_proj(hidden).view(batch, tokens, -1, self.shape.head_dim)
        keys = self.k_proj(hidden).view(batch, tokens, -1, self.shape.head_dim)
        values = self.v_proj(hidden).view(batch, tokens, -1, self.shape.head_dim).transpose(1, 2)
        if self.shape.norm == "before_rotary":
            queries, keys = self.q_norm(queries), self.k_norm(keys)
        queries, keys = queries.transpose(1, 2), keys.transpose(1, 2)  # (B, heads, T, head_dim)
        if context.cosine is not None and context.sine is not None:
            sine = -context.sine if self.shape.reverse_rotary else context.sine
            queries, keys = rotate(queries, context.cosine, sine), rotate(keys, context.cosine, sine)
        if self.shape.norm == "after_rotary":
            queries, keys = self.q_norm(queries), self.k_norm(keys)
        if context.cache is not None:
            assert context.slots is not None
            keys, values = context.cache.update(context.layer, keys, values, context.slots)
        dropout = self.dropout.p if self.training else 0.0
        mixed = attend(queries, keys, values, context.mask, True, self.shape.scale, dropout, context.weights)
        return cast(Tensor, self.o_proj(mixed.transpose(1, 2).reshape(batch, tokens, -1)))


def squared_relu(values: Tensor) -> Tensor:
    """Return max(x, 0)^2 (arXiv:2109.08668)."""
    return functional.relu(values).square()


class GatedFeedForward(nn.Module):
    """down(act(gate(x)) * up(x)), the gated linear unit of Llama (arXiv:2002.05202)."""

    def __init__(self, hidden_size: int, intermediate_size: int, act: Callable[..., Tensor], bias: bool) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden_size, intermediate_size, bias=bias)
        self.up_proj = nn.Linear(hidden_size, intermediate_size, bias=bias)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=bias)
        self.act = act

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the block's output, shape of `hidden` (..., D)."""
        return cast(Tensor, self.down_proj(self.act(self.gate_proj(hidden)) * self.up_proj(hidden)))


class PlainFeedForward(nn.Module):
    """down(act(up(x))), two matrices, under the names given (families differ in them)."""

    def __init__(self, sizes: tuple[int, int], act: Callable[..., Tensor], bias: bool, names: tuple[str, str]) -> None:
        super().__init__()
        hidden_size, intermediate_size = sizes
        self.up_name, self.down_name = names
        self.add_module(self.up_name, nn.Linear(hidden_size, intermediate_size, bias=bias))
        self.add_module(self.down_name, nn.Linear(intermediate_size, hidden_size, bias=bias))
        self.act = act

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the block's output, shape of `hidden` (..., D)."""
        # As rows: between views of other shapes the compiler keeps ReLU's mask for the backward pass, byte by byte.
        rows = getattr(self, self.up_name)(hidden.flatten(0, -2))
        output: Tensor = getattr(self, self.down_name)(self.act(rows))
        return output.view(hidden.shape)
