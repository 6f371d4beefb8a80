"""mT5 (arXiv:2010.11934): T5 v1.1 for 101 languages."""

from typing import ClassVar

from massivetext.models.families.t5 import T5Config


class MT5Config(T5Config):
    """The shape of an mT5 model: T5 v1.1 with a vocabulary of 101 languages."""

    model_type: ClassVar[str] = "mt5"

    vocab_size: int = 250112
    """Rows of the embedding: at least the tokenizer's ids."""
    d_ff: int = 1024
    """Features inside the feed-forward part."""
    num_layers: int = 8
    """Blocks of the encoder."""
    num_heads: int = 6
    """Heads of each block."""
    feed_forward_proj: str = "gated-gelu"
    """Feed-forward part."""

    @property
    def scaled(self) -> bool:
        """Whether the head reads hidden states divided by sqrt(d_model): never."""
        return False
