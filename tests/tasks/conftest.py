"""A tiny model folder whose tokenizer splits Chinese characters into bytes."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from massivetext.models.auto import AutoConfig, AutoModelForCausalLM
from massivetext.models.files.folder import save_model_folder

torch.set_num_threads(1)
START = "<|endoftext|>"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    fast = Tokenizer(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    fast.train_from_iterator(
        ["the cat", "北京是"],
        trainers.BpeTrainer(vocab_size=262, special_tokens=[START], initial_alphabet=alphabet, show_progress=False),
    )
    fast.post_processor = processors.TemplateProcessing(single=f"{START} $A", special_tokens=[(START, 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=fast, bos_token=START, eos_token=START, pad_token=START)
    config = AutoConfig.for_model(
        "llama", vocab_size=262, hidden_size=32, num_hidden_layers=2, max_position_embeddings=64, bos_token_id=0
    )
    model = AutoModelForCausalLM.from_config(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.3, generator=generator)
    path = tmp_path_factory.mktemp("model")
    save_model_folder(model, tokenizer, path)
    return path
