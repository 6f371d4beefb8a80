"""Decoders whose head labels, whatever is labelled. Legend: B rows, T tokens."""

from torch import Tensor

from massivetext.models.decoder import DecoderModel
from massivetext.models.outputs import HeadOutput, Record


class LabellingDecoder(DecoderModel):
    """A decoder whose head gives logits, and whose labels give one loss."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> HeadOutput:
        """Return the logits and, with labels, the mean loss; other arguments as for `CausalLM.forward`."""
        self.check_ids(input_ids)
        wanted = output_hidden_states or output_attentions
        record = Record([], [] if output_attentions else None) if wanted else None
        hidden = self.read(self.embed(input_ids), attention_mask, position_ids, record=record)
        logits = self.predict(hidden, input_ids)
        loss = None if labels is None else self.loss(logits, labels)
        shown = () if record is None else record.shown(hidden, output_hidden_states)
        return HeadOutput(loss, logits, *shown)
