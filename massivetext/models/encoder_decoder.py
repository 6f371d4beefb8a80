"""Encoder-decoders: the way through a body that reads one text and writes another, and what every model on one has.

Legend: B rows, S source tokens, T target tokens, D features, V vocabulary, H heads. A family (families/t5.py,
families/bart.py) gives the two stacks.
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from massivetext.errors import ModelError
from massivetext.layers.attention import KeysValues, MultiHeadAttention, Weights, causal_mask, readable_mask
from massivetext.layers.cache import StaticCache
from massivetext.models.body import Body
from massivetext.models.ids import INTEGERS, last_ends, refuse_ids
from massivetext.models.model import Model
from massivetext.models.outputs import Attentions, HiddenStates, SequenceOutput
from massivetext.tokens.labels import IGNORED_LABEL

UNLIMITED = 2**30  # the context of a model whose positions are relative


class Memory(NamedTuple):
    """What the encoder read: hidden (B, S, D), mask (B, 1, 1, S) or None, hidden states of every layer."""

    hidden: Tensor
    mask: Tensor | None
    states: HiddenStates


class Reading(NamedTuple):
    """What all decoder layers of one pass share.

    slots: (T,) places of the tokens in the decoder's text. mask: boolean (B or 1, 1, T, places read), None: all may be
    read. memory: keys and values of the source, by layer. cache: where the text read before is kept, or None. weights,
    memory_weights: where each layer puts its attention weights, see `attend`; None: they are not kept.
    """

    slots: Tensor
    mask: Tensor | None
    memory: list[KeysValues]
    memory_mask: Tensor | None
    cache: StaticCache | None = None
    weights: Weights = None
    memory_weights: Weights = None

    def text(self, attention: MultiHeadAttention, hidden: Tensor, layer: int) -> KeysValues:
        """Return the keys and values of the decoder's own text, with what the cache holds of it."""
        keys, values = attention.keys_values(hidden)
        return (keys, values) if self.cache is None else self.cache.update(layer, keys, values, self.slots)


class Read(NamedTuple):
    """What one pass through both stacks gave.

    states: the decoder's hidden states before, between and after the layers. kept: the attention weights of encoder,
    decoder and the decoder's reading of the source, or Nones.
    """

    memory: Memory
    states: HiddenStates
    kept: tuple[Weights, Weights, Weights]

    @property
    def hidden(self) -> Tensor:
        """What a head reads, (B, T, D)."""
        return self.states[-1]

    def shown(self, hidden_states: bool) -> list[Any]:
        """Return the fields of an output behind its own, from encoder_last_hidden_state on."""
        states = (self.memory.states, self.states) if hidden_states else (None, None)
        attentions: list[Attentions | None] = [None if one is None else tuple(one) for one in self.kept]
        return [self.memory.hidden, *states, *attentions]


class EncoderDecoder(Body):
    """The embedding that both sides share, and two stacks."""

    final_bias = False
    """Whether a bias, which is a buffer, is added to the language model's logits."""
    config: Any

    def build(self, config: Any) -> None:
        """Note the configuration; a family makes the modules."""
        self.config, self.limit = config, config.most_tokens

    @property
    def words(self) -> Tensor:
        """The word embedding, (V, D)."""
        raise NotImplementedError

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        raise NotImplementedError

    def run_encoder(self, embeddings: Tensor, mask: Tensor | None, weights: Weights = None) -> HiddenStates:
        """Return the hidden states before, between and after the layers, (B, S, D) each; the last is the result."""
        raise NotImplementedError

    def run_decoder(self, embeddings: Tensor, reading: Reading) -> HiddenStates:
        """Return the decoder's hidden states before, between and after the layers, (B, T, D) each."""
        raise NotImplementedError

    def cross_attentions(self) -> list[MultiHeadAttention]:
        """Return the decoder's attentions to the source, by layer."""
        raise NotImplementedError

    def remember(self, memory: Memory) -> list[KeysValues]:
        """Return the keys and values of the source, by decoder layer."""
        return [attention.keys_values(memory.hidden) for attention in self.cross_attentions()]

    def scale(self, hidden: Tensor) -> Tensor:
        """Return the hidden states as the language model's matrix reads them."""
        return hidden

    def decode(self, embeddings: Tensor, memory: Memory, marks: Tensor | None, kept: tuple[Any, ...]) -> HiddenStates:
        """Return the decoder's hidden states for a whole text, (B, T, D) each. marks: (B, T), 0 = padding, or None."""
        tokens, device = embeddings.shape[1], embeddings.device
        mask, readable = causal_mask(tokens, device)[None, None], readable_mask(marks)
        if readable is not None:  # a padding token may read itself, so that no row is empty
            mask = (mask & readable) | torch.eye(tokens, dtype=torch.bool, device=device)
        slots, remembered = torch.arange(tokens, device=device), self.remember(memory)
        reading = Reading(slots, mask, remembered, memory.mask, weights=kept[1], memory_weights=kept[2])
        return self.run_decoder(embeddings, reading)


