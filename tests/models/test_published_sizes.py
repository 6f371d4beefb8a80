"""Presets of encoders and encoder-decoders: parameters as published, and as transformers counts them on no memory."""

import pytest
import torch
import transformers

import massivetext as mt
from massivetext.errors import ConfigError
from massivetext.models.construction import new_config
from massivetext.models.families.table import CLASSES
from massivetext.models.published_sizes import PUBLISHED_SIZES
from massivetext.recipe import load_recipe

PUBLISHED = {
    "bert-base-uncased": 109_482_240, "bert-large-uncased": 335_141_888, "bert-base-chinese": 102_267_648,
    "bert-tiny": 4_385_920, "roberta-base": 124_645_632, "roberta-large": 355_359_744, "distilroberta-base": 82_118_400,
    "xlm-roberta-base": 278_043_648, "xlm-roberta-large": 559_890_432, "distilbert-base-uncased": 66_362_880,
    "t5-small": 60_506_624, "t5-base": 222_903_552, "t5-large": 737_668_096, "t5-3b": 2_851_598_336,
    "t5-11b": 11_307_321_344, "flan-t5-small": 76_961_152, "flan-t5-base": 247_577_856, "flan-t5-large": 783_150_080,
    "flan-t5-xl": 2_849_757_184, "flan-t5-xxl": 11_135_332_352, "mt5-small": 300_176_768, "mt5-base": 582_401_280,
    "bart-base": 139_420_416, "bart-large": 406_291_456,
}  # fmt: skip
GENERATING = ("t5", "mt5", "bart", "marian")


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def made(name):
    config = mt.AutoConfig.from_preset(name)
    task = "seq2seq-lm" if config.model_type in GENERATING else "base"
    return CLASSES[task][config.model_type](config, seed=None)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_preset_has_the_published_parameters_exactly(name):
    assert parameters(made(name)) == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED_SIZES)
def test_a_preset_has_as_many_parameters_as_transformers_counts(name):
    model = made(name)
    config = transformers.AutoConfig.for_model(**model.config.to_hugging_face())
    with torch.device("meta"):
        peer = getattr(transformers, type(model).__name__)(config)
    counted = parameters(peer)
    if config.model_type == "marian":  # the sines of its positions are counted there
        counted -= sum(weight.numel() for part, weight in peer.named_parameters() if "embed_positions" in part)
    if config.model_type in ("t5", "mt5") and not model.config.tie_word_embeddings:  # a head that is tied there
        counted += config.vocab_size * config.d_model * (peer.lm_head.weight is peer.shared.weight)
    assert parameters(model) == counted
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_fields_of_a_preset_can_be_changed_and_unknown_ones_are_named():
    assert mt.AutoConfig.from_preset("bert-base-uncased", vocab_size=512).vocab_size == 512
    with pytest.raises(ConfigError, match="did you mean 'vocab_size'"):
        mt.AutoConfig.from_preset("bert-base-uncased", vocab_sise=512)
    with pytest.raises(ConfigError, match="unknown model preset 'bert-base-uncasd'; did you mean 'bert-base-uncased'"):
        mt.AutoConfig.from_preset("bert-base-uncasd")


def test_a_recipe_does_not_train_an_encoder():
    recipe = load_recipe(
        {
            "corpus": {"sources": [{"name": "own", "path": "."}]},
            "model": {"preset": "bert-tiny"},
            "train": {"steps": 1, "context_tokens": 64, "batch_tokens": 128},
        }
    )
    with pytest.raises(ConfigError, match=r"preset is bert-tiny, .* predict the next token"):
        new_config(recipe.model, recipe.train.context_tokens, 4096)
