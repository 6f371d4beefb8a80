"""The model families by Hugging Face's `model_type`: the one visible table that names lead through."""

from massivetext.models.arcee import ArceeForCausalLM
from massivetext.models.decoder import CausalDecoder
from massivetext.models.gpt2 import GPT2LMHeadModel
from massivetext.models.gpt_neox import GPTNeoXForCausalLM
from massivetext.models.llama import LlamaForCausalLM
from massivetext.models.mistral import MistralForCausalLM
from massivetext.models.nanochat import NanoChatForCausalLM
from massivetext.models.openai_gpt import OpenAIGPTLMHeadModel
from massivetext.models.opt import OPTForCausalLM
from massivetext.models.palm import PaLMForCausalLM
from massivetext.models.qwen2 import Qwen2ForCausalLM
from massivetext.models.qwen3 import Qwen3ForCausalLM

CAUSAL_FAMILIES: dict[str, type[CausalDecoder]] = {
    family.config_class.model_type: family
    for family in (
        ArceeForCausalLM, GPT2LMHeadModel, GPTNeoXForCausalLM, LlamaForCausalLM, MistralForCausalLM,
        NanoChatForCausalLM, OPTForCausalLM, OpenAIGPTLMHeadModel, PaLMForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM,
    )
}  # fmt: skip
