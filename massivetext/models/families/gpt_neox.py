"""GPT-NeoX (arXiv:2204.06745), and Pythia (arXiv:2304.01373): parts side by side, rotary in part."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

from pydantic import Field, model_validator
from torch import Tensor, nn

from massivetext.layers.attention import AttentionShape, Context
from massivetext.layers.feedforward import PlainFeedForward
from massivetext.layers.rotary import RopeScaling
from massivetext.models.blocks import OUTPUT_PROJECTIONS, DecoderBlock
from massivetext.models.config import DecoderConfig, Dropouts, read_rotary
from massivetext.models.decoder import CausalDecoder
from massivetext.models.files.naming import QUERY_KEY_VALUE, Stored


class GPTNeoXConfig(DecoderConfig):
    """The shape of a GPT-NeoX model."""

    model_type: ClassVar[str] = "gpt_neox"
    architecture: ClassVar[str] = "GPTNeoXForCausalLM"
    field_names: ClassVar[Mapping[str, str]] = {"rope_theta": "rotary_emb_base"}
    required: ClassVar[tuple[str, ...]] = (*DecoderConfig.required, "intermediate_size")
    neutral: ClassVar[Mapping[str, Any]] = {
        "attention_bias": True, "attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0,
    }  # fmt: skip

    hidden_act: str = "gelu"
    """Activation of the feed-forward part, by Hugging Face's name."""
    layer_norm_eps: float = 1e-5
    """Added to the variance before its root is taken."""
    rope_theta: float = 10000.0
    """Base of the rotary frequencies."""
    rope_scaling: RopeScaling | None = None
    """How the rotary frequencies are changed for a longer context; None: not at all."""
    rotary_pct: float = Field(0.25, gt=0, le=1)
    """Share of a head's features, from the first, that the rotary positions turn; the others know no position."""
    use_parallel_residual: bool = True
    """Whether attention and feed-forward read the same input and are added together, or follow each other."""
    hidden_dropout: float = 0.0
    """Dropout after the embeddings, attention and feed-forward, in training."""
    attention_dropout: float = 0.0
    """Dropout of the attention's weights, in training."""
    classifier_dropout: float | None = 0.1
    """Share of features that training drops before a classifier of tokens."""

    @model_validator(mode="after")
    def _check_rotary(self) -> Self:
        if self.rotary_features < 2 or self.rotary_features % 2 or self.rotary_features > self.head_features:
            raise ValueError(
                f"rotary_pct {self.rotary_pct} of heads of {self.head_features} features are {self.rotary_features}; "
                f"rotary positions need an even number, at least 2 and at most the head"
            )
        return self

    @property
    def gated(self) -> bool:
        """Whether the feed-forward part is gated: it is not."""
        return False

    @property
    def dropouts(self) -> Dropouts:
        """What is dropped in training."""
        return Dropouts(self.hidden_dropout, self.attention_dropout, self.hidden_dropout)

    @property
    def rotary_features(self) -> int:
        """How many features of a head the rotary positions turn."""
        return int(self.head_features * self.rotary_pct)

    def attention_shape(self) -> AttentionShape:
        """Return the sizes of one attention layer, all of whose projections have biases."""
        return super().attention_shape()._replace(bias=True, output_bias=True)

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the content of config.json, which transformers 4 and 5 and this package read alike."""
        scaling = None if self.rope_scaling is None else self.rope_scaling.written()
        rotary = {"rope_theta": self.rope_theta, "partial_rotary_factor": self.rotary_pct}
        parameters = {**rotary, **(scaling or {"rope_type": "default"})}
        return {**super().to_hugging_face(), "rope_scaling": scaling, "rope_parameters": parameters}

    @classmethod
    def read_own_fields(cls, values: dict[str, Any], where: str) -> dict[str, Any]:
        """Return the fields with the two ways of writing rotary settings made one."""
        parameters = values.get("rope_parameters") or {}
        values.setdefault("rotary_pct", parameters.get("partial_rotary_factor", 0.25))
        return read_rotary(values, where, partial=values["rotary_pct"])


class GPTNeoXBlock(DecoderBlock):
    """One block: x + attention(norm(x)) + feedforward(norm'(x))."""

    def __init__(self, config: GPTNeoXConfig) -> None:
        super().__init__(config)
        self.parallel = config.use_parallel_residual

    def make_feedforward(self, config: DecoderConfig) -> nn.Module:
        """Return down(act(up(x)))."""
        sizes = (config.hidden_size, config.feedforward_features)
        return PlainFeedForward(sizes, config.hidden_act, True, ("up_proj", "down_proj"))

    @staticmethod
    def make_norm(config: Any) -> nn.Module:
        """Return a layer norm with scale and bias (arXiv:1607.06450)."""
        return nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the hidden state after this block, (B, T, D)."""
        if not self.parallel:
            return super().forward(hidden, context)
        gathered = self.self_attn(self.input_layernorm(hidden), context)
        thought = self.mlp(self.post_attention_layernorm(hidden))
        return cast(Tensor, hidden + self.dropout(gathered) + self.dropout(thought))


class GPTNeoXForCausalLM(CausalDecoder):
    """A GPT-NeoX causal language model."""

    config_class = GPTNeoXConfig
    block_class = GPTNeoXBlock
    stored_base = "gpt_neox."
    stored_head = "embed_out.weight"
    computed = r"rotary_emb\.inv_freq$|\.attention\.(masked_)?bias$"

    @classmethod
    def stored_names(cls, config: Any) -> tuple[Stored, ...]:
        """Return GPT-NeoX's names; queries, keys and values lie together, head by head."""
        block, inside = "gpt_neox.layers.*.", "model.layers.*."
        return (
            Stored("gpt_neox.embed_in", ("model.embed_tokens",)),
            Stored(f"{block}input_layernorm", (f"{inside}input_layernorm",)),
            Stored(f"{block}attention.query_key_value", QUERY_KEY_VALUE, heads=config.num_attention_heads),
            Stored(f"{block}attention.dense", (f"{inside}self_attn.o_proj",)),
            Stored(f"{block}post_attention_layernorm", (f"{inside}post_attention_layernorm",)),
            Stored(f"{block}mlp.dense_h_to_4h", (f"{inside}mlp.up_proj",)),
            Stored(f"{block}mlp.dense_4h_to_h", (f"{inside}mlp.down_proj",)),
            Stored("gpt_neox.final_layer_norm", ("model.norm",)),
            Stored("embed_out", ("lm_head",)),
        )

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return Pythia's: sqrt(2 / (5 D)), and 2 / (L sqrt(D)) for what adds to the residual stream."""
        if name.endswith("bias"):
            return 0.0
        features = self.config.hidden_size
        if name.endswith(OUTPUT_PROJECTIONS):
            return 2 / (self.config.num_hidden_layers * math.sqrt(features))
        return math.sqrt(2 / (5 * features))
