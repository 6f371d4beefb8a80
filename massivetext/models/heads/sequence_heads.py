"""The encoder-decoder families with heads that label, under Hugging Face's names.

Legend: B rows, S source tokens, T target tokens, D features, L labels.

The decoder reads the source once more, one place to the right. T5's token classifier is its encoder alone.
"""

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from massivetext.errors import ModelError
from massivetext.models.encoder_decoder import UNLIMITED, kept_weights
from massivetext.models.heads.labelling import TwoLayerClassifier, answered, sequence_loss, token_loss
from massivetext.models.heads.sequence_models import BartModel, MT5Model, SequenceModel, T5Model
from massivetext.models.model import check_ids
from massivetext.models.outputs import HeadOutput, SequenceModelOutput, SequenceOutput, SequenceSpanOutput


class SequenceModelWithHead(SequenceModel):
    """An encoder-decoder with a head that reads the decoder's last hidden states. Mixed into the families."""

    def read_twice(
        self, input_ids: Tensor, attention_mask: Tensor | None, decoder_input_ids: Tensor | None, *inputs: Any
    ) -> tuple[Tensor, list[Any]]:
        """Return the decoder's last_hidden_state (B, T, D), and the other fields of `SequenceModelOutput` in order.

        decoder_input_ids: None: made from `input_ids`. inputs: the other arguments of `SequenceModel.forward`.
        """
        check_ids(input_ids, self.config.vocab_size, self.config.most_tokens)  # under their own name first
        if decoder_input_ids is None:
            decoder_input_ids = self.shifted(input_ids)
        read: SequenceModelOutput = super().forward(input_ids, attention_mask, decoder_input_ids, *inputs)
        return read.last_hidden_state, [getattr(read, field.name) for field in fields(read)[1:]]


