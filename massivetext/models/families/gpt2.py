"""GPT-2 (Radford et al., 2019) and, by its sizes, GPT-3 (arXiv:2005.14165): learned positions, norms before each part.

GPT-3 alternates dense and banded sparse attention; here, as in the models made after its table, all layers are dense.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from torch import Tensor, nn

from massivetext.layers.attention import AttentionShape, Context, SelfAttention
from massivetext.layers.feedforward import PlainFeedForward
from massivetext.models.config import DecoderConfig, Dropouts
from massivetext.models.decoder import Decoder
from massivetext.models.files.naming import QUERY_KEY_VALUE, Stored


class GPT2Config(DecoderConfig):
    """The shape of a GPT-2 model."""

    model_type: ClassVar[str] = "gpt2"
    architecture: ClassVar[str] = "GPT2LMHeadModel"
    field_names: ClassVar[Mapping[str, str]] = {
        "hidden_size": "n_embd", "intermediate_size": "n_inner", "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head", "max_position_embeddings": "n_positions", "hidden_act": "activation_function",
    }  # fmt: skip
    neutral: ClassVar[Mapping[str, Any]] = {
        **DecoderConfig.neutral, "scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False,
    }  # fmt: skip

    hidden_act: str = "gelu_new"
    """Activation of the feed-forward part, by Hugging Face's name."""
    max_position_embeddings: int = 1024
    """Rows of the table of positions: the most tokens the model can read at once."""
    layer_norm_epsilon: float = 1e-5
    """Added to the variance before its root is taken."""
    tie_word_embeddings: bool = True
    """Whether the head uses the embedding's weights."""
    embd_pdrop: float = 0.0
    """Dropout after the embeddings, in training."""
    attn_pdrop: float = 0.0
    """Dropout of the attention's weights, in training."""
    resid_pdrop: float = 0.0
    """Dropout after attention and feed-forward, in training."""

    @property
    def gated(self) -> bool:
        """Whether the feed-forward part is gated: it is not."""
        return False

    @property
    def feedforward_features(self) -> int:
        """Features inside the feed-forward part."""
        return self.intermediate_size or 4 * self.hidden_size

    @property
    def dropouts(self) -> Dropouts:
        """What is dropped in training."""
        return Dropouts(self.embd_pdrop, self.attn_pdrop, self.resid_pdrop)

    def attention_shape(self) -> AttentionShape:
        """Return the sizes of one attention layer, all of whose projections have biases."""
        return super().attention_shape()._replace(bias=True, output_bias=True)

    @classmethod
    def published_defaults(cls) -> dict[str, Any]:
        """Return what transformers assumes for fields missing in a config.json."""
        return {"embd_pdrop": 0.1, "attn_pdrop": 0.1, "resid_pdrop": 0.1}


OUTPUT_PROJECTIONS = ("o_proj.weight", "down_proj.weight")  # which write into the residual stream


class GPT2Block(nn.Module):
    """Norm, attention, add; norm, feed-forward, add, with biases everywhere and norms that also centre."""

    order = "norm first"

    def __init__(self, config: Any, number: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config.attention_shape())
        self.mlp = self.make_feedforward(config)
        self.input_layernorm, self.post_attention_layernorm = self.make_norm(config), self.make_norm(config)
        self.dropout = nn.Dropout(config.dropouts.residual)

    @staticmethod
    def make_feedforward(config: Any) -> nn.Module:
        """Return c_proj(act(c_fc(x)))."""
        sizes = (config.hidden_size, config.feedforward_features)
        return PlainFeedForward(sizes, config.hidden_act, True, ("up_proj", "down_proj"))

    @staticmethod
    def make_norm(config: Any) -> nn.Module:
        """Return a layer norm with scale and bias (arXiv:1607.06450)."""
        return nn.LayerNorm(config.hidden_size, config.layer_norm_epsilon)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the hidden state after this block, (B, T, D)."""
        hidden = hidden + self.dropout(self.self_attn(self.input_layernorm(hidden), context))
        return cast(Tensor, hidden + self.dropout(self.mlp(self.post_attention_layernorm(hidden))))


class GPT2(Decoder):
    """GPT-2's body."""

    prefixes = ("transformer.",)
    derived = rf"\.attn\.(masked_)?bias$|{Decoder.derived}"  # the causal mask
    table = "wte"
    block_class: ClassVar[Any] = GPT2Block
    adds_kinds = True

    @classmethod
    def stored_names(cls, config: Any) -> tuple[Stored, ...]:
        """Return GPT-2's names; its matrices are kept as (inputs, outputs)."""
        return (
            Stored(cls.table, ("embed_tokens",)),
            Stored("wpe", ("embed_positions",)),
            Stored("h.*.ln_1", ("layers.*.input_layernorm",)),
            Stored("h.*.attn.c_attn", QUERY_KEY_VALUE, transposed=True),
            Stored("h.*.attn.c_proj", ("layers.*.self_attn.o_proj",), transposed=True),
            Stored("h.*.ln_2", ("layers.*.post_attention_layernorm",)),
            Stored("h.*.mlp.c_fc", ("layers.*.mlp.up_proj",), transposed=True),
            Stored("h.*.mlp.c_proj", ("layers.*.mlp.down_proj",), transposed=True),
            Stored("ln_f", ("norm",)),
        )

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return GPT-2's: initializer_range, half of it for positions, less for what adds to the residual stream."""
        deviation: float = self.config.initializer_range
        if name.endswith("embed_positions.weight"):
            return deviation / 2
        if name.endswith(OUTPUT_PROJECTIONS):
            return deviation / math.sqrt(2 * self.config.num_hidden_layers)
        return deviation
