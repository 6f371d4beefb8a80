"""Attention: one function for all families, its layers, and the norm and rotary turn of queries and keys.

Legend: B batch, T tokens that read, S tokens that are read, H query heads, D features.
"""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from massivetext.layers.cache import StaticCache
from massivetext.layers.packing import Packing, attend_packed

KeysValues = tuple[Tensor, Tensor]
Weights = list[Tensor] | None  # gets the softmax of each layer that computes one; None: nobody asks for it


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


Mask = Tensor | Packing | None


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


def segment_mask(segments: Tensor, window: int | None = None) -> Tensor:
    """Return which tokens may read which in packed rows, (B, 1, T, T) boolean: the past of the same document only.

    segments: (B, T) the number of the document that each token belongs to. window: see `causal_mask`.
    """
    same = segments[:, :, None] == segments[:, None, :]
    return (same & causal_mask(segments.shape[1], segments.device, window))[:, None]


def padding_mask(attention_mask: Tensor, window: int | None = None) -> Tensor:
    """Return which tokens may read which, (B, 1, T, T) boolean, for 1 = text, 0 = padding marks (B, T).

    Padding is read by none; where no text stands before it, it reads nothing either. window: see `causal_mask`.
    """
    tokens = attention_mask.shape[1]
    return (attention_mask.bool()[:, None, :] & causal_mask(tokens, attention_mask.device, window))[:, None]


def causal_mask(tokens: int, device: torch.device, window: int | None = None) -> Tensor:
    """Return the lower triangle, (T, T) boolean: a token reads itself and what is before it.

    window: it reads so many tokens at most, itself included (arXiv:2310.06825); None: all of them.
    """
    index = torch.arange(tokens, device=device)
    past = index[:, None] >= index[None, :]
    return past if window is None else past & (index[:, None] - index[None, :] < window)