class SequenceModelForSequenceClassification(SequenceModelWithHead):
    """An encoder-decoder that labels texts, by the decoder's last end of a text."""

    def build(self, config: Any) -> None:
        """Make the body and the classifier."""
        super().build(config)
        share = config.classifier_dropout or 0.0
        self.classification_head = TwoLayerClassifier(config.d_model, config.num_labels, share)

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> SequenceOutput:
        """Return logits (B, L) and, with labels, the mean loss that `problem_type` says (see `sequence_loss`).

        decoder_input_ids: (B, S) like `input_ids`, whose ends of text say where the decoder's states are read; None:
        made from them. The others as for `SequenceModel.forward`.
        """
        if decoder_input_ids is not None and decoder_input_ids.shape != input_ids.shape:
            raise ModelError(
                f"decoder_input_ids is {tuple(decoder_input_ids.shape)} and input_ids {tuple(input_ids.shape)}; a text "
                f"is labelled where input_ids ends, so both need the same shape: leave decoder_input_ids out"
            )
        shown = (output_hidden_states, output_attentions)
        hidden, others = self.read_twice(input_ids, attention_mask, decoder_input_ids, decoder_attention_mask, *shown)
        rows = torch.arange(input_ids.shape[0], device=input_ids.device)
        logits = self.classification_head(hidden[rows, self.last_ends(input_ids)])
        loss = None if labels is None else sequence_loss(logits, labels, self.config)
        return SequenceOutput(loss, logits, *others)

    def last_ends(self, input_ids: Tensor) -> Tensor:
        """Return the place of each row's last end of text, (B,); ModelError unless all have as many, at least 1."""
        end = self.config.eos_token_id
        if end is None:
            raise ModelError("a text is labelled where it ends, and the configuration has no eos_token_id; set it")
        ends = torch.isin(input_ids, torch.tensor(end, device=input_ids.device))
        if not torch.compiler.is_compiling():
            counts = ends.sum(dim=1).tolist()
            if 0 in counts or len(set(counts)) > 1:
                raise ModelError(
                    f"a text is labelled by its last end of text (id {end}), and the rows of input_ids have {counts} "
                    f"of them; allowed: the same number in every row, at least 1. Tokenize with special tokens, put a "
                    f"second text into every row or into none, and pad with another id than {end}"
                )
        return (ends * torch.arange(input_ids.shape[1], device=input_ids.device)).argmax(dim=1)

    def probe_inputs(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return the probe with an end behind it."""
        end = torch.tensor(self.config.eos_token_id, device=input_ids.device).reshape(1, -1)[:, :1]
        return {"input_ids": torch.cat([input_ids, end], dim=1)[:, -(self.config.most_tokens or UNLIMITED) :]}


class SequenceModelForQuestionAnswering(SequenceModelWithHead):
    """An encoder-decoder that finds the answer to a question inside a text: its first and last token."""

    def build(self, config: Any) -> None:
        """Make the body and the two scores."""
        super().build(config)
        self.qa_outputs = nn.Linear(config.d_model, 2)

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> SequenceSpanOutput:
        """Return start_logits and end_logits (B, T); with both positions (B,) the mean loss, see `answered`.

        decoder_input_ids: None: made from `input_ids`, so that T is S. The others as for `SequenceModel.forward`.
        """
        shown = (output_hidden_states, output_attentions)
        hidden, others = self.read_twice(input_ids, attention_mask, decoder_input_ids, decoder_attention_mask, *shown)
        return SequenceSpanOutput(*answered(self.qa_outputs(hidden), start_positions, end_positions), *others)

    def probe_inputs(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return the probe."""
        return {"input_ids": input_ids}


class T5ForSequenceClassification(SequenceModelForSequenceClassification, T5Model):
    """T5 that labels texts."""

    stored_base = "transformer."


class T5ForQuestionAnswering(SequenceModelForQuestionAnswering, T5Model):
    """T5 that finds answers inside a text."""


class T5ForTokenClassification(T5Model):
    """T5's encoder that labels tokens."""

    stored_base = "transformer."
    heads = (*T5Model.heads, "decoder.")  # which files of the other classes have, and this one leaves out

    def build(self, config: Any) -> None:
        """Make the embedding, the encoder and the classifier."""
        super().build(config)
        del self.decoder
        self.dropout = nn.Dropout(config.classifier_dropout or 0.0)
        self.classifier = nn.Linear(config.d_model, config.num_labels)

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> HeadOutput:
        """Return logits (B, S, L) and, with labels (B, S), the mean loss over those that are not -100."""
        kept = kept_weights(output_attentions)[0]
        memory = self.encode(input_ids, attention_mask, kept)
        logits = self.classifier(self.dropout(memory.hidden))
        loss = None if labels is None else token_loss(logits, labels)
        shown = memory.states if output_hidden_states else None
        return HeadOutput(loss, logits, shown, None if kept is None else tuple(kept))

    def probe_inputs(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return the probe."""
        return {"input_ids": input_ids}


class MT5ForSequenceClassification(T5ForSequenceClassification):
    """mT5 that labels texts."""

    config_class = MT5Model.config_class


class MT5ForQuestionAnswering(T5ForQuestionAnswering):
    """mT5 that finds answers inside a text."""

    config_class = MT5Model.config_class


class MT5ForTokenClassification(T5ForTokenClassification):
    """mT5's encoder that labels tokens."""

    config_class = MT5Model.config_class


class BartForSequenceClassification(SequenceModelForSequenceClassification, BartModel):
    """BART that labels texts."""

    stored_base = "model."

    @classmethod
    def told_by_weights(cls, config: Any, weights: dict[str, Tensor]) -> Any:
        """Return the configuration with as many labels as the weights have, where config.json names none.

        transformers 5 leaves two unnamed labels out of config.json, and BART's default is three.
        """
        bias = weights.get("classification_head.out_proj.bias")
        return config if bias is None or config.id2label is not None else config.changed(num_labels=len(bias))


class BartForQuestionAnswering(SequenceModelForQuestionAnswering, BartModel):
    """BART that finds answers inside a text."""

    stored_base = "model."
