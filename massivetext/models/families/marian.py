"""Marian (arXiv:1804.00344): the original Transformer (arXiv:1706.03762), post-norm with sinusoidal positions."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from massivetext.models.families.bart import Bart, BartConfig, Layer


class MarianConfig(BartConfig):
    """The shape of a Marian translation model; field names are Hugging Face's."""

    model_type: ClassVar[str] = "marian"
    neutral: ClassVar[Mapping[str, Any]] = {
        **BartConfig.neutral, "normalize_embedding": False, "share_encoder_decoder_embeddings": True,
        "static_position_embeddings": True,
    }  # fmt: skip

    vocab_size: int = 58101
    """Rows of the embedding: at least the tokenizer's ids."""
    decoder_vocab_size: int | None = None
    """Rows of the decoder's embedding; None: it is the encoder's, the only case supported."""
    num_labels: int = 2
    """Labels of a classification head."""
    bos_token_id: int | None = None
    """Id put before a text."""
    eos_token_id: int | list[int] | None = 0
    """Id after which a text ends."""
    pad_token_id: int | None = 58100
    """Id that fills up short rows."""
    decoder_start_token_id: int | None = 58100
    """Id that starts the decoder's text."""
    forced_eos_token_id: int | None = 0
    """Id that `generate` puts last when the length limit is reached; None: the model chooses."""


def sinusoids(slots: Tensor, features: int) -> Tensor:
    """Return the sinusoidal positions of `slots` (T,), (T, features): all sines, then all cosines."""
    rates = 10000.0 ** (-torch.arange(0, features, 2, dtype=torch.float64, device=slots.device) / features)
    angles = slots[:, None].double() * rates
    return torch.cat([angles.sin(), angles.cos()[:, : features // 2]], dim=1).float()


class Stack(nn.Module):
    """The layers of one side behind sinusoidal positions."""

    def __init__(self, config: BartConfig, decoder: bool) -> None:
        super().__init__()
        count = config.decoder_layers if decoder else config.encoder_layers
        self.layers = nn.ModuleList(Layer(config, decoder) for _ in range(count))
        self.dropout = nn.Dropout(config.dropout)

    def enter(self, embeddings: Tensor, slots: Tensor) -> Tensor:
        """Return what the first layer reads, (B, T, D), of tokens at `slots` (T,)."""
        positions = sinusoids(slots, embeddings.shape[-1]).to(embeddings.dtype)
        return cast(Tensor, self.dropout(embeddings + positions))


class Marian(Bart):
    """Marian's body."""

    stack_class = Stack
    derived = rf"embed_positions\.weight$|{Bart.derived}"
