"""GPT-2 (Radford et al., 2019) and, by its sizes, GPT-3 (arXiv:2005.14165): learned positions, norms before each part.

GPT-3 alternates dense and banded sparse attention; here, as in the models made after its table, all layers are dense.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from massivetext.layers.attention import AttentionShape
from massivetext.layers.feedforward import PlainFeedForward
from massivetext.models.blocks import OUTPUT_PROJECTIONS, DecoderBlock
from massivetext.models.config import DecoderConfig, Dropouts
from massivetext.models.decoder import CausalDecoder
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
        "scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "reorder_and_upcast_attn": False,
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


class GPT2Block(DecoderBlock):
    """One block, with biases everywhere and norms that also centre."""

    def make_feedforward(self, config: DecoderConfig) -> nn.Module:
        """Return c_proj(act(c_fc(x)))."""
        sizes = (config.hidden_size, config.feedforward_features)
        return PlainFeedForward(sizes, config.hidden_act, True, ("up_proj", "down_proj"))

    @staticmethod
    def make_norm(config: Any) -> nn.Module:
        """Return a layer norm with scale and bias (arXiv:1607.06450)."""
        return nn.LayerNorm(config.hidden_size, config.layer_norm_epsilon)


class GPT2LMHeadModel(CausalDecoder):
    """A GPT-2 causal language model."""

    config_class = GPT2Config
    block_class = GPT2Block
    adds_kinds = True
    stored_base = "transformer."
    computed = r"\.attn\.(masked_)?bias$"  # the causal mask

    @classmethod
    def stored_names(cls, config: Any) -> tuple[Stored, ...]:
        """Return GPT-2's names; its matrices are kept as (inputs, outputs)."""
        block, inside = "transformer.h.*.", "model.layers.*."
        return (
            Stored("transformer.wte", ("model.embed_tokens",)),
            Stored("transformer.wpe", ("model.embed_positions",)),
            Stored(f"{block}ln_1", (f"{inside}input_layernorm",)),
            Stored(f"{block}attn.c_attn", QUERY_KEY_VALUE, transposed=True),
            Stored(f"{block}attn.c_proj", (f"{inside}self_attn.o_proj",), transposed=True),
            Stored(f"{block}ln_2", (f"{inside}post_attention_layernorm",)),
            Stored(f"{block}mlp.c_fc", (f"{inside}mlp.up_proj",), transposed=True),
            Stored(f"{block}mlp.c_proj", (f"{inside}mlp.down_proj",), transposed=True),
            Stored("transformer.ln_f", ("model.norm",)),
        )

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return GPT-2's: initializer_range, half of it for positions, less for what adds to the residual stream."""
        if name.endswith("bias"):
            return 0.0
        if name.endswith("embed_positions.weight"):
            return self.config.initializer_range / 2
        if name.endswith(OUTPUT_PROJECTIONS):
            return self.config.initializer_range / math.sqrt(2 * self.config.num_hidden_layers)
        return self.config.initializer_range
