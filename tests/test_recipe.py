"""A recipe is read, overridden, checked and written back."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from massivetext.corpus.steps import make_steps
from massivetext.errors import ConfigError
from massivetext.recipe import BUILT_IN, load_recipe, overridden, recipe_values, recipe_yaml

REPOSITORY = Path(__file__).resolve().parents[1]

SMALL = {
    "corpus": {"sources": [{"name": "prose", "path": "texts"}]},
    "model": {"family": "llama", "hidden_size": 64},
    "train": {"steps": 10},
}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "recipes").glob("*.yaml")), ids=lambda path: path.name)
def test_every_recipe_in_the_repository_loads(path):
    corpus = load_recipe(path).corpus
    assert all(make_steps(corpus.steps_of(source)) for source in corpus.sources)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_recipe_loads(name):
    assert load_recipe(name).corpus.sources


def test_the_packages_that_the_quickstart_reads_come_with_this_one():
    paths = [path for source in load_recipe("quickstart").corpus.sources for path in source.paths]
    named = [path.removeprefix("{packages}/") for path in paths if path.startswith("{packages}/")]
    assert named and all(find_spec(name) for name in named)


def test_a_resolved_recipe_reads_back_as_itself():
    recipe = load_recipe(SMALL)
    assert load_recipe(yaml.safe_load(recipe_yaml(recipe))) == recipe


def test_training_takes_the_recipes_seed_unless_it_has_its_own():
    assert load_recipe({**SMALL, "seed": 7}).train.seed == 7
    assert load_recipe({**SMALL, "seed": 7, "train": {"steps": 10, "seed": 3}}).train.seed == 3


def test_an_unknown_section_names_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown key in the top level: 'tokeniser'; did you mean 'tokenizer'\?"):
        load_recipe({**SMALL, "tokeniser": {}})


def test_an_unknown_key_names_the_nearest_and_the_allowed():
    with pytest.raises(
        ConfigError, match=r"unknown key in train: 'step'; did you mean 'steps'\? Allowed: .*batch_tokens"
    ):
        load_recipe({**SMALL, "train": {"step": 10}})


def test_an_unknown_key_of_a_source_names_the_nearest():
    corpus = {"sources": [{"name": "prose", "pth": "texts"}]}
    with pytest.raises(ConfigError, match=r"unknown key in corpus\.sources\.0: 'pth'; did you mean 'path'\?"):
        load_recipe({**SMALL, "corpus": corpus})


def test_a_value_of_the_wrong_kind_says_what_was_found():
    with pytest.raises(ConfigError, match=r"train\.steps.*found 'many'"):
        load_recipe({**SMALL, "train": {"steps": "many"}})


def test_two_lengths_of_training_are_refused():
    with pytest.raises(ConfigError, match="exactly one of"):
        load_recipe({**SMALL, "train": {"steps": 10, "minutes": 3}})


def test_a_model_needs_exactly_one_origin():
    with pytest.raises(ConfigError, match="exactly one of family, preset, from; found family, preset"):
        load_recipe({**SMALL, "model": {"family": "llama", "preset": "gpt2"}})
    with pytest.raises(ConfigError, match="found none"):
        load_recipe({**SMALL, "model": {}})


def test_overrides_reach_into_mappings_and_lists():
    recipe = load_recipe(SMALL, ["train.learning_rate=3e-4", "corpus.sources.0.path=别处", "seed=7"])
    assert recipe.train.learning_rate == 3e-4
    assert recipe_values(recipe)["corpus"]["sources"][0]["path"] == "别处"
    assert recipe.seed == 7


def test_overriding_leaves_the_original_alone():
    overridden(SMALL, "train.steps=99")
    assert SMALL["train"]["steps"] == 10


@pytest.mark.parametrize("override", ["train.steps", "=3"])
def test_an_override_without_key_or_sign_is_refused(override):
    with pytest.raises(ConfigError, match="not of the form KEY=VALUE"):
        load_recipe(SMALL, [override])


def test_an_override_of_an_item_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="'3' is not an item of a list of 1"):
        load_recipe(SMALL, ["corpus.sources.3.path=x"])


def test_another_format_is_refused():
    with pytest.raises(ConfigError, match=r"massivetext-recipe/2.*massivetext-recipe/1"):
        load_recipe({**SMALL, "format": "massivetext-recipe/2"})


def test_a_missing_file_names_the_built_in_recipes():
    with pytest.raises(ConfigError, match=r"no recipe file at .*did you mean 'quickstart'\?"):
        load_recipe("quikstart")


def test_text_that_is_no_yaml_is_refused(tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [1, 2", encoding="utf-8")
    with pytest.raises(ConfigError, match="not readable as YAML"):
        load_recipe(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds list; a recipe is a mapping"):
        load_recipe(tmp_path / "list.yaml")


@pytest.mark.parametrize("word", ["on", "off", "auto"])
def test_compile_takes_the_bare_words_that_yaml_reads_as_truth_values(word):
    assert load_recipe(SMALL, [f"train.compile={word}"]).train.compile == word
