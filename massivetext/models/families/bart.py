"""BART (arXiv:1910.13461): post-norm encoder-decoder with learned positions; its layers and stacks also serve Marian.

Legend: B rows, S source tokens, T target tokens, D features, V vocabulary.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

import torch
from pydantic import model_validator
from torch import Tensor, nn

from massivetext.layers.attention import HeadShape, MultiHeadAttention, Weights
from massivetext.layers.feedforward import activation
from massivetext.models.config import EncoderDecoderConfig
from massivetext.models.encoder_decoder import EncoderDecoder, Reading
from massivetext.models.outputs import HiddenStates

NAMES = ("q_proj", "k_proj", "v_proj", "out_proj")
SHARED, FINAL_BIAS = "shared.weight", "final_logits_bias"


class BartConfig(EncoderDecoderConfig):
    """The shape of a BART model; field names are Hugging Face's."""

    model_type: ClassVar[str] = "bart"
    harmless: ClassVar[frozenset[str]] = frozenset(
        {"classif_dropout", "extra_pos_embeddings", "force_bos_token_to_be_generated", "num_hidden_layers"}
    )
    neutral: ClassVar[Mapping[str, Any]] = {
        **EncoderDecoderConfig.neutral, "add_bias_logits": False, "add_final_layer_norm": False,
        "normalize_before": False, "normalize_embedding": True, "static_position_embeddings": False,
    }  # fmt: skip

    vocab_size: int = 50265
    """Rows of the embedding: at least the tokenizer's ids."""
    d_model: int = 1024
    """Features of a token between blocks."""
    encoder_layers: int = 12
    """Blocks of the encoder."""
    encoder_ffn_dim: int = 4096
    """Features inside the encoder's feed-forward parts."""
    encoder_attention_heads: int = 16
    """Heads of each encoder block."""
    decoder_layers: int = 12
    """Blocks of the decoder."""
    decoder_ffn_dim: int = 4096
    """Features inside the decoder's feed-forward parts."""
    decoder_attention_heads: int = 16
    """Heads of each decoder block."""
    activation_function: str = "gelu"
    """Activation of the feed-forward parts, by Hugging Face's name."""
    max_position_embeddings: int = 1024
    """The most tokens that either side reads at once."""
    dropout: float = 0.1
    """Share of features that training drops after embeddings, attention and feed-forward part."""
    attention_dropout: float = 0.0
    """Share of attention weights that training drops."""
    activation_dropout: float = 0.0
    """Share of features that training drops inside the feed-forward part."""
    init_std: float = 0.02
    """Standard deviation of fresh matrices and embeddings."""
    scale_embedding: bool = False
    """Whether embeddings are multiplied by sqrt(d_model)."""
    num_labels: int = 3
    """Labels of a classification head."""
    bos_token_id: int | None = 0
    """Id put before a text."""
    eos_token_id: int | list[int] | None = 2
    """Id after which a text ends."""
    pad_token_id: int | None = 1
    """Id that fills up short rows."""
    decoder_start_token_id: int | None = 2
    """Id that starts the decoder's text."""
    forced_eos_token_id: int | None = 2
    """Id that `generate` puts last when the length limit is reached; None: the model chooses."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for side in ("encoder", "decoder"):
            heads = getattr(self, f"{side}_attention_heads")
            if heads < 1 or self.d_model % heads:
                raise ValueError(f"d_model {self.d_model} is not a multiple of {side}_attention_heads {heads}")
        if not self.tie_word_embeddings:
            raise ValueError("tie_word_embeddings is False, which is not supported: the head uses the embedding")
        activation(self.activation_function)
        return self

    @property
    def most_tokens(self) -> int:
        """The most tokens that either side reads at once."""
        return self.max_position_embeddings


class Layer(nn.Module):
    """One block, post-norm: attention to oneself, to the source (decoder only), feed-forward."""

    def __init__(self, config: BartConfig, decoder: bool) -> None:
        super().__init__()
        heads = config.decoder_attention_heads if decoder else config.encoder_attention_heads
        wide = config.decoder_ffn_dim if decoder else config.encoder_ffn_dim
        shape = HeadShape(config.d_model, heads, config.d_model // heads, dropout=config.attention_dropout)
        self.self_attn = MultiHeadAttention(shape, NAMES)
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        if decoder:
            self.encoder_attn = MultiHeadAttention(shape, NAMES)
            self.encoder_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.fc1, self.fc2 = nn.Linear(config.d_model, wide), nn.Linear(wide, config.d_model)
        self.final_layer_norm = nn.LayerNorm(config.d_model)
        self.act, self.dropout = activation(config.activation_function), nn.Dropout(config.dropout)
        self.inner_dropout = nn.Dropout(config.activation_dropout)

    def feed_forward(self, hidden: Tensor) -> Tensor:
        """Return the hidden states after the feed-forward part, (B, T, D)."""
        inner = self.fc2(self.inner_dropout(self.act(self.fc1(hidden))))
        return cast(Tensor, self.final_layer_norm(hidden + self.dropout(inner)))

    def forward(self, hidden: Tensor, mask: Tensor | None, weights: Weights = None) -> Tensor:
        """Return the hidden states after this block of the encoder, (B, S, D). weights: see `attend`."""
        hidden = self.self_attn_layer_norm(hidden + self.dropout(self.self_attn(hidden, mask, weights=weights)))
        return self.feed_forward(hidden)

    def decode(self, hidden: Tensor, reading: Reading, number: int) -> Tensor:
        """Return the hidden states after this block of the decoder, (B, T, D). number: its place in the cache."""
        read = reading.text(self.self_attn, hidden, number)
        gathered = self.self_attn(hidden, reading.mask, read, reading.weights)
        hidden = self.self_attn_layer_norm(hidden + self.dropout(gathered))
        gathered = self.encoder_attn(hidden, reading.memory_mask, reading.memory[number], reading.memory_weights)
        return self.feed_forward(self.encoder_attn_layer_norm(hidden + self.dropout(gathered)))


class Stack(nn.Module):
    """The layers of one side behind learned positions and a norm."""

    def __init__(self, config: BartConfig, decoder: bool) -> None:
        super().__init__()
        # Two rows before the first position are there in all published weights and never used.
        self.embed_positions = nn.Embedding(config.max_position_embeddings + 2, config.d_model)
        self.layernorm_embedding = nn.LayerNorm(config.d_model)
        count = config.decoder_layers if decoder else config.encoder_layers
        self.layers = nn.ModuleList(Layer(config, decoder) for _ in range(count))
        self.dropout = nn.Dropout(config.dropout)

    def enter(self, embeddings: Tensor, slots: Tensor) -> Tensor:
        """Return what the first layer reads, (B, T, D), of tokens at `slots` (T,)."""
        return cast(Tensor, self.dropout(self.layernorm_embedding(embeddings + self.embed_positions(slots + 2))))


class Bart(EncoderDecoder):
    """BART's body, and the bias of its language model."""

    prefixes = ("model.",)
    heads: ClassVar[tuple[str, ...]] = ("lm_head.", FINAL_BIAS, "classification_head.", "qa_outputs.")
    tied: ClassVar[dict[str, str]] = {
        "encoder.embed_tokens.weight": SHARED, "decoder.embed_tokens.weight": SHARED, "lm_head.weight": SHARED,
    }  # fmt: skip
    final_bias = True
    stack_class: ClassVar[type[nn.Module]] = Stack
    config: BartConfig

    def build(self, config: BartConfig) -> None:
        """Make the embedding and both stacks."""
        super().build(config)
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder, self.decoder = self.stack_class(config, False), self.stack_class(config, True)

    @classmethod
    def told_by_weights(cls, config: Any, weights: dict[str, Tensor], task: str | None, where: str) -> Any:
        """Return the configuration; a file without the language model's bias, which then is zero, gets it here.

        A classifier's has as many labels as the weights have, where config.json names none: transformers 5 leaves two
        unnamed labels out of config.json, and BART's default is three.
        """
        words, labels = weights.get(f"model.{SHARED}"), weights.get("classification_head.out_proj.bias")
        if task == "seq2seq-lm" and words is not None:
            # As many as the file has rows: the configuration is compared with them later.
            weights.setdefault(FINAL_BIAS, torch.zeros(1, len(words)))
        if task == "sequence-classification" and labels is not None and config.id2label is None:
            return config.changed(num_labels=len(labels))
        return config

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the standard deviation of a fresh matrix or embedding; the language model's bias is zero."""
        return 0.0 if name == FINAL_BIAS else self.config.init_std

    @property
    def words(self) -> Tensor:
        """The word embedding, (V, D)."""
        return self.shared.weight

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        embeddings = cast(Tensor, self.shared(input_ids))
        return embeddings * math.sqrt(self.config.d_model) if self.config.scale_embedding else embeddings

    def run_encoder(self, embeddings: Tensor, mask: Tensor | None, weights: Weights = None) -> HiddenStates:
        """Return the hidden states before, between and after the layers, (B, S, D) each."""
        stack: Any = self.encoder
        states = [stack.enter(embeddings, torch.arange(embeddings.shape[1], device=embeddings.device))]
        for layer in stack.layers:
            states.append(layer(states[-1], mask, weights))
        return tuple(states)

    def run_decoder(self, embeddings: Tensor, reading: Reading) -> HiddenStates:
        """Return the decoder's hidden states before, between and after the layers, (B, T, D) each."""
        stack: Any = self.decoder
        states = [stack.enter(embeddings, reading.slots)]
        for number, layer in enumerate(stack.layers):
            states.append(layer.decode(states[-1], reading, number))
        return tuple(states)

    def cross_attentions(self) -> list[MultiHeadAttention]:
        """Return the decoder's attentions to the source, by layer."""
        return [layer.encoder_attn for layer in cast(Any, self.decoder).layers]
