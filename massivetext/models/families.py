"""The model families by Hugging Face's `model_type`: the one visible table that names lead through."""

from massivetext.models.arcee import ArceeForCausalLM
from massivetext.models.decoder import CausalDecoder
from massivetext.models.gpt2 import GPT2LMHeadModel
from massivetext.models.llama import LlamaForCausalLM
from massivetext.models.nanochat import NanoChatForCausalLM
from massivetext.models.qwen3 import Qwen3ForCausalLM

CAUSAL_FAMILIES: dict[str, type[CausalDecoder]] = {
    family.config_class.model_type: family
    for family in (ArceeForCausalLM, GPT2LMHeadModel, LlamaForCausalLM, NanoChatForCausalLM, Qwen3ForCausalLM)
}
