"""Gemma 3, text (arXiv:2503.19786): blocks with a short window of the past between blocks that read all of it.

Norms stand before and after each half of a block and multiply by one plus their weight. Legend: B batch, T tokens,
D features.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from massivetext.errors import ModelError
from massivetext.layers.attention import RMSNorm
from massivetext.layers.block import AttentionShape, Context, GatedFeedForward, SelfAttention, rotary_tables
from massivetext.layers.masks import narrowed
from massivetext.layers.rotary import inverse_frequencies
from massivetext.models.config import DecoderConfig
from massivetext.models.decoder import Decoder
from massivetext.models.families.llama import RotaryConfig
from massivetext.models.files.config_json import read_rotary

SLIDING, FULL = "sliding_attention", "full_attention"


class Gemma3TextConfig(RotaryConfig):
    """The shape of a Gemma 3 model that reads text."""

    model_type: ClassVar[str] = "gemma3_text"
    architecture: ClassVar[str] = "Gemma3ForCausalLM"
    field_names: ClassVar[Mapping[str, str]] = {"hidden_act": "hidden_activation"}
    harmless: ClassVar[frozenset[str]] = RotaryConfig.harmless | {"_sliding_window_pattern", "cache_implementation"}
    neutral: ClassVar[Mapping[str, Any]] = {
        **RotaryConfig.neutral, "attn_logit_softcapping": None, "use_bidirectional_attention": False,
    }  # fmt: skip

    hidden_act: str = "gelu_pytorch_tanh"
    """Activation of the feed-forward part, by Hugging Face's name."""
    tie_word_embeddings: bool = True
    """Whether the head uses the embedding's weights."""
    rope_theta: float = 1000000.0
    """Base of the rotary frequencies of blocks with full attention; `rope_scaling` changes these only."""
    rope_local_base_freq: float = Field(10000.0, gt=0, allow_inf_nan=False)
    """Base of the rotary frequencies of blocks with a window."""
    sliding_window: int = Field(512, ge=1)
    """How many tokens, itself included, a token reads at most in a block with a window."""
    sliding_window_pattern: int = Field(6, ge=1)
    """Every block whose number, counted from 1, is a multiple of it has full attention, where layer_types is None."""
    layer_types: list[Literal["sliding_attention", "full_attention"]] | None = None
    """The attention of each block; None: as `sliding_window_pattern` says."""
    query_pre_attn_scalar: int | None = Field(None, ge=1)
    """Attention scores are divided by its square root; None: features of a head."""
    final_logit_softcapping: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Logits are bent smoothly into plus or minus this bound; None: not at all."""

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        if self.layer_types is not None and len(self.layer_types) != self.num_hidden_layers:
            raise ValueError(
                f"layer_types has {len(self.layer_types)} entries and num_hidden_layers is {self.num_hidden_layers}; "
                f"give one entry for each block"
            )
        return self

    @property
    def kinds(self) -> list[str]:
        """The attention of each block."""
        if self.layer_types is not None:
            return list(self.layer_types)
        every = self.sliding_window_pattern
        return [SLIDING if number % every else FULL for number in range(1, self.num_hidden_layers + 1)]

    @property
    def softcap(self) -> float | None:
        """The bound that logits are bent into, or None."""
        return self.final_logit_softcapping

    def attention_shape(self) -> AttentionShape:
        """Return the sizes of one attention layer, with what its scores are multiplied by."""
        scalar = self.query_pre_attn_scalar or self.head_features
        return super().attention_shape()._replace(norm_epsilon=self.rms_norm_eps, scale=scalar**-0.5)

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the content of config.json, which transformers 4 and 5 and this package read alike."""
        values = super().to_hugging_face()
        del values["sliding_window_pattern"]  # layer_types says it for each block
        values["query_pre_attn_scalar"] = self.query_pre_attn_scalar or self.head_features
        near = {"rope_type": "default", "rope_theta": self.rope_local_base_freq}
        values["rope_parameters"] = {SLIDING: near, FULL: values["rope_parameters"]}
        return {**values, "layer_types": self.kinds}

    @classmethod
    def read_own_fields(cls, values: dict[str, Any], where: str) -> dict[str, Any]:
        """Return the fields with the two ways of writing rotary settings made one, for each kind of block."""
        written = dict(values.get("rope_parameters") or {})
        if written.keys() - {SLIDING, FULL}:
            raise ModelError(f"{where} has rope_parameters for {', '.join(written)}; allowed: {SLIDING}, {FULL}")
        near = read_rotary({"rope_parameters": written.get(SLIDING)}, f"rope_parameters.{SLIDING} in {where}")
        if near["rope_scaling"] is not None:
            raise ModelError(f"{where} scales the positions of blocks with a window, which is not supported; remove it")
        values = read_rotary({**values, "rope_parameters": written.get(FULL)}, where)
        theta = near.get("rope_theta")
        if theta is not None and values.setdefault("rope_local_base_freq", theta) != theta:
            raise ModelError(
                f"{where} says rope_local_base_freq = {values['rope_local_base_freq']} and rope_parameters.{SLIDING}."
                f"rope_theta = {theta}; write the same number in both, or remove one"
            )
        return values

    @classmethod
    def published_defaults(cls) -> dict[str, Any]:
        """Return what transformers assumes for fields missing in a config.json."""
        return {"head_dim": 256, "num_key_value_heads": 4, "query_pre_attn_scalar": 256, "sliding_window": 4096}


