"""Encoder-decoders: the way through a body that reads one text and writes another, and the language model on it.

Legend: B rows, S source tokens, T target tokens, D features, V vocabulary, H heads. A family (families/t5.py,
families/bart.py) gives the two stacks.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from massivetext.errors import ModelError
from massivetext.layers.attention import Weights, causal_mask
from massivetext.layers.loss import mean_loss
from massivetext.layers.multihead import KeysValues, Memory, MultiHeadAttention, Reading, readable_mask
from massivetext.models.body import Body
from massivetext.models.heads.losses import check_labels
from massivetext.models.ids import INTEGERS, refuse_ids
from massivetext.models.outputs import HiddenStates, Read, SequenceOutput
from massivetext.models.writing import SourceModel, write


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


class EncoderDecoderModel(SourceModel):
    """The way through both stacks; what every such model has beside it is in writing.py."""

    @property
    def body(self) -> EncoderDecoder:
        """The model without its head."""
        return cast(EncoderDecoder, getattr(self, self.body_name) if self.body_name else self)

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of ids (B, T)."""
        body: Any = self.body  # which may be this object: so its class is named
        return cast(Tensor, self.body_class.embed(body, input_ids))

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


class Seq2SeqLM(LabellingEncoderDecoder):
    """Writes a text after reading another, logits (B, T, V); the head's matrix is the embedding, or one of its own."""

    task = "seq2seq-lm"

    def build_head(self, config: Any) -> None:
        """Make the matrix where it is not tied, and the bias where the family has one."""
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if self.body.final_bias:
            self.register_buffer("final_logits_bias", torch.zeros(1, config.vocab_size))

    @property
    def head_matrix(self) -> Tensor:
        """The matrix (V, D) that turns hidden states into logits."""
        return self.body.words if self.config.tie_word_embeddings else self.lm_head.weight

    def project(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., V) of hidden states (..., D)."""
        logits = functional.linear(self.body.scale(hidden), self.head_matrix)
        return logits + self.get_buffer("final_logits_bias") if self.body.final_bias else logits

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of labels (B, T) over those that are not -100."""
        return mean_loss(logits, labels)

    def written(self, input_ids: Tensor, decoder_input_ids: Tensor | None, labels: Tensor | None) -> Tensor:
        """Return what the decoder reads: ids that were given, or the labels, one place to the right."""
        if decoder_input_ids is not None:
            return decoder_input_ids
        if labels is None:
            raise ModelError(
                "an encoder-decoder needs decoder_input_ids or labels; to write text, call generate(input_ids)"
            )
        check_labels(labels, self.config.vocab_size)
        return self.shifted(labels)

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor | Mapping[str, Tensor],
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """Return the decoder's ids, (B * num_return_sequences, 1 + new tokens) int64; see `models.writing.write`."""
        return write(self, input_ids, attention_mask, decoder_input_ids, **options)
