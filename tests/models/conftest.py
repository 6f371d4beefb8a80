"""Tiny models of each family, and a tiny tokenizer, made in the process."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig as PeerConfig
from transformers import AutoModelForCausalLM as PeerModel
from transformers import PreTrainedTokenizerFast

from massivetext.models.auto import AutoConfig
from massivetext.models.families.table import CLASSES

torch.set_num_threads(1)  # tiny tensors: more threads only wait for each other

SIZES = {
    "vocab_size": 300, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 128, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
TRANSFORMERS_FAMILIES = sorted(set(CLASSES["causal-lm"]) - {"palm"})  # palm has no twin there: see test_palm.py
# What SIZES says and a family cannot have.
OTHER_SIZES = {
    "nanochat": {"head_dim": None}, "openai-gpt": {"intermediate_size": None},
}  # fmt: skip
TEXTS = ["def main(arguments): return arguments", "北京是中国的首都。", "the cat sat on the mat, the end"]


def tiny_config(family, **changes):
    known = CLASSES["causal-lm"][family].config_class.model_fields
    sizes = {name: value for name, value in SIZES.items() if name in known}
    return AutoConfig.for_model(family, **{**sizes, **OTHER_SIZES.get(family, {}), **changes})


def tiny_model(family, seed=0, **changes):
    """A model whose every weight is random, also those that start at zero or one."""
    config = tiny_config(family, **changes)
    model = CLASSES["causal-lm"][family].from_config(config, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.3, generator=generator)
    return model.eval()


def peer_of(config):
    """A transformers model of the same configuration with random weights everywhere."""
    peer = PeerModel.from_config(PeerConfig.for_model(**config.to_hugging_face()), attn_implementation="eager")
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in peer.parameters():
            parameter.normal_(0.0, 0.3)
    return peer.eval()


def stored_name(model, name):
    """The name in files of a parameter of transformers: in memory it calls every family's head lm_head."""
    return model.stored_name(name) if name == "lm_head.weight" else name


def take(model, weights):
    """Have a model take over the tensors of a file."""
    model.take(model.tidy(weights, model.config)[0])


def twins(family, **changes):
    """A transformers model and ours with its weights."""
    config = tiny_config(family, **changes)
    peer, model = peer_of(config), CLASSES["causal-lm"][family](config, None)
    weights = {stored_name(model, name): tensor.clone() for name, tensor in peer.state_dict().items()}
    take(model, weights)
    return peer, model.eval()


@pytest.fixture(scope="session")
def tokenizer():
    fast = Tokenizer(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=290, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    fast.train_from_iterator(TEXTS, trainer)
    special = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=fast, bos_token=special, eos_token=special, pad_token=special)
