"""Positions in padded rows. Legend: B batch, T tokens."""

import torch
from torch import Tensor


def padded_positions(attention_mask: Tensor, padding_position: int | None) -> Tensor:
    """Return the position of each token, (B, T) int64, for 1 = text, 0 = padding marks (B, T): text counts from 0.

    Padding stands at `padding_position`; None: where its column is, counted from the first of the text, 0 before that.
    """
    counted = attention_mask.long().cumsum(dim=-1)
    columns = torch.arange(counted.shape[1], device=counted.device)
    behind = (columns - (counted == 0).sum(dim=-1, keepdim=True)).clamp(min=0)
    padding = behind if padding_position is None else torch.full_like(counted, padding_position)
    return torch.where(attention_mask.bool(), counted - 1, padding)
