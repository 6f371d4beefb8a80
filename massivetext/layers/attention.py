"""What every family shares: attention as one function, its causal mask, and the norm by root mean square.

Legend: B batch, T tokens that read, S tokens that are read, H query heads, D features.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from massivetext.layers.packing import Packing, attend_packed

Weights = list[Tensor] | None  # gets the softmax of each layer that computes one; None: nobody asks for it
Mask = Tensor | Packing | None


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
