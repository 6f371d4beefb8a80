"""Positions in padded rows, and learned ones. Legend: B batch, T tokens, P places, D features."""

import torch
from torch import Tensor, nn
from torch.nn import functional


@torch.library.custom_op("massivetext::look_up", mutates_args=())
def look_up(table: Tensor, places: Tensor) -> Tensor:
    """Return the rows (B, T, D) of `table` (P, D) at `places` (B, T) int64.

    The compiler leaves this operation and its gradient alone: what it makes of a lookup's gradient adds numbers in
    whatever order threads come, so that equal runs end with different bits.
    """
    return functional.embedding(places, table)


@look_up.register_fake
def _shape(table: Tensor, places: Tensor) -> Tensor:
    return table.new_empty((*places.shape, table.shape[1]))


@torch.library.custom_op("massivetext::look_up_gradient", mutates_args=())
def look_up_gradient(gradient: Tensor, places: Tensor, rows: int) -> Tensor:
    """Return the gradient (rows, D) of a table from that of the rows looked up, (B, T, D)."""
    return torch.ops.aten.embedding_dense_backward(gradient.contiguous(), places, rows, -1, False)


@look_up_gradient.register_fake
def _gradient_shape(gradient: Tensor, places: Tensor, rows: int) -> Tensor:
    return gradient.new_empty((rows, gradient.shape[-1]))


def _keep(ctx: torch.autograd.function.FunctionCtx, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    table, places = inputs
    ctx.save_for_backward(places)
    ctx.rows = table.shape[0]  # type: ignore[attr-defined]


def _backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
    (places,) = ctx.saved_tensors  # type: ignore[attr-defined]
    return look_up_gradient(gradient, places, ctx.rows), None  # type: ignore[attr-defined]


look_up.register_autograd(_backward, setup_context=_keep)


def padded_positions(attention_mask: Tensor, padding_position: int | None) -> Tensor:
    """Return the position of each token, (B, T) int64, for 1 = text, 0 = padding marks (B, T): text counts from 0.

    Padding stands at `padding_position`; None: where its column is, counted from the first of the text, 0 before that.
    """
    counted = attention_mask.long().cumsum(dim=-1)
    columns = torch.arange(counted.shape[1], device=counted.device)
    behind = (columns - (counted == 0).sum(dim=-1, keepdim=True)).clamp(min=0)
    padding = behind if padding_position is None else torch.full_like(counted, padding_position)
    return torch.where(attention_mask.bool(), counted - 1, padding)


class LearnedPositions(nn.Embedding):
    """A table of position vectors; some families leave its first `offset` rows for other uses (OPT, BART: 2)."""

    def __init__(self, places: int, features: int, offset: int = 0) -> None:
        super().__init__(places + offset, features)
        self.offset = offset

    def forward(self, positions: Tensor) -> Tensor:
        """Return the vectors (B, T, D) of positions (B, T) int64, counted from 0 in each document."""
        return look_up(self.weight, positions + self.offset)
