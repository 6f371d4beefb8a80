"""Multi-head attention over any tokens: one's own text in both directions, its past, or another text.

Legend: B batch, T tokens that read, S tokens that are read, H heads, D features.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from massivetext.layers.attention import Weights, attend
from massivetext.layers.cache import StaticCache

KeysValues = tuple[Tensor, Tensor]


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


class Memory(NamedTuple):
    """What the encoder read: hidden (B, S, D), mask (B, 1, 1, S) or None, hidden states of every layer."""

    hidden: Tensor
    mask: Tensor | None
    states: tuple[Tensor, ...]


class Reading(NamedTuple):
    """What all decoder layers of one pass share.

    slots: (T,) places of the tokens in the decoder's text. mask: boolean (B or 1, 1, T, places read), None: all may be
    read. memory: keys and values of the source, by layer. cache: where the text read before is kept, or None. weights,
    memory_weights: where each layer puts its attention weights, see `attend`; None: they are not kept.
    """

    slots: Tensor
    mask: Tensor | None
    memory: list[KeysValues]
    memory_mask: Tensor | None
    cache: StaticCache | None = None
    weights: Weights = None
    memory_weights: Weights = None

    def text(self, attention: MultiHeadAttention, hidden: Tensor, layer: int) -> KeysValues:
        """Return the keys and values of the decoder's own text, with what the cache holds of it."""
        keys, values = attention.keys_values(hidden)
        return (keys, values) if self.cache is None else self.cache.update(layer, keys, values, self.slots)
