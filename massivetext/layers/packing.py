"""Packed documents on a GPU: attention within documents laid end to end, without a mask. Legend: B batch, T tokens."""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor


class Packing(NamedTuple):
    """Where documents stand in packed rows that are laid end to end, for kernels that take documents of any length.

    bounds: (N + 1,) int32, document n is tokens bounds[n] to bounds[n + 1]; empty ones stand at the end. window: see
    `causal_mask`.
    """

    bounds: Tensor
    window: int | None = None


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
