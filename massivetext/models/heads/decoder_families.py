"""The causal families without a head and with other heads, under Hugging Face's names, where it has them."""

from massivetext.models.families.arcee import ArceeForCausalLM
from massivetext.models.families.gpt2 import GPT2LMHeadModel
from massivetext.models.families.gpt_neox import GPTNeoXForCausalLM
from massivetext.models.families.llama import LlamaForCausalLM
from massivetext.models.families.mistral import MistralForCausalLM
from massivetext.models.families.nanochat import NanoChatForCausalLM
from massivetext.models.families.openai_gpt import OpenAIGPTLMHeadModel
from massivetext.models.families.opt import OPTForCausalLM
from massivetext.models.families.palm import PaLMForCausalLM
from massivetext.models.families.qwen2 import Qwen2ForCausalLM
from massivetext.models.families.qwen3 import Qwen3ForCausalLM
from massivetext.models.heads.decoder_heads import (
    TRANSFORMER,
    DecoderForQuestionAnswering,
    DecoderForSequenceClassification,
    DecoderForTokenClassification,
    DecoderModel,
)


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


class ArceeForTokenClassification(DecoderForTokenClassification, of=ArceeForCausalLM):
    """Arcee that labels tokens."""


class GPT2ForTokenClassification(DecoderForTokenClassification, of=GPT2LMHeadModel):
    """GPT-2 that labels tokens."""

    head = "classifier"


class GPTNeoXForTokenClassification(DecoderForTokenClassification, of=GPTNeoXForCausalLM):
    """GPT-NeoX that labels tokens."""

    head = "classifier"


class LlamaForTokenClassification(DecoderForTokenClassification, of=LlamaForCausalLM):
    """Llama that labels tokens."""


class MistralForTokenClassification(DecoderForTokenClassification, of=MistralForCausalLM):
    """Mistral that labels tokens."""


class Qwen2ForTokenClassification(DecoderForTokenClassification, of=Qwen2ForCausalLM):
    """Qwen2 that labels tokens."""


class Qwen3ForTokenClassification(DecoderForTokenClassification, of=Qwen3ForCausalLM):
    """Qwen3 that labels tokens."""


class ArceeForQuestionAnswering(DecoderForQuestionAnswering, of=ArceeForCausalLM):
    """Arcee that finds answers inside a text."""

    stored_base = TRANSFORMER


class GPT2ForQuestionAnswering(DecoderForQuestionAnswering, of=GPT2LMHeadModel):
    """GPT-2 that finds answers inside a text."""


class GPTNeoXForQuestionAnswering(DecoderForQuestionAnswering, of=GPTNeoXForCausalLM):
    """GPT-NeoX that finds answers inside a text."""


class LlamaForQuestionAnswering(DecoderForQuestionAnswering, of=LlamaForCausalLM):
    """Llama that finds answers inside a text."""

    stored_base = TRANSFORMER


class MistralForQuestionAnswering(DecoderForQuestionAnswering, of=MistralForCausalLM):
    """Mistral that finds answers inside a text."""


class OPTForQuestionAnswering(DecoderForQuestionAnswering, of=OPTForCausalLM):
    """OPT that finds answers inside a text."""


class Qwen2ForQuestionAnswering(DecoderForQuestionAnswering, of=Qwen2ForCausalLM):
    """Qwen2 that finds answers inside a text."""

    stored_base = TRANSFORMER


class Qwen3ForQuestionAnswering(DecoderForQuestionAnswering, of=Qwen3ForCausalLM):
    """Qwen3 that finds answers inside a text."""

    stored_base = TRANSFORMER
