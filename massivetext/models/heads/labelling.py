"""Decoders with a classification head. Legend: B rows, T tokens, D features."""

import torch
from torch import Tensor

from massivetext.models.decoder import DecoderModel
from massivetext.models.ids import last_tokens
from massivetext.models.outputs import HeadOutput, Record


class LabellingDecoder(DecoderModel):
    """A decoder whose head returns logits, and one loss if labels are given."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> HeadOutput:
        """Return the logits and, given labels, the mean loss; other arguments are those of `CausalLM.forward`."""
        self.check_ids(input_ids)
        wanted = output_hidden_states or output_attentions
        record = Record([], [] if output_attentions else None) if wanted else None
        hidden = self.read(self.embed(input_ids), attention_mask, position_ids, record=record)
        logits = self.predict(hidden, input_ids)
        loss = None if labels is None else self.loss(logits, labels)
        shown = () if record is None else record.shown(hidden, output_hidden_states)
        return HeadOutput(loss, logits, *shown)

    def summary(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return the hidden state of each row's last token that is not padding, (B, D)."""
        rows = torch.arange(input_ids.shape[0], device=input_ids.device)
        return hidden[rows, last_tokens(input_ids, self.config.pad_token_id)]
