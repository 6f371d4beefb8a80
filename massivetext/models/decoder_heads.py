"""The causal families without their language model's head: the bare decoder, and the classifier of texts.

Legend: B rows, T tokens, D features, L labels.

Inside is the family's causal model with a tied head, which has no weights of its own, so that the way through it and
the names of its weights are said once. The classes are under Hugging Face's names, where it has them.
"""

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from massivetext.errors import ModelError
from massivetext.models.arcee import ArceeForCausalLM
from massivetext.models.decoder import CausalDecoder
from massivetext.models.gpt2 import GPT2LMHeadModel
from massivetext.models.gpt_neox import GPTNeoXForCausalLM
from massivetext.models.heads import sequence_loss
from massivetext.models.llama import LlamaForCausalLM
from massivetext.models.mistral import MistralForCausalLM
from massivetext.models.nanochat import NanoChatForCausalLM
from massivetext.models.openai_gpt import OpenAIGPTLMHeadModel
from massivetext.models.opt import OPTForCausalLM
from massivetext.models.outputs import EncoderOutput, HeadOutput, Record
from massivetext.models.palm import PaLMForCausalLM
from massivetext.models.pretrained import PretrainedModel
from massivetext.models.qwen2 import Qwen2ForCausalLM
from massivetext.models.qwen3 import Qwen3ForCausalLM

INSIDE = "decoder."


class DecoderModel(PretrainedModel):
    """A causal family's decoder without a head. Base of the families, not used by itself."""

    decoder_class: ClassVar[type[CausalDecoder]]
    heads = ("score.", "lm_head.", "embed_out.", "classifier.", "qa_outputs.")

    def __init_subclass__(cls, of: type[CausalDecoder] | None = None) -> None:
        """Note whose decoder it is."""
        if of is not None:
            cls.decoder_class, cls.config_class = of, of.config_class

    def build(self, config: Any) -> None:
        """Make the decoder."""
        with torch.device("cpu"):  # rotary frequencies follow from the configuration: they are numbers from the start
            self.decoder = self.decoder_class(config.changed(tie_word_embeddings=True), None)

    def initialise(self, seed: int) -> Self:
        """Give every parameter its first value, the decoder's as its family does, and return the model."""
        self.decoder.initialise(seed)
        body = {name: tensor for name, tensor in self.state_dict().items() if name.startswith(INSIDE)}
        others = {name: value for name, value in self.state_dict(keep_vars=True).items() if name not in body}
        self.load_weights(body | self.fresh(seed, others))
        return self.train()

    def stored_weights(self) -> dict[str, Tensor]:
        """Return the weights under the names and in the layout of the family's files of the bare model."""
        base = self.decoder.stored_base
        return {name.removeprefix(base): tensor for name, tensor in self.decoder.stored_weights().items()}

    def take(self, weights: dict[str, Tensor], where: str, seed: int = 0) -> None:
        """Take over the tensors of a file; see `PretrainedModel.take`."""
        apart = {name: tensor for name, tensor in weights.items() if name.startswith(self.heads)}
        body = self.decoder.tidy({name: tensor for name, tensor in weights.items() if name not in apart}, where)
        inside = self.decoder.from_stored(body, where)
        super().take({**apart, **{INSIDE + name: tensor for name, tensor in inside.items()}}, where, seed)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> EncoderOutput:
        """Return last_hidden_state (B, T, D), behind the final norm; arguments as for `CausalDecoder.forward`."""
        self.decoder.check_ids(input_ids)
        record = Record.asked(output_hidden_states, output_attentions)
        hidden = self.decoder.read(input_ids, attention_mask, position_ids, record=record)
        return EncoderOutput(hidden, None, *Record.shown(record, hidden, output_hidden_states))