def attend(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Mask = None,
    causal: bool = True,
    scale: float | None = None,
    dropout: float = 0.0,
    weights: Weights = None,
) -> Tensor:
    """Return softmax(scale q k^T + mask) v, (B, H, T, head_dim): the attention of every family.

    queries: (B, H, T, head_dim); keys, values: (B, H or a divisor of it, S, head_dim). mask: (B, 1, T, S) boolean, True
    where a token may be read (a query that may read none gets zeros), or numbers (B or 1, H or 1, T, S) added to the
    scores; or a `Packing`, with neither dropout nor weights; None: as `causal` says, which wants S = T, or one query,
    which reads every key. scale: None for 1 / sqrt(head_dim). dropout: share of weights set to zero. weights: a list
    that gets the softmax, (B, H, T, S); the fused kernels never form it, so the plain formula is computed then.
    """
    if isinstance(mask, Packing):
        return attend_packed(queries, keys, values, mask, scale)
    if weights is not None:
        weights.append(attention_weights(queries, keys, mask, causal, scale))
        dropped = functional.dropout(weights[-1], dropout)
        return dropped @ values.repeat_interleave(queries.shape[1] // values.shape[1], dim=1)
    return functional.scaled_dot_product_attention(
        queries,
        keys,
        values,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=causal and mask is None and queries.shape[2] > 1,
        scale=scale,
        enable_gqa=queries.shape[1] != keys.shape[1],
    )


def attention_weights(
    queries: Tensor, keys: Tensor, mask: Tensor | None = None, causal: bool = True, scale: float | None = None
) -> Tensor:
    """Return softmax(scale q k^T + mask), (B, H, T, S), taken in float32: how much each token reads of each other.

    Every row sums to one, or is zero where a boolean mask lets nothing be read. Arguments as for `attend`, whose slow
    twin this is.
    """
    keys = keys.repeat_interleave(queries.shape[1] // keys.shape[1], dim=1)
    scores = queries @ keys.transpose(-1, -2) * (1 / math.sqrt(queries.shape[-1]) if scale is None else scale)
    if mask is None and causal and queries.shape[2] > 1:
        mask = causal_mask(queries.shape[2], queries.device)
    if mask is None or mask.dtype != torch.bool:
        return (scores if mask is None else scores + mask).softmax(dim=-1, dtype=torch.float32).to(queries.dtype)
    # An empty row stays as it is and is set to zero afterwards: its softmax, and the gradient of that, would be NaN.
    empty = ~mask.any(dim=-1, keepdim=True)
    weights = scores.masked_fill(~(mask | empty), -math.inf).softmax(dim=-1, dtype=torch.float32)
    return weights.masked_fill(empty, 0.0).to(queries.dtype)


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
        mixed = attend(queries, keys, values, context.mask, dropout=dropout, weights=context.weights)
        output: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(batch, tokens, -1))
        return output


class HeadShape(NamedTuple):
    """The sizes of one attention layer; scale: what scores are multiplied by, None for 1/sqrt(head_dim)."""

    features: int
    heads: int
    head_dim: int
    bias: bool = True
    scale: float | None = None
    dropout: float = 0.0


def readable_mask(attention_mask: Tensor | None) -> Tensor | None:
    """Return which tokens may be read, (B, 1, 1, S) boolean, for 1 = text, 0 = padding marks (B, S); None: all may.

    A row that is all padding reads itself, because an empty row of the attention would give NaN.
    """
    if attention_mask is None:
        return None
    if not torch.compiler.is_compiling() and bool(attention_mask.all()):  # without a mask attention is faster
        return None
    marks = attention_mask.bool()
    return (marks | ~marks.any(dim=-1, keepdim=True))[:, None, None]


def additive(mask: Tensor | None, bias: Tensor) -> Tensor:
    """Return a bias on the scores (1 or B, H, T, S) with minus infinity where `mask` is False."""
    return bias if mask is None else bias.masked_fill(~mask, float("-inf"))


class MultiHeadAttention(nn.Module):
    """Attention of many heads (arXiv:1706.03762); families differ in the names of the four projections.

    names: of queries, keys, values and output; no output name: the caller has that projection.
    """

    def __init__(self, shape: HeadShape, names: tuple[str, str, str, str | None]) -> None:
        super().__init__()
        self.shape, self.names = shape, names
        wide = shape.heads * shape.head_dim
        for name in names[:3]:
            self.add_module(name, nn.Linear(shape.features, wide, bias=shape.bias))
        if names[3] is not None:
            self.add_module(names[3], nn.Linear(wide, shape.features, bias=shape.bias))

    def keys_values(self, hidden: Tensor) -> KeysValues:
        """Return the keys and values of hidden states (B, S, D), each (B, H, S, head_dim)."""
        return self._split(self.names[1], hidden), self._split(self.names[2], hidden)

    def forward(
        self, hidden: Tensor, mask: Tensor | None, read: KeysValues | None = None, weights: Weights = None
    ) -> Tensor:
        """Return what each token gathers, (B, T, D), or (B, T, H * head_dim) without an output projection.

        mask: boolean (B, 1, T or 1, S), True where a token may be read, or numbers added to the scores; None: all may.
        read: keys and values of the tokens that are read; None: those of `hidden`. weights: see `attend`.
        """
        queries = self._split(self.names[0], hidden)
        keys, values = self.keys_values(hidden) if read is None else read
        dropout = self.shape.dropout if self.training else 0.0
        mixed = attend(queries, keys, values, mask, False, self.shape.scale, dropout, weights)
        merged = mixed.transpose(1, 2).flatten(2)  # (B, T, H * head_dim)
        output: Tensor = merged if self.names[3] is None else getattr(self, self.names[3])(merged)
        return output

    def _split(self, name: str, hidden: Tensor) -> Tensor:
        """Return a projection of `hidden` by heads, (B, H, tokens, head_dim)."""
        projected: Tensor = getattr(self, name)(hidden)
        return torch.unflatten(projected, -1, (self.shape.heads, self.shape.head_dim)).transpose(1, 2)
