"""The heads of the encoders, and the losses of all heads. Legend: B rows, T tokens, C choices, D features, L labels.

A family mixes these with its own encoder (bert.py, roberta.py) and gives what differs: the language model's head and
the sequence classifier.
"""

from dataclasses import replace
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from massivetext.errors import ModelError
from massivetext.layers.loss import mean_loss, precise
from massivetext.models.encoder import EncoderConfig, EncoderModel
from massivetext.models.model import PretrainedModel
from massivetext.models.outputs import EncoderOutput, HeadOutput, SpanOutput
from massivetext.models.published import LabelledConfig
from massivetext.tokens.labels import IGNORED_LABEL


def sequence_loss(logits: Tensor, labels: Tensor, config: LabelledConfig) -> Tensor:
    """Return the mean loss of labelled texts, by `problem_type`, or as Hugging Face tells it where that is not set.

    logits: (B, L). Regression (L = 1): mean squared error; whole-number labels (B,): cross entropy; else (B, L) of 0
    and 1: each label's own binary cross entropy.
    """
    kind: str | None = config.problem_type
    if kind is None:
        whole = labels.dtype in (torch.int64, torch.int32)
        several = "single_label_classification" if whole else "multi_label_classification"
        kind = "regression" if config.num_labels == 1 else several
    if kind == "single_label_classification":
        check_labels(labels, config.num_labels)
        return functional.cross_entropy(precise(logits), labels.reshape(-1).long())
    if labels.numel() != logits.numel():
        raise ModelError(
            f"labels is {tuple(labels.shape)} and a {kind} with num_labels = {config.num_labels} needs "
            f"{tuple(logits.shape)}; give one number for each, or set problem_type"
        )
    if kind == "regression":
        return functional.mse_loss(precise(logits), labels.reshape(logits.shape).to(logits.dtype))
    return functional.binary_cross_entropy_with_logits(precise(logits), labels.reshape(logits.shape).to(logits.dtype))


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross entropy of labels (B, T) over those that are not -100, for logits (B, T, L)."""
    check_labels(labels, logits.shape[-1])
    return mean_loss(logits, labels)


def answered(
    scores: Tensor, start_positions: Tensor | None, end_positions: Tensor | None
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Return start and end logits (B, T) of scores (B, T, 2), before them the mean of their losses or None.

    A position (B,) at or behind T, where truncation cut the answer off, is not counted.
    """
    start, end = scores.unbind(dim=-1)
    if start_positions is None or end_positions is None:
        return None, start, end
    parts = []
    for logits, positions in ((start, start_positions), (end, end_positions)):
        places = positions.reshape(-1).clamp(0, logits.shape[1])
        parts.append(functional.cross_entropy(precise(logits), places, ignore_index=logits.shape[1]))
    return (parts[0] + parts[1]) / 2, start, end


