"""OPT (arXiv:2205.01068): GPT-3's shapes with ReLU; the 350M norms after each part and embeds in fewer features."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from torch import Tensor, nn

from massivetext.generation.stepping import StepPlan
from massivetext.layers.attention import AttentionShape
from massivetext.layers.feedforward import PlainFeedForward
from massivetext.models.blocks import OUTPUT_PROJECTIONS, DecoderBlock, DecoderStack, PostNormBlock
from massivetext.models.config import DecoderConfig, Dropouts
from massivetext.models.decoder import CausalDecoder
from massivetext.models.files.naming import Stored


class OPTConfig(DecoderConfig):
    """The shape of an OPT model."""

    model_type: ClassVar[str] = "opt"
    architecture: ClassVar[str] = "OPTForCausalLM"
    field_names: ClassVar[Mapping[str, str]] = {
        "intermediate_size": "ffn_dim", "hidden_act": "activation_function", "initializer_range": "init_std",
    }  # fmt: skip
    required: ClassVar[tuple[str, ...]] = (*DecoderConfig.required, "intermediate_size")
    neutral: ClassVar[Mapping[str, Any]] = {
        "_remove_final_layer_norm": False, "activation_dropout": 0.0, "enable_bias": True,
        "layer_norm_elementwise_affine": True, "layerdrop": 0.0, "learned_embeddings": True, "scale_embeddings": False,
    }  # fmt: skip

    hidden_act: str = "relu"
    """Activation of the feed-forward part, by Hugging Face's name."""
    do_layer_norm_before: bool = True
    """Whether norms come before attention and feed-forward, or after them (the 350M model)."""
    word_embed_proj_dim: int | None = None
    """Features of the embedding and the head, led to hidden_size and back by two matrices; None: hidden_size."""
    tie_word_embeddings: bool = True
    """Whether the head uses the embedding's weights."""
    initializer_range: float = 0.006
    """Standard deviation of fresh weights; those that add to the residual stream have less."""
    dropout: float = 0.0
    """Dropout after attention and feed-forward, in training."""
    attention_dropout: float = 0.0
    """Dropout of the attention's weights, in training."""

    @property
    def gated(self) -> bool:
        """Whether the feed-forward part is gated: it is not."""
        return False

    @property
    def embedding_features(self) -> int:
        """Features of the embedding and of what the head reads."""
        return self.word_embed_proj_dim or self.hidden_size

    @property
    def dropouts(self) -> Dropouts:
        """What is dropped in training."""
        return Dropouts(0.0, self.attention_dropout, self.dropout)

    def attention_shape(self) -> AttentionShape:
        """Return the sizes of one attention layer, all of whose projections have biases."""
        return super().attention_shape()._replace(bias=True, output_bias=True)

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the content of config.json, which transformers and this package read alike."""
        return {**super().to_hugging_face(), "word_embed_proj_dim": self.embedding_features}

    @classmethod
    def published_defaults(cls) -> dict[str, Any]:
        """Return what transformers assumes for fields missing in a config.json."""
        return {"dropout": 0.1, "initializer_range": 0.02}


class OPTBlock(DecoderBlock):
    """One block, with biases everywhere and norms that also centre."""

    def make_feedforward(self, config: DecoderConfig) -> nn.Module:
        """Return fc2(act(fc1(x)))."""
        sizes = (config.hidden_size, config.feedforward_features)
        return PlainFeedForward(sizes, config.hidden_act, True, ("fc1", "fc2"))

    @staticmethod
    def make_norm(config: Any) -> nn.Module:
        """Return a layer norm with scale and bias (arXiv:1607.06450)."""
        return nn.LayerNorm(config.hidden_size)


class OPTPostNormBlock(PostNormBlock, OPTBlock):
    """One block of the 350M model: OPT's parts in the order of the post-norm block."""


class OPTForCausalLM(CausalDecoder):
    """An OPT causal language model."""

    config_class = OPTConfig
    position_offset = 2
    padding_position = -1
    stored_base = "model."

    def make_stack(self, config: DecoderConfig) -> DecoderStack:
        """Return embeddings, blocks and, where norms come before the parts, the final norm."""
        assert isinstance(config, OPTConfig)
        block = OPTBlock if config.do_layer_norm_before else OPTPostNormBlock
        stack = DecoderStack(config, block, self.make_positions(config))
        if not config.do_layer_norm_before:
            stack.norm = nn.Identity()
        features = config.embedding_features
        if features != config.hidden_size:
            stack.embed_tokens = nn.Embedding(config.vocab_size, features)
            stack.project_in = nn.Linear(features, config.hidden_size, bias=False)
            stack.project_out = nn.Linear(config.hidden_size, features, bias=False)
        return stack

    def enter(self, embeddings: Tensor) -> Tensor:
        """Return the embeddings with hidden_size features."""
        project = getattr(self.model, "project_in", None)
        return embeddings if project is None else cast(Tensor, project(embeddings))

    def leave(self, hidden: Tensor) -> Tensor:
        """Return what the head reads, (B, T, embedding features)."""
        normed = super().leave(hidden)
        project = getattr(self.model, "project_out", None)
        return normed if project is None else cast(Tensor, project(normed))

    def step_plan(self) -> StepPlan | None:
        """Return what the fast decoding step needs; None where the head reads other features than the blocks."""
        return None if hasattr(self.model, "project_out") else super().step_plan()

    @classmethod
    def stored_names(cls, config: Any) -> tuple[Stored, ...]:
        """Return OPT's names."""
        block, inside = "model.decoder.layers.*.", "model.layers.*."
        tops = [(f"model.decoder.{name}", f"model.{name}") for name in ("embed_tokens", "embed_positions")]
        tops += [(f"model.decoder.{name}", f"model.{name}") for name in ("project_in", "project_out")]
        parts = {"self_attn.out_proj": "self_attn.o_proj", "self_attn_layer_norm": "input_layernorm"}
        parts |= {"fc1": "mlp.fc1", "fc2": "mlp.fc2", "final_layer_norm": "post_attention_layernorm"}
        parts |= {name: name for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")}
        return (
            *(Stored(theirs, (ours,)) for theirs, ours in tops),
            *(Stored(block + theirs, (inside + ours,)) for theirs, ours in parts.items()),
            Stored("model.decoder.final_layer_norm", ("model.norm",)),
        )

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return OPT's: initializer_range, over sqrt(2 L) for what adds to the residual stream."""
        if name.endswith("bias"):
            return 0.0
        if name.endswith(OUTPUT_PROJECTIONS):
            return self.config.initializer_range / math.sqrt(2 * self.config.num_hidden_layers)
        return self.config.initializer_range