class DecoderForSequenceClassification(DecoderModel):
    """A causal family's decoder that labels texts, by the last token that is no padding."""

    def build(self, config: Any) -> None:
        """Make the decoder and the classifier."""
        super().build(config)
        features = self.decoder.model.embed_tokens.embedding_dim
        self.score = nn.Linear(features, config.num_labels, bias=False)

    def stored_weights(self) -> dict[str, Tensor]:
        """Return the weights under the names and in the layout of the family's files."""
        return {**self.decoder.stored_weights(), "score.weight": self.score.weight}

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> HeadOutput:
        """Return logits (B, L) and, with labels, the mean loss that `problem_type` says (see `sequence_loss`)."""
        read = super().forward(input_ids, attention_mask, position_ids, output_hidden_states, output_attentions)
        rows = torch.arange(input_ids.shape[0], device=input_ids.device)
        logits = self.score(read.last_hidden_state[rows, self.last_tokens(input_ids)])
        loss = None if labels is None else sequence_loss(logits, labels, self.config)
        return HeadOutput(loss, logits, read.hidden_states, read.attentions)

    def last_tokens(self, input_ids: Tensor) -> Tensor:
        """Return the place of each row's last token that is not the padding id, (B,), whichever side is padded."""
        padding, (batch, tokens) = self.config.pad_token_id, input_ids.shape
        if padding is None and batch > 1:
            raise ModelError(
                f"{batch} texts are to be labelled by their last token, and the configuration has no pad_token_id that "
                f"tells where a text ends; load the model with pad_token_id=tokenizer.pad_token_id, or give one text "
                f"at a time"
            )
        places = torch.arange(tokens, device=input_ids.device).expand(batch, tokens)
        return places[:, -1] if padding is None else (places * (input_ids != padding)).argmax(dim=1)


class ArceeModel(DecoderModel, of=ArceeForCausalLM):
    """Arcee without a head."""


class GPT2Model(DecoderModel, of=GPT2LMHeadModel):
    """GPT-2 without a head."""


class GPTNeoXModel(DecoderModel, of=GPTNeoXForCausalLM):
    """GPT-NeoX without a head."""


class LlamaModel(DecoderModel, of=LlamaForCausalLM):
    """Llama without a head."""


class MistralModel(DecoderModel, of=MistralForCausalLM):
    """Mistral without a head."""


class NanoChatModel(DecoderModel, of=NanoChatForCausalLM):
    """nanochat without a head."""


class OPTModel(DecoderModel, of=OPTForCausalLM):
    """OPT without a head."""


class OpenAIGPTModel(DecoderModel, of=OpenAIGPTLMHeadModel):
    """GPT without a head."""


class PaLMModel(DecoderModel, of=PaLMForCausalLM):
    """PaLM without a head."""


class Qwen2Model(DecoderModel, of=Qwen2ForCausalLM):
    """Qwen2 without a head."""


class Qwen3Model(DecoderModel, of=Qwen3ForCausalLM):
    """Qwen3 without a head."""


class ArceeForSequenceClassification(DecoderForSequenceClassification, of=ArceeForCausalLM):
    """Arcee that labels texts."""


class GPT2ForSequenceClassification(DecoderForSequenceClassification, of=GPT2LMHeadModel):
    """GPT-2 that labels texts."""


class GPTNeoXForSequenceClassification(DecoderForSequenceClassification, of=GPTNeoXForCausalLM):
    """GPT-NeoX that labels texts."""


class LlamaForSequenceClassification(DecoderForSequenceClassification, of=LlamaForCausalLM):
    """Llama that labels texts."""


class MistralForSequenceClassification(DecoderForSequenceClassification, of=MistralForCausalLM):
    """Mistral that labels texts."""


class OPTForSequenceClassification(DecoderForSequenceClassification, of=OPTForCausalLM):
    """OPT that labels texts."""


class OpenAIGPTForSequenceClassification(DecoderForSequenceClassification, of=OpenAIGPTLMHeadModel):
    """GPT that labels texts."""


class Qwen2ForSequenceClassification(DecoderForSequenceClassification, of=Qwen2ForCausalLM):
    """Qwen2 that labels texts."""


class Qwen3ForSequenceClassification(DecoderForSequenceClassification, of=Qwen3ForCausalLM):
    """Qwen3 that labels texts."""
