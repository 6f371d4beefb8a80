"""Attention: one function for all families, and the causal self-attention of the decoders.

Legend: B batch, T tokens that read, S tokens that are read, H query heads, D features.
"""

import math
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from massivetext.layers.cache import StaticCache
from massivetext.layers.norms import RMSNorm
from massivetext.layers.rotary import rotate

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


class Packing(NamedTuple):
    """Where documents stand in packed rows that are laid end to end, for kernels that take documents of any length.

    bounds: (N + 1,) int32, document n is tokens bounds[n] to bounds[n + 1]; empty ones stand at the end. window: see
    `causal_mask`.
    """

    bounds: Tensor
    window: int | None = None


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


def document_bounds(segments: Tensor) -> Tensor:
    """Return the bounds of the documents in rows laid end to end, (N + 1,) int32; see `Packing`.

    segments: (B, T), see `segment_mask`. N is a power of two, so that compiled code meets few shapes.
    """
    batch, tokens = segments.shape
    starts = torch.ones_like(segments, dtype=torch.bool)
    starts[:, 1:] = segments[:, 1:] != segments[:, :-1]
    places = starts.flatten().nonzero()[:, 0].to(torch.int32)
    documents = 1 << max(len(places) - 1, 0).bit_length()
    bounds = places.new_full((documents + 1,), batch * tokens)
    bounds[: len(places)] = places
    return bounds


def kernel_packs(embeddings: Tensor) -> bool:
    """Return whether packed documents can go through `attend_packed`: in half precision on a GPU."""
    if embeddings.device.type != "cuda":
        return False
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else embeddings.dtype
    return dtype in (torch.bfloat16, torch.float16)


def attend_packed(
    queries: Tensor, keys: Tensor, values: Tensor, packing: Packing, scale: float | None = None
) -> Tensor:
    """Return what `attend` gives with the mask of packed documents, (B, H, T, head_dim), without making that mask.

    Work grows with the squared length of documents, not of rows. Arguments as for `attend`; the documents never reach
    over the end of a row.
    """
    from torch.nn.attention import varlen

    batch, heads, tokens, features = queries.shape
    # Values come straight from a projection, so they have autocast's dtype; queries and keys that were turned may not.
    laid = [part.transpose(1, 2).flatten(0, 1).to(values.dtype) for part in (queries, keys, values)]  # (B * T, H, ...)
    window = (-1 if packing.window is None else packing.window - 1, 0)
    ends = (packing.bounds, packing.bounds, tokens, tokens)
    mixed: Any = varlen.varlen_attn(
        laid[0], laid[1], laid[2], *ends, scale=scale, window_size=window, enable_gqa=heads != keys.shape[1]
    )
    return cast(Tensor, mixed.view(batch, tokens, heads, features).transpose(1, 2))


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
