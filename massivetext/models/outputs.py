"""What the models return: fields by name, or by place among those present (loss first), as Hugging Face's outputs.

Legend: B rows, T tokens, S tokens that are read, H heads, D features, V vocabulary, L labels.

Only where asked for: `hidden_states` (B, T, D), what the first layer reads, then what each gives, the last as the head
reads it; `attentions` (B, H, T, S) of every layer, each row the shares in which a token reads the others.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from torch import Tensor

HiddenStates = tuple[Tensor, ...]
Attentions = tuple[Tensor, ...]


class Record(NamedTuple):
    """What a pass leaves behind for those who ask: its hidden states and, unless None, its attention weights."""

    states: list[Tensor]
    weights: list[Tensor] | None = None

    def shown(self, last: Tensor, hidden_states: bool) -> tuple[HiddenStates | None, Attentions | None]:
        """Return hidden_states and attentions of an output. last: the hidden states as the head reads them."""
        states = (*self.states[:-1], last) if hidden_states else None
        return states, None if self.weights is None else tuple(self.weights)


@dataclass
class Output:
    """Base of the outputs."""

    def __getitem__(self, key: str | int | slice) -> Any:
        """Return a field by name, or by its place among those that are not None."""
        return getattr(self, key) if isinstance(key, str) else self.to_tuple()[key]

    def __getattr__(self, name: str) -> Any:
        """Say what replaces a field that Hugging Face's outputs have and these do not."""
        if name == "past_key_values":
            raise AttributeError("past_key_values is not kept; call generate(), which has its own cache")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __len__(self) -> int:
        return len(self.to_tuple())

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, as Hugging Face's outputs do."""
        return iter(self.keys())

    def keys(self) -> list[str]:
        """Return the names of the fields that are not None."""
        return [field.name for field in fields(self) if getattr(self, field.name) is not None]

    def values(self) -> list[Any]:
        """Return the fields that are not None."""
        return list(self.to_tuple())

    def items(self) -> list[tuple[str, Any]]:
        """Return names and fields that are not None."""
        return list(zip(self.keys(), self.to_tuple(), strict=True))

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field by name, `default` where it is None."""
        return getattr(self, key) if key in self.keys() else default

    def to_tuple(self) -> tuple[Any, ...]:
        """Return the fields that are not None."""
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
    """Logits: (B, T, V) language models, (B, T, L) tokens, (B, L) texts, (B, choices) multiple choice; the loss."""

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
    """Logits (B, T, V), or (B, L) of a classifier; the encoder's last hidden states; what each side's layers did."""

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
    """Logits of the answer's first and last token, (B, T) each; otherwise as `SequenceOutput`."""

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
    """Hidden states (B, T, D) of the decoder, the encoder's (B, S, D); those of every layer, where asked."""

    last_hidden_state: Tensor
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: HiddenStates | None = None
    decoder_hidden_states: HiddenStates | None = None
    encoder_attentions: Attentions | None = None
    decoder_attentions: Attentions | None = None
    cross_attentions: Attentions | None = None
