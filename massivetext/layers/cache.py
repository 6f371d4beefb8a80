"""The keys and values of tokens already read, in tensors of fixed size. Legend: B batch, T tokens, S slots, H heads."""

import torch
from torch import Tensor


class StaticCache:
    """Keys and values of every layer, (B, H, S, head_dim) each, written in place slot by slot.

    Nothing is allocated or copied as tokens come. `used`: how many slots, from the first, the next `update` returns.
    """

    def __init__(self, layers: int, batch: int, heads: int, slots: int, head_dim: int, like: Tensor) -> None:
        """Make an empty cache with the dtype and device of `like`."""
        shape = (batch, heads, slots, head_dim)
        self.keys = [like.new_zeros(shape) for _ in range(layers)]
        self.values = [like.new_zeros(shape) for _ in range(layers)]
        self.used = self.slots = slots

    def update(self, layer: int, keys: Tensor, values: Tensor, slots: Tensor) -> tuple[Tensor, Tensor]:
        """Write keys and values (B, H, T, head_dim) of `layer` at `slots` (T,) int64; return its used slots."""
        self.keys[layer].index_copy_(2, slots, keys)
        self.values[layer].index_copy_(2, slots, values)
        return self.keys[layer][:, :, : self.used], self.values[layer][:, :, : self.used]

    def select_rows(self, rows: Tensor) -> None:
        """Keep the given batch rows (int64), in that order; a row may appear several times."""
        self.keys = [keys.index_select(0, rows) for keys in self.keys]
        self.values = [values.index_select(0, rows) for values in self.values]

    def reorder_rows(self, rows: Tensor, used: int) -> None:
        """Put the first `used` slots of row rows[i] in the place of row i's, (B,) int64, inside the same memory."""
        for tensor in (*self.keys, *self.values):
            tensor[:, :, :used] = tensor[:, :, :used].index_select(0, rows)


def slot_mask(slots: Tensor, first_slots: Tensor, total: int, window: int | None = None) -> Tensor:
    """Return which cache slots each new token may read: (B, 1, T, total) boolean, causal and without left padding.

    slots: (T,) where the new tokens are written. first_slots: (B,) the first slot of each row that is not padding. A
    padding token may read itself, so that no row of the attention is empty. window: the most slots that a token reads.
    """
    reader, read = slots[:, None], torch.arange(total, device=slots.device)[None, :]
    past = read <= reader if window is None else (read <= reader) & (reader - read < window)
    allowed = past[None] & (read[None] >= first_slots[:, None, None])
    return (allowed | (read == reader)[None])[:, None]