class Gemma3Norm(RMSNorm):
    """Division by the root mean square, then times one plus the weight, all in float32; the weight starts at zero."""

    def forward(self, values: Tensor) -> Tensor:
        """Return `values` (..., D) normed; dtype is kept."""
        weight = cast(Tensor, self.weight).float() + 1.0
        return functional.rms_norm(values.float(), (self.features,), weight, self.epsilon).to(values.dtype)


class Gemma3Attention(SelfAttention):
    """Self-attention with Gemma's norm on queries and keys, per head, before the rotary turn."""

    def __init__(self, shape: AttentionShape) -> None:
        super().__init__(shape._replace(norm="before_rotary"))
        self.q_norm = Gemma3Norm(shape.head_dim, shape.norm_epsilon)
        self.k_norm = Gemma3Norm(shape.head_dim, shape.norm_epsilon)


class Gemma3Block(nn.Module):
    """Norm, attention, norm, add; norm, feed-forward, norm, add, under Hugging Face's names."""

    order = "norm around"

    def __init__(self, config: Gemma3TextConfig, number: int) -> None:
        super().__init__()
        self.self_attn = Gemma3Attention(config.attention_shape())
        self.mlp = GatedFeedForward(config.hidden_size, config.feedforward_features, config.act_function, False)
        self.input_layernorm, self.post_attention_layernorm = self.make_norm(config), self.make_norm(config)
        self.pre_feedforward_layernorm, self.post_feedforward_layernorm = self.make_norm(config), self.make_norm(config)

    @staticmethod
    def make_norm(config: Any) -> nn.Module:
        """Return a norm over the hidden features."""
        return Gemma3Norm(config.hidden_size, config.rms_norm_eps)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the hidden state after this block, (B, T, D)."""
        hidden = hidden + self.post_attention_layernorm(self.self_attn(self.input_layernorm(hidden), context))
        return cast(Tensor, hidden + self.post_feedforward_layernorm(self.mlp(self.pre_feedforward_layernorm(hidden))))


class Gemma3Text(Decoder):
    """Gemma 3's body; files name its parts as it does."""

    prefixes = ("model.",)
    first_scale = 0.0
    block_class = Gemma3Block
    near_frequencies: Tensor

    def build(self, config: DecoderConfig) -> None:
        """Make the parts of every decoder, and the rotary frequencies of blocks with a window."""
        super().build(config)
        own = cast(Gemma3TextConfig, config)
        self.kinds, self.near = own.kinds, own.sliding_window
        with torch.device("cpu"):
            near = inverse_frequencies(own.rotary_features, own.rope_local_base_freq)
            self.register_buffer("near_frequencies", near, persistent=False)

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T), times sqrt(D), which is rounded as the weights are."""
        embeddings = super().embed(input_ids)
        return embeddings * torch.tensor(math.sqrt(embeddings.shape[-1]), dtype=embeddings.dtype)

    def contexts(self, context: Context, positions: Tensor) -> list[Context]:
        """Return what each block is told: those with a window have frequencies and a mask of their own."""
        assert context.cosine is not None
        cosine, sine = rotary_tables(positions, self.near_frequencies, context.cosine.dtype)
        slots = torch.arange(positions.shape[1], device=positions.device) if context.slots is None else context.slots
        total = len(slots) if context.cache is None else context.cache.used
        mask = narrowed(context.mask, slots, total, self.near)
        near = context._replace(cosine=cosine, sine=sine, mask=mask)
        told = (near if kind == SLIDING else context for kind in self.kinds)
        return [one._replace(layer=number) for number, one in enumerate(told)]

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the deviation of a fresh parameter: embedding `initializer_range`, other matrices 1/sqrt(inputs).

        The projections into the residual stream do not start at zero as Llama's do, because norms follow them.
        """
        if name.endswith("embed_tokens.weight"):
            return float(self.config.initializer_range)
        return 0.0 if name.endswith("lm_head.weight") else 1.0 / math.sqrt(parameter.shape[1])