class TwoLayerClassifier(nn.Module):
    """Projected, tanh, projected again: the sequence classifier of RoBERTa, BART and T5."""

    def __init__(self, features: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(features, features)
        self.dropout = nn.Dropout(dropout)
        self.out_proj = nn.Linear(features, labels)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the logits (B, L) of hidden states (B, D)."""
        return cast(Tensor, self.out_proj(self.dropout(torch.tanh(self.dense(self.dropout(hidden))))))


def check_labels(labels: Tensor, count: int) -> None:
    """Raise ModelError for a label outside 0 ... count - 1 that is not IGNORED_LABEL."""
    if torch.compiler.is_compiling():
        return
    wrong = labels[(labels != IGNORED_LABEL) & ((labels < 0) | (labels >= count))]
    if wrong.numel():
        raise ModelError(
            f"labels has the value {int(wrong[0])}; allowed: 0 to {count - 1}, and {IGNORED_LABEL} for none. Load the "
            f"model with num_labels=... if there are more"
        )


class EncoderWithHead(PretrainedModel):
    """An encoder with a head. A family names its encoder's class and the attribute that holds it (`body`)."""

    model_class: ClassVar[type[EncoderModel]]
    pooled: ClassVar[bool] = False
    config: EncoderConfig

    def build(self, config: EncoderConfig) -> None:
        """Make the encoder and the head."""
        self.add_module(self.body, self.model_class(config, None, self.pooled))
        self.build_head(config)

    def build_head(self, config: EncoderConfig) -> None:
        """Make the head."""
        raise NotImplementedError

    def encode(self, input_ids: Tensor, *inputs: Any, **wanted: Any) -> EncoderOutput:
        """Return the encoder's output; `inputs`, `wanted`: its other arguments."""
        return cast(EncoderOutput, getattr(self, self.body)(input_ids, *inputs, **wanted))

    @property
    def words(self) -> Tensor:
        """The word embedding, (V, D)."""
        return cast(Tensor, getattr(self, self.body).embeddings.word_embeddings.weight)

    @property
    def classifier_dropout(self) -> float:
        """Share of features that training drops before a classifier."""
        share = self.config.classifier_dropout
        return self.config.hidden_dropout_prob if share is None else share


class Labelling(EncoderWithHead):
    """An encoder whose head gives logits, and whose labels give one loss."""

    def predict(self, encoded: EncoderOutput) -> Tensor:
        """Return the logits."""
        raise NotImplementedError

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss; of tokens, for logits (B, T, L), unless a head says otherwise."""
        return token_loss(logits, labels)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> HeadOutput:
        """Return the logits and, with labels, the mean loss; inputs are (B, T)."""
        inputs = (attention_mask, token_type_ids, position_ids)
        encoded = self.encode(input_ids, *inputs, output_hidden_states, output_attentions)
        loss, logits = None, self.predict(encoded)
        if labels is not None:
            loss = self.loss(logits, labels)
        return HeadOutput(loss, logits, encoded.hidden_states, encoded.attentions)


class MaskedLM(Labelling):
    """Predicts masked tokens, logits (B, T, V); the head's matrix is the word embedding."""


class SequenceClassification(Labelling):
    """Labels texts, logits (B, L)."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss that `problem_type` says (see `sequence_loss`)."""
        return sequence_loss(logits, labels, self.config)


class TokenClassification(Labelling):
    """Labels tokens, logits (B, T, L)."""

    def build_head(self, config: EncoderConfig) -> None:
        """Make the classifier."""
        self.dropout = nn.Dropout(self.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)

    def predict(self, encoded: EncoderOutput) -> Tensor:
        """Return the logits (B, T, L)."""
        return cast(Tensor, self.classifier(self.dropout(encoded.last_hidden_state)))


class QuestionAnswering(EncoderWithHead):
    """Finds the answer to a question inside a text: its first and last token."""

    def build_head(self, config: EncoderConfig) -> None:
        """Make the two scores."""
        self.qa_outputs = nn.Linear(config.hidden_size, 2)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> SpanOutput:
        """Return start_logits and end_logits (B, T); with both positions (B,) the mean loss, see `answered`."""
        inputs = (attention_mask, token_type_ids, position_ids)
        encoded = self.encode(input_ids, *inputs, output_hidden_states, output_attentions)
        spans = answered(self.qa_outputs(encoded.last_hidden_state), start_positions, end_positions)
        return SpanOutput(*spans, encoded.hidden_states, encoded.attentions)


class MultipleChoice(Labelling):
    """Chooses one of several continuations, by the pooler's output of each: logits (B, C) for inputs (B, C, T)."""

    pooled: ClassVar[bool] = True

    def build_head(self, config: EncoderConfig) -> None:
        """Make the score."""
        self.dropout = nn.Dropout(self.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, 1)

    def encode(self, input_ids: Tensor, *inputs: Any, **wanted: Any) -> EncoderOutput:
        """Return the encoder's output for all choices, each a row; pooler_output is (B, C, D)."""
        if input_ids.ndim != 3:
            raise ModelError(f"input_ids is {tuple(input_ids.shape)}; multiple choice needs (rows, choices, tokens)")
        flat = [part.flatten(0, 1) if isinstance(part, Tensor) else part for part in inputs]
        encoded = super().encode(input_ids.flatten(0, 1), *flat, **wanted)
        return replace(encoded, pooler_output=torch.unflatten(self.summary(encoded), 0, input_ids.shape[:2]))

    def summary(self, encoded: EncoderOutput) -> Tensor:
        """Return what each choice is scored by, (B * C, D)."""
        assert encoded.pooler_output is not None
        return encoded.pooler_output

    def predict(self, encoded: EncoderOutput) -> Tensor:
        """Return the logits (B, C)."""
        return cast(Tensor, self.classifier(self.dropout(encoded.pooler_output)))[..., 0]

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross entropy of labels (B,)."""
        check_labels(labels, logits.shape[1])
        return functional.cross_entropy(precise(logits), labels)

    def probe_inputs(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return one choice."""
        return {"input_ids": input_ids[None]}
