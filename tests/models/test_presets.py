"""Presets: their parameter counts, the command that lists them, recipes that name one."""

import json

import pytest
from typer.testing import CliRunner

from massivetext.cli import app
from massivetext.errors import ConfigError
from massivetext.models.auto import AutoConfig
from massivetext.models.construction import new_config
from massivetext.models.families.table import CLASSES
from massivetext.models.listing import listing, listing_text, preset_rows
from massivetext.models.presets import PRESETS, cache_bytes, parameter_count, preset_config
from massivetext.recipe import load_recipe
from massivetext.translations import set_language

PUBLISHED = {
    "gpt2": 124_439_808, "gpt2-medium": 354_823_168, "gpt2-large": 774_030_080, "gpt2-xl": 1_557_611_200,
    "opt-125m": 125_239_296, "opt-350m": 331_196_416,
    "pythia-70m": 70_426_624, "pythia-160m": 162_322_944, "pythia-410m": 405_334_016, "pythia-1b": 1_011_781_632,
    "pythia-1.4b": 1_414_647_808, "pythia-2.8b": 2_775_208_960,
    "llama-2-7b": 6_738_415_616, "llama-2-13b": 13_015_864_320, "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248, "llama-3.1-8b": 8_030_261_248, "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824, "tinyllama-1.1b": 1_100_048_384, "mistral-7b-v0.1": 7_241_732_096,
    "qwen2.5-0.5b": 494_032_768, "qwen2.5-1.5b": 1_543_714_304, "qwen2.5-7b": 7_615_616_512,
    "qwen3-0.6b": 596_049_920, "qwen3-1.7b": 1_720_574_976, "qwen3-4b": 4_022_468_096, "qwen3-8b": 8_190_735_360,
    "smollm2-135m": 134_515_008, "smollm2-360m": 361_821_120, "smollm2-1.7b": 1_711_376_384,
}  # fmt: skip
WITHOUT_EMBEDDINGS = {
    "pythia-70m": 18_915_328, "pythia-160m": 85_056_000, "pythia-410m": 302_311_424, "pythia-1b": 805_736_448,
    "pythia-1.4b": 1_208_602_624, "pythia-2.8b": 2_517_652_480,
}  # fmt: skip
RECIPE = {
    "corpus": {"sources": [{"name": "own", "path": "."}]},
    "train": {"steps": 1, "context_tokens": 64, "batch_tokens": 128},
}
IN_BILLIONS = {"palm-8b": 8.63, "palm-62b": 62.50, "palm-540b": 540.35}  # the paper's table 1


@pytest.fixture(autouse=True)
def english():
    yield
    set_language("en")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_preset_has_the_published_parameters_exactly(name):
    assert parameter_count(preset_config(name)) == PUBLISHED[name]


@pytest.mark.parametrize("name", WITHOUT_EMBEDDINGS)
def test_pythia_has_the_published_parameters_besides_embeddings(name):
    config = preset_config(name)
    tables = 2 * config.vocab_size * config.hidden_size
    assert parameter_count(config) - tables == WITHOUT_EMBEDDINGS[name]


@pytest.mark.parametrize("name", IN_BILLIONS)
def test_palm_has_the_papers_billions(name):
    assert parameter_count(preset_config(name)) / 1e9 == pytest.approx(IN_BILLIONS[name], abs=0.01)


@pytest.mark.parametrize("name", [name for name in PRESETS if name[-1] in "mb" and name[-2].isdigit()])
def test_a_name_says_the_size(name):
    number = name.rpartition("-")[2]
    said = float(number[:-1]) * (1e6 if number.endswith("m") else 1e9)
    counted = parameter_count(preset_config(name))
    if name in ("pythia-14m", "pythia-31m"):  # named without their embeddings' share of the head
        assert counted == pytest.approx(said, rel=0.05)
    else:
        assert counted == pytest.approx(said, rel=0.25)


def test_building_a_preset_allocates_nothing():
    model = CLASSES["causal-lm"]["palm"](preset_config("palm-540b"), None)
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_fields_of_a_preset_can_be_changed_and_unknown_ones_are_named():
    assert AutoConfig.from_preset("gpt2", vocab_size=512).vocab_size == 512
    with pytest.raises(ConfigError, match="did you mean 'vocab_size'"):
        AutoConfig.from_preset("gpt2", vocab_sise=512)
    with pytest.raises(ConfigError, match="unknown model preset 'gpt2-mediun'; did you mean 'gpt2-medium'"):
        AutoConfig.from_preset("gpt2-mediun")


def test_the_cache_of_keys_and_values_follows_from_the_shape():
    assert cache_bytes(preset_config("smollm2-135m"), 4) == 2 * 30 * 3 * 64 * 8192 * 4
    assert cache_bytes(preset_config("mistral-7b-v0.1"), 2) == 2 * 32 * 8 * 128 * 4096 * 2


def test_a_recipe_names_a_preset():
    recipe = load_recipe({**RECIPE, "model": {"preset": "gpt2", "num_hidden_layers": 2}})
    config = new_config(recipe.model, recipe.train.context_tokens, 4096, 7)
    assert (config.model_type, config.hidden_size, config.num_hidden_layers) == ("gpt2", 768, 2)
    assert (config.vocab_size, config.eos_token_id, config.max_position_embeddings) == (4096, 7, 1024)


def test_a_recipe_with_longer_rows_than_its_preset_reads_is_refused_with_the_way_out():
    recipe = load_recipe({**RECIPE, "model": {"preset": "gpt2"}, "train": {"steps": 1, "context_tokens": 2048}})
    with pytest.raises(ConfigError, match=r"context_tokens is 2048 .* at most 1024 .*model.max_position_embeddings"):
        new_config(recipe.model, recipe.train.context_tokens, 4096)


def test_rows_say_what_fits_the_memory():
    rows = {row["name"]: row for row in preset_rows(8 * 2**30)}
    assert rows["gpt2"]["trains_here"] and rows["gpt2"]["train_bytes"] == 16 * 124_439_808
    assert rows["gpt2-xl"]["runs_here"] and not rows["gpt2-xl"]["trains_here"]
    assert not rows["gpt3-175b"]["runs_here"]
    assert list(rows) == list(PRESETS)


def test_the_table_marks_what_does_not_fit_in_both_languages():
    for language, words in (("en", "fit for"), ("zh", "适合")):
        set_language(language)
        text = listing_text(listing(8 * 2**30, 4, "CPU"))
        assert words in text and "8 GiB" in text
        assert "!" in next(line for line in text.splitlines() if line.startswith("palm-540b"))
        assert "!" not in next(line for line in text.splitlines() if line.startswith("pythia-70m"))


def test_the_command_gives_one_json_object():
    found = json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)
    assert len(found["presets"]) == len(PRESETS)
    assert {"name", "parameters", "train_bytes", "run_bytes", "fit_for"} <= found["presets"][0].keys()
