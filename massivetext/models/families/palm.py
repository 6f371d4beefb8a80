"""PaLM (arXiv:2204.02311): attention and a gated feed-forward side by side behind one norm, one key and value head.

No weights were published, and transformers has no such model: the tests compare it with a plain reading of the paper.
"""

import math
from typing import Any, ClassVar, cast

from torch import Tensor, nn

from massivetext.layers.attention import Context, SelfAttention
from massivetext.layers.feedforward import GatedFeedForward
from massivetext.layers.rotary import RopeScaling
from massivetext.models.config import DecoderConfig
from massivetext.models.decoder import Decoder
from massivetext.models.files.config_json import read_rotary


class PaLMConfig(DecoderConfig):
    """The shape of a PaLM model. No part has a bias."""

    model_type: ClassVar[str] = "palm"
    architecture: ClassVar[str] = "PaLMForCausalLM"

    intermediate_size: int | None = None
    """Features inside the feed-forward part; None: four times hidden_size, though it is gated."""
    head_dim: int | None = None
    """Features of one head, even; the paper: 256. None: hidden_size / num_attention_heads."""
    tie_word_embeddings: bool = True
    """Whether the head uses the embedding's weights."""
    initializer_range: float = 1.0
    """Standard deviation of freshly made embeddings, which no norm follows."""
    layer_norm_eps: float = 1e-6
    """Added to the variance before its root is taken."""
    rope_theta: float = 10000.0
    """Base of the rotary frequencies."""
    rope_scaling: RopeScaling | None = None
    """How the rotary frequencies are changed for a longer context; None: not at all."""

    @property
    def head_features(self) -> int:
        """Features of one attention head."""
        return self.head_dim or super().head_features

    @property
    def key_value_heads(self) -> int:
        """Key and value heads of one block: one, which all queries share (arXiv:1911.02150)."""
        return 1

    @property
    def rotary_features(self) -> int:
        """How many features of a head the rotary positions turn: all."""
        return self.head_features

    @property
    def feedforward_features(self) -> int:
        """Features inside the feed-forward part."""
        return self.intermediate_size or 4 * self.hidden_size

    @classmethod
    def read_own_fields(cls, values: dict[str, Any], where: str) -> dict[str, Any]:
        """Return the fields with the two ways of writing rotary settings made one."""
        return read_rotary(values, where)


class PaLMBlock(nn.Module):
    """One block: x + attention(norm(x)) + feedforward(norm(x))."""

    order = "one norm"

    def __init__(self, config: PaLMConfig, number: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config.attention_shape())
        self.mlp = GatedFeedForward(config.hidden_size, config.feedforward_features, config.hidden_act, False)
        self.input_layernorm = self.make_norm(config)

    @staticmethod
    def make_norm(config: Any) -> nn.Module:
        """Return a layer norm with a scale and no bias."""
        return nn.LayerNorm(config.hidden_size, config.layer_norm_eps, bias=False)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the hidden state after this block, (B, T, D)."""
        normed = self.input_layernorm(hidden)
        return cast(Tensor, hidden + self.self_attn(normed, context) + self.mlp(normed))


class PaLM(Decoder):
    """PaLM's body."""

    prefixes = ("model.",)
    block_class = PaLMBlock

    def leave(self, hidden: Tensor) -> Tensor:
        """Return what the head reads, (B, T, D): logits are divided by sqrt(D), as embeddings have deviation one."""
        return super().leave(hidden) / math.sqrt(self.config.hidden_size)

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the paper's: initializer_range for the embedding, 1/sqrt(inputs) for all matrices."""
        if name.endswith(("embed_tokens.weight", "lm_head.weight")):
            return float(self.config.initializer_range)
        return 1 / math.sqrt(parameter.shape[1])
