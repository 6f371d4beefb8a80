"""Decoders: the body that the causal families share, and the language model on it.

Legend: B batch, T tokens, D features, V vocabulary.

A family (families/llama.py, families/gpt2.py, ...) gives the block; this file is the way through the blocks.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from massivetext.errors import ModelError
from massivetext.generation.engine import generate
from massivetext.layers.attention import (
    Context,
    Mask,
    causal_mask,
    padding_mask,
    rotary_tables,
    segment_mask,
)
from massivetext.layers.cache import StaticCache
from massivetext.layers.loss import next_token_loss
from massivetext.layers.packing import Packing, document_bounds, kernel_packs
from massivetext.layers.positions import padded_positions
from massivetext.layers.rotary import inverse_frequencies
from massivetext.models.body import Body
from massivetext.models.config import DecoderConfig
from massivetext.models.ids import INTEGERS, last_tokens, refuse_length, refuse_rows
from massivetext.models.model import Model
from massivetext.models.outputs import HeadOutput, Record

RunBlock = Callable[[nn.Module, Tensor, Context], Tensor]


def run_block(block: nn.Module, hidden: Tensor, context: Context) -> Tensor:
    """Return the hidden state after `block`, (B, T, D): one function for all blocks of a model, to be compiled once."""
    return cast(Tensor, block(hidden, context))


class Decoder(Body):
    """Embeddings, causal blocks and final norm; a family gives the block, the names in files and the first weights.

    A block is made of the configuration and its number, has a static `make_norm`, and says in `order` when it norms.
    """

    heads = ("score.", "lm_head.", "embed_out.", "classifier.", "qa_outputs.")
    derived = rf"rotary_emb\.inv_freq$|{Body.derived}"
    block_class: ClassVar[Any]
    position_offset: ClassVar[int] = 0  # rows of a table of learned positions before that of position 0
    padding_position: ClassVar[int | None] = None  # where all padding stands; None: see `padded_positions`
    adds_kinds: ClassVar[bool] = False  # whether the embedding of token_type_ids is added to that of the ids
    table: ClassVar[str] = "embed_tokens"  # what files call the embedding
    embed_positions: nn.Embedding
    frequencies: Tensor | None

    def build(self, config: DecoderConfig) -> None:
        """Make embeddings, blocks and final norm."""
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, self.embedding_features(config))
        if not config.rotary_features:
            places = config.max_position_embeddings + self.position_offset
            self.embed_positions = nn.Embedding(places, config.hidden_size)
        self.dropout = nn.Dropout(config.dropouts.embedding)
        self.layers = nn.ModuleList(self.block_class(config, number) for number in range(config.num_hidden_layers))
        self.norm = self.block_class.make_norm(config)
        with torch.device("cpu"):  # frequencies follow from the configuration: they are numbers from the start
            self.register_buffer("frequencies", self.make_frequencies(config), persistent=False)
        self.window, self.drops = config.attention_window, config.dropouts.attention > 0
        self.most_tokens = config.most_tokens

    @staticmethod
    def embedding_features(config: Any) -> int:
        """Return the features of the embedding and of what the head reads."""
        return int(config.hidden_size)

    @staticmethod
    def make_frequencies(config: Any, tokens: int = 0) -> Tensor | None:
        """Return the rotary frequencies for texts of `tokens`, (turned features of a head / 2,); None: learned."""
        if not config.rotary_features:
            return None
        context = config.max_position_embeddings
        return inverse_frequencies(config.rotary_features, config.rope_theta, config.rope_scaling, context, tokens)

    @classmethod
    def told_by_weights(cls, config: Any, weights: dict[str, Tensor], task: str | None, where: str) -> Any:
        """Return the configuration; a tied head that a file holds a second time is compared, and left out."""
        head = f"{cls.head_names.get('lm_head', 'lm_head')}.weight"
        table = next((name for name in weights if name.endswith(f"{cls.table}.weight")), "")
        if task == "causal-lm" and config.tie_word_embeddings and head in weights and table:
            if not torch.equal(weights[head], weights[table]):
                raise ModelError(
                    f"{where}: config.json says tie_word_embeddings = true, but {head} is not {table}; set "
                    f"tie_word_embeddings to false if the head was trained apart"
                )
            del weights[head]
        return config

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        return functional.embedding(input_ids, self.embed_tokens.weight)

    def enter(self, embeddings: Tensor) -> Tensor:
        """Return what the first block reads; a family may normalise the embeddings here."""
        return embeddings

    def leave(self, hidden: Tensor) -> Tensor:
        """Return what the head reads, (B, T, D), of what the last block gave."""
        return cast(Tensor, self.norm(hidden))

    def at_layer(self, context: Context, layer: int) -> Context:
        """Return what the block of that number is told; a family whose blocks differ may change it here."""
        return context if context.cache is None else context._replace(layer=layer)

    def turns(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return cosine and sine of the rotary positions (B, T), see `rotary_tables`."""
        config: Any = self.config
        frequencies, scaling = self.frequencies, config.rope_scaling
        assert frequencies is not None
        if scaling is None:
            return rotary_tables(positions, frequencies, dtype)
        if scaling.by_length:
            made = self.make_frequencies(config, int(positions.max()) + 1)
            assert made is not None
            frequencies = made.to(positions.device)
        return rotary_tables(positions, frequencies, dtype, scaling.magnitude(config.max_position_embeddings))

    def new_cache(self, batch: int, slots: int) -> StaticCache:
        """Return an empty key-value cache for `batch` rows of at most `slots` tokens."""
        config, like = self.config, self.embed_tokens.weight
        heads, features = config.key_value_heads, config.head_features
        return StaticCache(config.num_hidden_layers, batch, heads, slots, features, like)

    def run(
        self,
        embeddings: Tensor,
        positions: Tensor,
        mask: Mask,
        cache: StaticCache | None = None,
        slots: Tensor | None = None,
        run_block: RunBlock = run_block,
        record: Record | None = None,
    ) -> Tensor:
        """Return the final hidden states (B, T, D) for a mask (see `Context`) and, when decoding, a cache."""
        hidden, cosine, sine = self.enter(embeddings), None, None
        if self.frequencies is None:
            hidden = hidden + self.embed_positions(positions + self.position_offset)
        else:
            cosine, sine = self.turns(positions, embeddings.dtype)
        hidden, context = self.dropout(hidden), Context(cosine, sine, mask, cache, slots)
        if record is not None:
            context = context._replace(weights=record.weights)
            record.states.append(hidden)
        for layer, block in enumerate(self.layers):
            hidden = run_block(block, hidden, self.at_layer(context, layer))
            if record is not None:
                record.states.append(hidden)
        return self.leave(hidden)

    def packed_mask(self, embeddings: Tensor, segments: Tensor | None, record: Record | None) -> Mask:
        """Return who may read whom in rows of several documents, or of one (segments None); None: all before it."""
        tokens = embeddings.shape[1]
        if segments is None:
            within = self.window is None or tokens <= self.window
            return None if within else causal_mask(tokens, embeddings.device, self.window)[None, None]
        dropped = self.training and self.drops
        if record is None and not dropped and kernel_packs(embeddings):
            return Packing(document_bounds(segments), self.window)
        mask = segment_mask(segments, self.window)
        if mask.device.type == "cpu":  # numbers are faster there than booleans
            mask = torch.zeros(mask.shape, dtype=embeddings.dtype).masked_fill_(~mask, -math.inf)
        return mask


