"""The encoder-decoder families without their language model's head, under Hugging Face's names.

Legend: B rows, S source tokens, T target tokens, D features.
"""

from typing import Any, ClassVar, NoReturn

from torch import Tensor

from massivetext.errors import ModelError
from massivetext.models.encoder_decoder import EncoderDecoder, attentions_of, kept_weights
from massivetext.models.families.bart import HEADS, BartForConditionalGeneration, Body
from massivetext.models.families.marian import MarianMTModel
from massivetext.models.families.t5 import MT5ForConditionalGeneration, T5ForConditionalGeneration
from massivetext.models.outputs import SequenceModelOutput


class SequenceModel(EncoderDecoder):
    """An encoder-decoder without a head. Mixed into the families, not used by itself."""

    stored_base: ClassVar[str] = ""
    """How the names of what is no head begin in files."""

    @classmethod
    def told_by_weights(cls, config: Any, weights: dict[str, Tensor]) -> Any:
        """Return the configuration as it is: what weights tell is about the head."""
        return config

    def stored_weights(self) -> dict[str, Tensor]:
        """Return the tensors that a model folder holds, by name."""
        return {self.stored_name(name): tensor for name, tensor in self.state_dict().items()}

    def stored_name(self, name: str) -> str:
        """Return what files call a tensor."""
        return name if name.startswith(self.heads) else self.stored_base + name.removeprefix(f"{self.body}.")

    def forward(  # type: ignore[override]
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
        kept = kept_weights(output_attentions)
        memory, states = self.read(input_ids, attention_mask, decoder_input_ids, decoder_attention_mask, kept)
        shown = (memory.states, states) if output_hidden_states else (None, None)
        return SequenceModelOutput(states[-1], memory.hidden, *shown, *attentions_of(kept))

    def generate(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise ModelError: without a head no text is written."""
        raise ModelError(f"{type(self).__name__} has no head to write text with; load it with AutoModelForSeq2SeqLM")


class T5Model(SequenceModel, T5ForConditionalGeneration):
    """T5 without a head."""

    bodies = ("transformer",)
    heads: ClassVar[tuple[str, ...]] = ("lm_head.", "classifier.", *HEADS)

    def build(self, config: Any) -> None:
        """Make the embedding and both stacks."""
        super().build(config.changed(tie_word_embeddings=True))  # a tied head has no weights of its own


class MT5Model(T5Model, MT5ForConditionalGeneration):
    """mT5 without a head."""

    config_class = MT5ForConditionalGeneration.config_class


class BartModel(SequenceModel, BartForConditionalGeneration):
    """BART without a head."""

    def build(self, config: Any) -> None:
        """Make the embedding and both stacks."""
        self.model = Body(config, self.stack_class)


class MarianModel(BartModel, MarianMTModel):
    """Marian without a head."""

    config_class, stack_class, derived = MarianMTModel.config_class, MarianMTModel.stack_class, MarianMTModel.derived
