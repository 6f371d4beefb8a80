"""What the models return: fields by name, or by place among those present (loss first), as Hugging Face's outputs.

Legend: B rows, T tokens, D features, V vocabulary, L labels.
"""

from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

HiddenStates = tuple[Tensor, ...]


@dataclass
class Output:
    """Base of the outputs."""

    def __getitem__(self, key: str | int | slice) -> Any:
        """Return a field by name, or by its place among those that are not None."""
        return getattr(self, key) if isinstance(key, str) else self.to_tuple()[key]

    def to_tuple(self) -> tuple[Any, ...]:
        """Return the fields that are not None."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in values if value is not None)


@dataclass
class EncoderOutput(Output):
    """Hidden states (B, T, D); pooler_output (B, D) of the first token; hidden_states: of every layer, where asked."""

    last_hidden_state: Tensor
    pooler_output: Tensor | None = None
    hidden_states: HiddenStates | None = None


@dataclass
class HeadOutput(Output):
    """Logits: (B, T, V) masked language models, (B, T, L) tokens, (B, L) texts, (B, choices) multiple choice."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: HiddenStates | None = None


@dataclass
class SpanOutput(Output):
    """Logits of the answer's first and last token, (B, T) each."""

    loss: Tensor | None = None
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    hidden_states: HiddenStates | None = None


@dataclass
class SequenceOutput(Output):
    """Logits (B, T, V) of an encoder-decoder; the encoder's last hidden states; those of every layer, where asked."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: HiddenStates | None = None
    decoder_hidden_states: HiddenStates | None = None


@dataclass
class SequenceModelOutput(Output):
    """Hidden states (B, T, D) of the decoder, the encoder's (B, S, D); those of every layer, where asked."""

    last_hidden_state: Tensor
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: HiddenStates | None = None
    decoder_hidden_states: HiddenStates | None = None
