"""Outputs of the models: fields by name, or by position among those present (loss first), as in Hugging Face.

Legend: B rows, T tokens, S tokens attended to, H heads, D features, V vocabulary, L labels.

Two fields are returned on request. `hidden_states` are (B, T, D) each: the input of the first layer, then the output of
every layer, the last one as the head reads it. `attentions` are the attention weights of every layer, (B, H, T, S).
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from torch import Tensor

HiddenStates = tuple[Tensor, ...]
Attentions = tuple[Tensor, ...]


class Record(NamedTuple):
    """The hidden states and, unless None, the attention weights recorded in one forward pass."""

    states: list[Tensor]
    weights: list[Tensor] | None = None

    def shown(self, last: Tensor, hidden_states: bool) -> tuple[HiddenStates | None, Attentions | None]:
        """Return the output's hidden_states and attentions. last: the hidden states as the head reads them."""
        states = (*self.states[:-1], last) if hidden_states else None
        return states, None if self.weights is None else tuple(self.weights)


@dataclass
class Output:
    """Base of the outputs."""

    def __getitem__(self, key: str | int | slice) -> Any:
        """Return a field by name, or by its position among those that are not None."""
        return getattr(self, key) if isinstance(key, str) else self.to_tuple()[key]

    def __getattr__(self, name: str) -> Any:
        """Raise AttributeError; for a field that only Hugging Face's outputs have, say what to use instead."""
        if name == "past_key_values":
            raise AttributeError("past_key_values is not kept; call generate(), which has its own cache")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __len__(self) -> int:
        return len(self.to_tuple())

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the fields, as Hugging Face's outputs do."""
        return iter(self.keys())

    def keys(self) -> list[str]:
        """Return the names of the fields that are not None."""
        return [field.name for field in fields(self) if getattr(self, field.name) is not None]

    def values(self) -> list[Any]:
        """Return the values of the fields that are not None."""
        return list(self.to_tuple())

    def items(self) -> list[tuple[str, Any]]:
        """Return the names and values of the fields that are not None."""
        return list(zip(self.keys(), self.to_tuple(), strict=True))

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field by name, or `default` if it is None or unknown."""
        return getattr(self, key) if key in self.keys() else default

    def to_tuple(self) -> tuple[Any, ...]:
        """Return the values of the fields that are not None."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in values if value is not None)


@dataclass
class EncoderOutput(Output):
    """Hidden states (B, T, D); pooler_output (B, D) of the first token."""

    last_hidden_state: Tensor
    pooler_output: Tensor | None = None
    hidden_states: HiddenStates | None = None
    attentions: Attentions | None = None


@dataclass
class HeadOutput(Output):
    """The loss and the logits: (B, T, V) for language models, (B, T, L) tokens, (B, L) texts, (B, choices) choices."""

    loss: Tensor | None
    logits: Tensor
    hidden_states: HiddenStates | None = None
    attentions: Attentions | None = None


@dataclass
class SpanOutput(Output):
    """Logits of the answer's first and last token, (B, T) each."""

    loss: Tensor | None = None
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    hidden_states: HiddenStates | None = None
    attentions: Attentions | None = None


@dataclass
class SequenceOutput(Output):
    """Logits (B, T, V), or (B, L) of a classifier; hidden states and attention weights of encoder and decoder."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: HiddenStates | None = None
    decoder_hidden_states: HiddenStates | None = None
    encoder_attentions: Attentions | None = None
    decoder_attentions: Attentions | None = None
    cross_attentions: Attentions | None = None


@dataclass
class SequenceSpanOutput(Output):
    """Logits of the answer's first and last token, (B, T) each; the other fields are those of `SequenceOutput`."""

    loss: Tensor | None = None
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: HiddenStates | None = None
    decoder_hidden_states: HiddenStates | None = None
    encoder_attentions: Attentions | None = None
    decoder_attentions: Attentions | None = None
    cross_attentions: Attentions | None = None


@dataclass
class SequenceModelOutput(Output):
    """Last hidden states of the decoder (B, T, D) and the encoder (B, S, D); those of every layer on request."""

    last_hidden_state: Tensor
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: HiddenStates | None = None
    decoder_hidden_states: HiddenStates | None = None
    encoder_attentions: Attentions | None = None
    decoder_attentions: Attentions | None = None
    cross_attentions: Attentions | None = None