class DecoderModel(Model):
    """What every model on a decoder's body has. The training loop uses `embed`, `hidden` and `head_weight`.

    The lookup stays outside a compiled `hidden`, because its gradient is what made compiled runs differ.
    """

    body_name = "model"
    model: Decoder

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the model; return_dict=False gives a tuple, arguments that it does not take are refused by name."""
        if options.keys() <= self.forward_names:
            return super().__call__(*arguments, **options)
        return self.call_with(arguments, options)

    @property
    def body(self) -> Decoder:
        """The model without its head."""
        return self.model

    @property
    def width(self) -> int:
        """Features of what the head reads."""
        return self.model.embed_tokens.embedding_dim

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the family's standard deviation of a fresh matrix; other heads are as the configuration says."""
        if name.startswith(("model.", "lm_head.")):
            return self.model.first_deviation(name, parameter)
        return super().first_deviation(name, parameter)

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        return self.model.embed(input_ids)

    def look_up(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        return self.model.embed(input_ids)

    def hidden(
        self,
        embeddings: Tensor,
        positions: Tensor | None = None,
        segments: Tensor | None = None,
        run_block: RunBlock = run_block,
        record: Record | None = None,
    ) -> Tensor:
        """Return the final hidden states (B, T, D), ready for the head.

        embeddings: (B, T, D) from `embed`. positions: (B, T) place of each token in its document; None: 0, 1, 2, ...
        segments: (B, T) number of each token's document inside its row: tokens read only their own document; None: each
        row is one document. run_block: the function of that name, or a compiled copy of it. record: gets what the
        layers did.
        """
        tokens, most = embeddings.shape[1], self.model.most_tokens
        if most is not None and tokens > most:
            refuse_length(tokens, most)
        if positions is None:
            positions = torch.arange(tokens, device=embeddings.device)[None]
        mask = self.model.packed_mask(embeddings, segments, record)
        return self.model.run(embeddings, positions, mask, run_block=run_block, record=record)

    def compiled_hidden(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """Return `hidden` with its blocks compiled for one fixed shape: they are alike, so once for all."""
        return partial(self.hidden, run_block=torch.compile(run_block, dynamic=False, fullgraph=True))

    def read(
        self,
        embeddings: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        segments: Tensor | None = None,
        record: Record | None = None,
    ) -> Tensor:
        """Return the final hidden states (B, T, D) of embeddings (B, T, D); arguments as for `CausalLM.forward`."""
        if attention_mask is not None and not torch.compiler.is_compiling() and bool(attention_mask.all()):
            attention_mask = None  # without a mask attention is faster
        if attention_mask is None:
            return self.hidden(embeddings, position_ids, segments, record=record)
        if position_ids is None:
            position_ids = padded_positions(attention_mask, self.model.padding_position)
        return self.model.run(embeddings, position_ids, padding_mask(attention_mask, self.model.window), record=record)

    def check_ids(self, input_ids: Tensor) -> None:
        """Raise ModelError for ids that are no rows (B, T) of integers, too long, or without a row in the embedding."""
        vocabulary, most = self.config.vocab_size, self.model.most_tokens
        sound = input_ids.ndim == 2 and input_ids.dtype in INTEGERS
        if sound and not torch.compiler.is_compiling():  # what ids are there is not known while code is compiled
            sound = bool(((input_ids >= 0) & (input_ids < vocabulary)).all())
        if not sound or (most is not None and input_ids.shape[1] > most):
            refuse_rows(input_ids, vocabulary, most)

    def summary(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return the hidden states (B, D) of each row's last token that is not the padding id."""
        rows = torch.arange(input_ids.shape[0], device=input_ids.device)
        return hidden[rows, last_tokens(input_ids, self.config.pad_token_id)]


class CausalLM(DecoderModel):
    """A causal language model: predicts each next token."""

    task = "causal-lm"
    whole = True

    def build_head(self, config: DecoderConfig) -> None:
        """Make the head where it is not tied to the embedding."""
        self.softcap = config.softcap
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(self.model.embed_tokens.embedding_dim, config.vocab_size, bias=False)

    @property
    def head_weight(self) -> Tensor:
        """The matrix (V, D) that turns hidden states into logits; the embedding's own where they are tied."""
        head = self.model.embed_tokens if self.config.tie_word_embeddings else self.lm_head
        return head.weight

    def project(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., V) of hidden states (..., D), bent into the family's bound (arXiv:2408.00118)."""
        logits = functional.linear(hidden, self.head_weight)
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of labels (B, T), which are not shifted, over those that are not -100."""
        return next_token_loss(logits, labels)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        segments: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
        inputs_embeds: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> HeadOutput:
        """Return logits (B, T, V) and, with labels, the mean loss in nats.

        input_ids: (B, T), or in their place inputs_embeds (B, T, D). token_type_ids: (B, T), for GPT-2, which adds the
        embeddings of these ids; others have one kind of token, 0. attention_mask: (B, T), 1 = text, 0 = padding.
        labels: (B, T) *not* shifted, as in Hugging Face: the label of a token is compared with the prediction made one
        token before; -100 is left out. segments: see `hidden`; not together with attention_mask. output_hidden_states,
        output_attentions: also what each layer did, see `outputs`.
        """
        if attention_mask is not None and segments is not None:
            raise ModelError("attention_mask and segments were both given; padding inside packed rows is a segment too")
        embeddings = self._embedded(input_ids, inputs_embeds, token_type_ids)
        wanted = output_hidden_states or output_attentions
        record = Record([], [] if output_attentions else None) if wanted else None
        hidden = self.read(embeddings, attention_mask, position_ids, segments, record)
        logits = self.project(hidden)
        loss = None if labels is None else self.loss(logits, labels)
        shown = () if record is None else record.shown(hidden, output_hidden_states)
        return HeadOutput(loss, logits, *shown)

    def _embedded(self, input_ids: Tensor | None, inputs_embeds: Tensor | None, kinds: Tensor | None) -> Tensor:
        """Return the embeddings (B, T, D) of ids, or those that were given; raise ModelError for both or neither."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ModelError("pass input_ids (B, T), or inputs_embeds (B, T, D) in their place; one of the two")
        if input_ids is None:
            embeddings = cast(Tensor, inputs_embeds)
        else:
            self.check_ids(input_ids)
            embeddings = self.embed(input_ids)
        if kinds is not None and self.model.adds_kinds:
            self.check_ids(kinds)
            return embeddings + self.embed(kinds)
        if kinds is not None and not torch.compiler.is_compiling() and bool(kinds.any()):
            raise ModelError("token_type_ids is not 0 everywhere, and this model has one kind of token; leave it out")
        return embeddings

    def generation_record(self) -> dict[str, Any] | None:
        """Return the content of generation_config.json: the configuration's ids."""
        return self.config.ids_of_generation()

    @torch.no_grad()
    def generate(self, input_ids: Tensor | None = None, **options: Any) -> Tensor:
        """Return ids (B * num_return_sequences, prompt + new tokens); see `massivetext.generation.engine.generate`."""
        return generate(self, input_ids, **options)
