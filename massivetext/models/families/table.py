"""The model families by Hugging Face's `model_type`: the one visible table that names lead through."""

from massivetext.models.decoder import CausalDecoder
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

CAUSAL_FAMILIES: dict[str, type[CausalDecoder]] = {
    family.config_class.model_type: family
    for family in (
        ArceeForCausalLM, GPT2LMHeadModel, GPTNeoXForCausalLM, LlamaForCausalLM, MistralForCausalLM,
        NanoChatForCausalLM, OPTForCausalLM, OpenAIGPTLMHeadModel, PaLMForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM,
    )
}  # fmt: skip
