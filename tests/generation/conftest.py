"""Tiny models that continue text."""

import pytest
import torch
import transformers

from massivetext.models.auto import AutoConfig, AutoModelForCausalLM
from massivetext.models.families.table import CLASSES

torch.set_num_threads(1)
FAMILIES = sorted(CLASSES["causal-lm"])
# The others: openai-gpt norms behind its parts, palm scales its logits.
FAST_FAMILIES = ["arcee", "gpt2", "gpt_neox", "llama", "mistral", "nanochat", "opt", "qwen2", "qwen3"]


def tiny_model(family="llama", **changes):
    sizes = {
        "vocab_size": 120, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 64, "bos_token_id": 0,
    }  # fmt: skip
    if family == "openai-gpt":
        del sizes["intermediate_size"]  # always four times hidden_size
    known = CLASSES["causal-lm"][family].config_class.model_fields
    sizes = {name: value for name, value in sizes.items() if name in known} | changes
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **sizes))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.3, generator=generator)
    return model.eval()


def peer_of(model, folder):
    """The same model in transformers."""
    model.save_pretrained(folder)
    return transformers.AutoModelForCausalLM.from_pretrained(folder)


@pytest.fixture
def model():
    return tiny_model()


def prompts(rows, tokens, seed=1):
    return torch.randint(1, 120, (rows, tokens), generator=torch.Generator().manual_seed(seed))
