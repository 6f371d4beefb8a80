"""Finding the answer to a question inside a text: its first and last token. Legend: B rows, T tokens, D features."""

from typing import Any

from torch import Tensor, nn

from massivetext.models.decoder import DecoderModel
from massivetext.models.encoder import EncoderModel
from massivetext.models.encoder_decoder import EncoderDecoderModel
from massivetext.models.heads.losses import read_spans
from massivetext.models.model import Model
from massivetext.models.outputs import Record, SequenceSpanOutput, SpanOutput


class QuestionAnswering(Model):
    """Scores every token as the first and as the last of the answer."""

    task = "question-answering"

    def build_head(self, config: Any) -> None:
        """Make the two scores."""
        self.qa_outputs = nn.Linear(self.width, 2)
        self.dropout = nn.Dropout(config.dropout_before(self.task))

    def project(self, hidden: Tensor) -> Tensor:
        """Return the two scores (..., 2) of hidden states (..., D)."""
        scores: Tensor = self.qa_outputs(self.dropout(hidden))
        return scores


class DecoderQuestionAnswering(QuestionAnswering, DecoderModel):
    """A decoder that finds answers."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> SpanOutput:
        """Return start_logits and end_logits (B, T); with both positions (B,) the mean loss, see `read_spans`."""
        self.check_ids(input_ids)
        wanted = output_hidden_states or output_attentions
        record = Record([], [] if output_attentions else None) if wanted else None
        hidden = self.read(self.embed(input_ids), attention_mask, position_ids, record=record)
        spans = read_spans(self.project(hidden), start_positions, end_positions)
        shown = () if record is None else record.shown(hidden, output_hidden_states)
        return SpanOutput(*spans, *shown)


class EncoderQuestionAnswering(QuestionAnswering, EncoderModel):
    """An encoder that finds answers."""

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
        """Return start_logits and end_logits (B, T); with both positions (B,) the mean loss, see `read_spans`."""
        wanted = output_hidden_states or output_attentions
        record = Record([], [] if output_attentions else None) if wanted else None
        hidden = self.hidden(self.embed(input_ids, token_type_ids, position_ids), attention_mask, record)
        spans = read_spans(self.project(hidden), start_positions, end_positions)
        shown = () if record is None else record.shown(hidden, output_hidden_states)
        return SpanOutput(*spans, *shown)


class EncoderDecoderQuestionAnswering(QuestionAnswering, EncoderDecoderModel):
    """An encoder-decoder that finds answers; the decoder reads the source once more, one place to the right."""

    def forward(
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
        """Return start_logits and end_logits (B, T); with both positions (B,) the mean loss, see `read_spans`.

        decoder_input_ids: None: made from `input_ids`, so that T is S. The others as for `LabellingEncoderDecoder`.
        """
        self.check_source(input_ids)
        written = self.shifted(input_ids) if decoder_input_ids is None else decoder_input_ids
        read = self.read(input_ids, attention_mask, written, decoder_attention_mask, output_attentions)
        spans = read_spans(self.project(read.hidden), start_positions, end_positions)
        return SequenceSpanOutput(*spans, *read.shown(output_hidden_states))

    def probe_inputs(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return the probe."""
        return {"input_ids": input_ids}
