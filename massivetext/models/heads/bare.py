"""Models without a head: the hidden states of a body. Legend: B rows, T tokens, S source tokens, D features."""

from typing import Any

from torch import Tensor

from massivetext.errors import ModelError
from massivetext.models.decoder import DecoderModel
from massivetext.models.encoder import EncoderModel
from massivetext.models.encoder_decoder import EncoderDecoderModel
from massivetext.models.outputs import EncoderOutput, Record, SequenceModelOutput


class BareDecoder(DecoderModel):
    """A decoder without a head."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> EncoderOutput:
        """Return last_hidden_state (B, T, D), behind the final norm; arguments as for `CausalLM.forward`."""
        self.check_ids(input_ids)
        wanted = output_hidden_states or output_attentions
        record = Record([], [] if output_attentions else None) if wanted else None
        hidden = self.read(self.embed(input_ids), attention_mask, position_ids, record=record)
        shown = () if record is None else record.shown(hidden, output_hidden_states)
        return EncoderOutput(hidden, None, *shown)


class BareEncoder(EncoderModel):
    """An encoder without a head."""

    def __init__(self, config: Any, seed: int | None = 0, add_pooling_layer: bool = True) -> None:
        """add_pooling_layer: whether there is a pooler, as in Hugging Face."""
        self.pooled = add_pooling_layer
        super().__init__(config, seed)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> EncoderOutput:
        """Return last_hidden_state (B, T, D) and pooler_output (B, D).

        input_ids: (B, T). attention_mask: (B, T), 1 = text, 0 = padding, on either side. token_type_ids: (B, T), 0 for
        the first text, 1 for the second. position_ids: (B, T) rows of the position embedding. output_hidden_states,
        output_attentions: also what each layer did, see `outputs`.
        """
        wanted = output_hidden_states or output_attentions
        record = Record([], [] if output_attentions else None) if wanted else None
        hidden = self.hidden(self.embed(input_ids, token_type_ids, position_ids), attention_mask, record)
        pooled = None if self.body.pooler is None else self.body.pooler(hidden)
        shown = () if record is None else record.shown(hidden, output_hidden_states)
        return EncoderOutput(hidden, pooled, *shown)


class BareEncoderDecoder(EncoderDecoderModel):
    """An encoder-decoder without a head."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> SequenceModelOutput:
        """Return the decoder's last_hidden_state (B, T, D) and the encoder's (B, S, D).

        input_ids: (B, S). decoder_input_ids: (B, T). The masks are 0 where there is padding. output_hidden_states,
        output_attentions: also what each layer did, see `outputs`.
        """
        if decoder_input_ids is None:
            raise ModelError(
                f"{type(self).__name__} needs decoder_input_ids, what its decoder reads; to have it write a text, load "
                f"the folder with AutoModelForSeq2SeqLM and call generate(input_ids)"
            )
        read = self.read(input_ids, attention_mask, decoder_input_ids, decoder_attention_mask, output_attentions)
        return SequenceModelOutput(read.hidden, *read.shown(output_hidden_states))
