"""GPT-NeoX (arXiv:2204.06745), and Pythia (arXiv:2304.01373): parts side by side, rotary in part."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

from pydantic import Field, model_validator
from torch import Tensor, nn

from massivetext.layers.attention import AttentionShape, Context, SelfAttention
from massivetext.layers.feedforward import PlainFeedForward
from massivetext.layers.rotary import RopeScaling
from massivetext.models.config import DecoderConfig, Dropouts
from massivetext.models.decoder import Decoder
from massivetext.models.files.config_json import read_rotary
from massivetext.models.files.naming import QUERY_KEY_VALUE, Stored


class GPTNeoXConfig(DecoderConfig):
    """The shape of a GPT-NeoX model."""

    model_type: ClassVar[str] = "gpt_neox"
    architecture: ClassVar[str] = "GPTNeoXForCausalLM"
    field_names: ClassVar[Mapping[str, str]] = {"rope_theta": "rotary_emb_base"}
    required: ClassVar[tuple[str, ...]] = (*DecoderConfig.required, "intermediate_size")
    neutral: ClassVar[Mapping[str, Any]] = {
        **DecoderConfig.neutral, "attention_bias": True, "attention_probs_dropout_prob": 0.0,
        "hidden_dropout_prob": 0.0,
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


OUTPUT_PROJECTIONS = ("o_proj.weight", "down_proj.weight")  # which write into the residual stream


class GPTNeoXBlock(nn.Module):
    """One block: x + attention(norm(x)) + feedforward(norm'(x)), or one part after the other."""

    def __init__(self, config: GPTNeoXConfig, number: int) -> None:
        super().__init__()
        self.order = "parallel" if config.use_parallel_residual else "norm first"
        sizes = (config.hidden_size, config.feedforward_features)
        self.self_attn = SelfAttention(config.attention_shape())
        self.mlp = PlainFeedForward(sizes, config.hidden_act, True, ("up_proj", "down_proj"))
        self.input_layernorm, self.post_attention_layernorm = self.make_norm(config), self.make_norm(config)
        self.dropout = nn.Dropout(config.dropouts.residual)

    @staticmethod
    def make_norm(config: Any) -> nn.Module:
        """Return a layer norm with scale and bias (arXiv:1607.06450)."""
        return nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the hidden state after this block, (B, T, D)."""
        gathered = self.dropout(self.self_attn(self.input_layernorm(hidden), context))
        if self.order == "parallel":
            return cast(Tensor, hidden + gathered + self.dropout(self.mlp(self.post_attention_layernorm(hidden))))
        hidden = hidden + gathered
        return cast(Tensor, hidden + self.dropout(self.mlp(self.post_attention_layernorm(hidden))))


class GPTNeoX(Decoder):
    """GPT-NeoX's body."""

    prefixes = ("gpt_neox.",)
    head_names: ClassVar[dict[str, str]] = {"lm_head": "embed_out"}
    derived = rf"\.attention\.(masked_)?bias$|{Decoder.derived}"
    table = "embed_in"
    block_class = GPTNeoXBlock

    @classmethod
    def stored_names(cls, config: Any) -> tuple[Stored, ...]:
        """Return GPT-NeoX's names; queries, keys and values lie together, head by head."""
        return (
            Stored("embed_in", ("embed_tokens",)),
            Stored("layers.*.attention.query_key_value", QUERY_KEY_VALUE, heads=config.num_attention_heads),
            Stored("layers.*.attention.dense", ("layers.*.self_attn.o_proj",)),
            Stored("layers.*.mlp.dense_h_to_4h", ("layers.*.mlp.up_proj",)),
            Stored("layers.*.mlp.dense_4h_to_h", ("layers.*.mlp.down_proj",)),
            Stored("final_layer_norm", ("norm",)),
        )

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return Pythia's: sqrt(2 / (5 D)), and 2 / (L sqrt(D)) for what adds to the residual stream."""
        features = self.config.hidden_size
        if name.endswith(OUTPUT_PROJECTIONS):
            return 2 / (self.config.num_hidden_layers * math.sqrt(features))
        return math.sqrt(2 / (5 * features))
