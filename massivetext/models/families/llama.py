"""Llama (arXiv:2302.13971): norms by root mean square first, rotary positions, grouped keys, a gated feed-forward part.

Mistral, Qwen2, Qwen3 and Arcee are relatives: they import this file and show what differs. Legend: B batch, T tokens,
D features.
"""

import math
from typing import Any, ClassVar, Self, cast

from pydantic import model_validator
from torch import Tensor, nn

from massivetext.layers.attention import AttentionShape, Context, RMSNorm, SelfAttention
from massivetext.layers.feedforward import GatedFeedForward
from massivetext.layers.rotary import RopeScaling
from massivetext.models.config import DecoderConfig
from massivetext.models.decoder import Decoder
from massivetext.models.files.config_json import read_rotary

# The matrices that write into the residual stream; they start at zero, so that a fresh block passes its input through.
OUTPUT_PROJECTIONS = ("o_proj.weight", "down_proj.weight", "fc2.weight")


class RotaryConfig(DecoderConfig):
    """The shape of a decoder of Llama's kind: rotary positions, grouped keys, norms by root mean square."""

    required: ClassVar[tuple[str, ...]] = (*DecoderConfig.required, "intermediate_size")

    num_key_value_heads: int | None = None
    """Key and value heads of each block, a divisor of the query heads; None: as many."""
    head_dim: int | None = None
    """Features of one head, even; None: hidden_size / num_attention_heads."""
    rms_norm_eps: float = 1e-6
    """Added to the mean square before its root is taken."""
    rope_theta: float = 10000.0
    """Base of the rotary frequencies."""
    rope_scaling: RopeScaling | None = None
    """How the rotary frequencies are changed for a longer context; None: not at all."""
    attention_bias: bool = False
    """Whether the four attention projections have biases."""

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.head_features % 2:
            raise ValueError(f"head_dim is {self.head_features}; rotary positions need an even number")
        if self.num_attention_heads % self.key_value_heads:
            raise ValueError(
                f"num_attention_heads {self.num_attention_heads} is not a multiple of "
                f"num_key_value_heads {self.key_value_heads}"
            )
        return self

    @property
    def head_features(self) -> int:
        """Features of one attention head."""
        return self.head_dim or self.hidden_size // self.num_attention_heads

    @property
    def key_value_heads(self) -> int:
        """Key and value heads of one block."""
        return self.num_key_value_heads or self.num_attention_heads

    @property
    def rotary_features(self) -> int:
        """How many features of a head the rotary positions turn: all."""
        return self.head_features

    def attention_shape(self) -> AttentionShape:
        """Return the sizes of one attention layer."""
        return super().attention_shape()._replace(bias=self.attention_bias, output_bias=self.attention_bias)

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the content of config.json, which transformers 4 and 5 and this package read alike."""
        values = super().to_hugging_face()
        values["num_key_value_heads"] = self.key_value_heads
        values["head_dim"] = self.head_features
        scaling = None if self.rope_scaling is None else self.rope_scaling.written()
        values["rope_scaling"] = scaling
        values["rope_parameters"] = {"rope_theta": self.rope_theta, **(scaling or {"rope_type": "default"})}
        return values

    @classmethod
    def read_own_fields(cls, values: dict[str, Any], where: str) -> dict[str, Any]:
        """Return the fields with the two ways of writing rotary settings made one."""
        return read_rotary(values, where)


class LlamaConfig(RotaryConfig):
    """The shape of a Llama model (also of the many models published in its format)."""

    model_type: ClassVar[str] = "llama"
    architecture: ClassVar[str] = "LlamaForCausalLM"

    mlp_bias: bool = False
    """Whether the feed-forward projections have biases."""


class LlamaBlock(nn.Module):
    """Norm, attention, add; norm, feed-forward, add (arXiv:2002.04745), under Hugging Face's names."""

    order = "norm first"

    def __init__(self, config: Any, number: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config.attention_shape())
        self.mlp = self.make_feedforward(config)
        self.input_layernorm = self.make_norm(config)
        self.post_attention_layernorm = self.make_norm(config)

    @staticmethod
    def make_feedforward(config: Any) -> nn.Module:
        """Return down(act(gate(x)) * up(x))."""
        bias = getattr(config, "mlp_bias", False)
        return GatedFeedForward(config.hidden_size, config.feedforward_features, config.hidden_act, bias)

    @staticmethod
    def make_norm(config: Any) -> nn.Module:
        """Return a norm over the hidden features."""
        return RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the hidden state after this block, (B, T, D)."""
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), context)
        return cast(Tensor, hidden + self.mlp(self.post_attention_layernorm(hidden)))


class Llama(Decoder):
    """Llama's body; files name its parts as it does."""

    prefixes: ClassVar[tuple[str, ...]] = ("model.", "transformer.")  # the second is that of some question answerers
    block_class: ClassVar[Any] = LlamaBlock

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the standard deviation of a fresh parameter that is no norm scale; 0.0 means all zeros.

        Matrices that write into the residual stream and an untied head zero, other matrices 1/sqrt(inputs), the
        embedding `initializer_range`.
        """
        if name.endswith(("embed_tokens.weight", "embed_positions.weight")):
            return float(self.config.initializer_range)
        if name.endswith(("lm_head.weight", *OUTPUT_PROJECTIONS)):
            return 0.0
        return 1.0 / math.sqrt(parameter.shape[1])