class EncoderDecoderModel(Model):
    """What every model on an encoder-decoder's body has."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the model; return_dict=False gives a tuple, arguments that it does not take are refused by name."""
        if options.keys() <= self.forward_names:
            return super().__call__(*arguments, **options)
        return self.call_with(arguments, options)

    @property
    def body(self) -> EncoderDecoder:
        """The model without its head."""
        return cast(EncoderDecoder, getattr(self, self.body_name) if self.body_name else self)

    @property
    def width(self) -> int:
        """Features of what a head reads."""
        return int(self.config.d_model)

    def first_deviation(self, name: str, parameter: Tensor) -> float:
        """Return the family's standard deviation of a fresh matrix."""
        body: Any = self.body
        return float(self.body_class.first_deviation(body, name, parameter))

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        body: Any = self.body  # which may be this object: so its class is named
        return cast(Tensor, self.body_class.embed(body, input_ids))

    def look_up(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        return self.embed(input_ids)

    def hidden(
        self,
        embeddings: Tensor,
        written: Tensor,
        attention_mask: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the decoder's last hidden states (B, T, D) for both sides' embeddings, (B, S, D) and (B, T, D)."""
        mask = readable_mask(attention_mask)
        states = self.body.run_encoder(embeddings, mask)
        memory = Memory(states[-1], mask, states)
        return self.body.decode(written, memory, decoder_attention_mask, (None, None, None))[-1]

    def check_source(self, input_ids: Tensor, what: str = "input_ids") -> None:
        """Raise ModelError for ids that the model cannot read."""
        if torch.compiler.is_compiling():  # what ids are there is not known while code is compiled
            return
        most, vocabulary = self.body.limit, self.config.vocab_size
        sound = input_ids.ndim == 2 and input_ids.numel() > 0 and input_ids.dtype in INTEGERS
        sound = sound and (most is None or input_ids.shape[1] <= most) and int(input_ids.min()) >= 0
        if not sound or int(input_ids.max()) >= vocabulary:
            refuse_ids(input_ids, vocabulary, most, what)

    def encode(self, input_ids: Tensor, attention_mask: Tensor | None = None, weights: Weights = None) -> Memory:
        """Return what the decoder needs of a source: ids (B, S), padded on either side where the mask is 0."""
        self.check_source(input_ids)
        mask = readable_mask(attention_mask)
        states = self.body.run_encoder(self.embed(input_ids), mask, weights)
        return Memory(states[-1], mask, states)

    def shifted(self, labels: Tensor) -> Tensor:
        """Return the decoder's input for ids (B, T): one place to the right behind the start id; -100 is padding."""
        start, padding = self.config.decoder_start_token_id, self.config.pad_token_id
        if start is None or padding is None:
            raise ModelError("the decoder needs decoder_start_token_id and pad_token_id; set them in the configuration")
        moved = torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], dim=1)
        return moved.masked_fill(moved == IGNORED_LABEL, padding)

    def read(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        decoder_input_ids: Tensor,
        decoder_attention_mask: Tensor | None,
        output_attentions: bool,
    ) -> Read:
        """Return what both stacks made of their ids; arguments as for `LabellingEncoderDecoder.forward`."""
        self.check_source(decoder_input_ids, "decoder_input_ids")
        kept: tuple[Weights, Weights, Weights] = ([], [], []) if output_attentions else (None, None, None)
        memory = self.encode(input_ids, attention_mask, kept[0])
        states = self.body.decode(self.embed(decoder_input_ids), memory, decoder_attention_mask, kept)
        return Read(memory, states, kept)

    def summary(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return the hidden states (B, D) of each row's last end of text."""
        rows = torch.arange(input_ids.shape[0], device=input_ids.device)
        return hidden[rows, last_ends(input_ids, self.config.eos_token_id)]

    def ended(self, input_ids: Tensor) -> Tensor:
        """Return ids (B, T) with an end behind them, which `summary` looks for."""
        end = torch.tensor(self.config.eos_token_id, device=input_ids.device).reshape(1, -1)[:, :1]
        return torch.cat([input_ids, end], dim=1)[:, -(self.config.most_tokens or UNLIMITED) :]

    def generation_record(self) -> dict[str, Any] | None:
        """Return the content of generation_config.json: what the folder had, and the configuration's own ids."""
        return {**self.generation_defaults, **self.config.ids_of_generation()}

    def probe_inputs(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return the probe as source, and the start id."""
        start = torch.full((1, 1), self.config.decoder_start_token_id or 0, device=input_ids.device)
        return {"input_ids": input_ids, "decoder_input_ids": start}

    def generate(self, *arguments: Any, **options: Any) -> Any:
        """Raise ModelError: without a language model's head no text is written."""
        raise ModelError(f"{type(self).__name__} has no head to write text with; load it with AutoModelForSeq2SeqLM")


class LabellingEncoderDecoder(EncoderDecoderModel):
    """An encoder-decoder whose head gives logits, and whose labels give one loss."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> SequenceOutput:
        """Return the logits and, with labels, the mean loss.

        input_ids: (B, S). decoder_input_ids: (B, T); None: see `written`. The masks are 0 where there is padding.
        output_hidden_states, output_attentions: also what each layer did, see `outputs`.
        """
        written = self.written(input_ids, decoder_input_ids, labels)
        read = self.read(input_ids, attention_mask, written, decoder_attention_mask, output_attentions)
        logits = self.predict(read.hidden, input_ids)
        loss = None if labels is None else self.loss(logits, labels)
        return SequenceOutput(loss, logits, *read.shown(output_hidden_states))

    def predict(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return the logits that the labels of a batch are compared with: of every token, unless a head says else."""
        return self.project(hidden)

    def written(self, input_ids: Tensor, decoder_input_ids: Tensor | None, labels: Tensor | None) -> Tensor:
        """Return what the decoder reads: the source once more, one place to the right, whose ends of text count."""
        if decoder_input_ids is not None and decoder_input_ids.shape != input_ids.shape:
            raise ModelError(
                f"decoder_input_ids is {tuple(decoder_input_ids.shape)} and input_ids {tuple(input_ids.shape)}; a text "
                f"is labelled where input_ids ends, so both need the same shape: leave decoder_input_ids out"
            )
        self.check_source(input_ids)  # under their own name first
        return self.shifted(input_ids) if decoder_input_ids is None else decoder_input_ids
