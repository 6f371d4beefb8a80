"""Who may read whom in packed and padded rows. Legend: B batch, T tokens, D features."""

import math

import torch
from torch import Tensor

from massivetext.layers.attention import Mask, causal_mask
from massivetext.layers.packing import Packing, document_bounds, kernel_packs


def document_mask(embeddings: Tensor, segments: Tensor, window: int | None, packs: bool) -> Mask:
    """Return what attention needs for rows of several documents, of embeddings (B, T, D) and segments (B, T).

    packs: whether a kernel for packed rows may be used where there is one; it neither drops weights nor shows them.
    """
    if packs and kernel_packs(embeddings):
        return Packing(document_bounds(segments), window)
    mask = segment_mask(segments, window)
    if mask.device.type == "cpu":  # numbers are faster there than booleans
        mask = torch.zeros(mask.shape, dtype=embeddings.dtype).masked_fill_(~mask, -math.inf)
    return mask


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


def narrowed(mask: Mask, slots: Tensor, total: int, window: int) -> Mask:
    """Return a mask by which a token reads at most `window` tokens, itself included, of those that `mask` lets it read.

    slots: (T,) where in the `total` tokens that may be read those stand that read. mask: see `Context`.
    """
    if isinstance(mask, Packing):
        return mask._replace(window=window)
    if total <= window:
        return mask
    distance = slots[:, None] - torch.arange(total, device=slots.device)
    if mask is None:
        return ((distance >= 0) & (distance < window))[None, None]
    near = distance < window
    return mask & near if mask.dtype == torch.bool else mask.masked_fill(~near, -math.inf)
