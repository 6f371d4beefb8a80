"""OPT (arXiv:2205.01068): GPT-3's shapes with ReLU; the 350M norms after each part and embeds in fewer features."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from torch import Tensor, nn

from massivetext.layers.attention import AttentionShape, Context, SelfAttention
from massivetext.layers.feedforward import PlainFeedForward
from massivetext.models.config import DecoderConfig, Dropouts
from massivetext.models.decoder import Decoder
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
        **DecoderConfig.neutral, "_remove_final_layer_norm": False, "activation_dropout": 0.0, "enable_bias": True,
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


OUTPUT_PROJECTIONS = ("o_proj.weight", "fc2.weight")  # which write into the residual stream


class OPTBlock(nn.Module):
    """One block, with biases everywhere and norms that also centre, before each part or (350M) behind it."""

    def __init__(self, config: OPTConfig, number: int) -> None:
        super().__init__()
        self.order = "norm first" if config.do_layer_norm_before else "norm last"
        sizes = (config.hidden_size, config.feedforward_features)
        self.self_attn = SelfAttention(config.attention_shape())
        self.mlp = PlainFeedForward(sizes, config.hidden_act, True, ("fc1", "fc2"))
        self.input_layernorm, self.post_attention_layernorm = self.make_norm(config), self.make_norm(config)
        self.dropout = nn.Dropout(config.dropouts.residual)

    @staticmethod
    def make_norm(config: Any) -> nn.Module:
        """Return a layer norm with scale and bias (arXiv:1607.06450)."""
        return nn.LayerNorm(config.hidden_size)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the hidden state after this block, (B, T, D)."""
        if self.order == "norm last":
            hidden = self.input_layernorm(hidden + self.dropout(self.self_attn(hidden, context)))
            return cast(Tensor, self.post_attention_layernorm(hidden + self.dropout(self.mlp(hidden))))
        hidden = hidden + self.dropout(self.self_attn(self.input_layernorm(hidden), context))
        return cast(Tensor, hidden + self.dropout(self.mlp(self.post_attention_layernorm(hidden))))


class OPT(Decoder):
    """OPT's body; the 350M has no final norm, and matrices between its narrow embedding and the blocks."""

    prefixes = ("model.",)
    block_class = OPTBlock
    position_offset = 2
    padding_position = -1

    def build(self, config: Any) -> None:
        """Make embeddings, blocks and, where norms come before the parts, the final norm."""
        super().build(config)
        if not config.do_layer_norm_before:
            self.norm = nn.Identity()
        features = config.embedding_features
        if features != config.hidden_size:
            self.embed_tokens = nn.Embedding(config.vocab_size, features)
            self.project_in = nn.Linear(features, config.hidden_size, bias=False)
            self.project_out = nn.Linear(config.hidden_size, features, bias=False)

    def enter(self, embeddings: Tensor) -> Tensor:
        """Return the embeddings with hidden_size features."""
        project = getattr(self, "project_in", None)
        return embeddings if project is None else cast(Tensor, project(embeddings))

    def leave(self, hidden: Tensor) -> Tensor:
        """Return what the head reads, (B, T, embedding features)."""
        normed, project = self.norm(hidden), getattr(self, "project_out", None)
        return cast(Tensor, normed if project is None else project(normed))

    @classmethod
    def stored_names(cls, config: Any) -> tuple[Stored, ...]:
        """Return OPT's names."""
        tops = {name: name for name in ("embed_tokens", "embed_positions", "project_in", "project_out")}
        tops |= {"final_layer_norm": "norm"}
        parts = {"self_attn.out_proj": "self_attn.o_proj", "self_attn_layer_norm": "input_layernorm"}
        parts |= {"fc1": "mlp.fc1", "fc2": "mlp.fc2", "final_layer_norm": "post_attention_layernorm"}
        parts |= {name: name for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")}
        return (
            *(Stored(f"decoder.{theirs}", (ours,)) for theirs, ours in tops.items()),
            *(Stored(f"decoder.layers.*.{theirs}", (f"layers.*.{ours}",)) for theirs, ours in parts.items()),
        )

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return OPT's: initializer_range, over sqrt(2 L) for what adds to the residual stream."""
        deviation: float = self.config.initializer_range
        if name.endswith(OUTPUT_PROJECTIONS):
            return deviation / math.sqrt(2 * self.config.num_hidden_layers)
        return deviation
