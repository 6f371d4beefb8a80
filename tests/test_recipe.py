"""A recipe is read, overridden, checked and written back."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from massivetext.corpus.steps.table import make_steps
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


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.steps=[", r"--set train\.steps is not readable as YAML"),
        ("train.steps=\t{", "not readable as YAML"),
        ("train.steps=!!python/object/apply:os.system [ls]", "only plain values"),
        ("train.steps={a: 1, a: 2}", "'a' is given twice"),
        ("corpus.sources.\u00b2.path=x", "is not an item of a list of 1"),
        ("corpus.sources.-1.path=x", "is not an item of a list of 1"),
        (f"corpus.sources.{'9' * 5000}.path=x", "is not an item of a list of 1"),
        ("train..steps=1", "not of the form KEY=VALUE"),
        ("a." * 5000 + "b=1", "not of the form KEY=VALUE"),
        ("train.tokens=1.0e+30", r"train\.tokens"),
        ("train.minutes=.inf", r"train\.minutes: Input should be a finite number \(found inf\)"),
        ("train.steps=99999999999999999999", r"train\.steps"),
        ("evaluate.ngram_order=.nan", r"evaluate\.ngram_order"),
        ("model.from=", "give exactly one|found family"),
    ],
)
def test_a_hostile_override_is_refused_by_key(override, message):
    if override == "model.from=":
        assert load_recipe(SMALL, [override]).model.from_ is None
        return
    with pytest.raises(ConfigError, match=message) as caught:
        load_recipe(SMALL, [override])
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("length", ["minutes", "steps", "tokens", "epochs"])
@pytest.mark.parametrize("recipes", ["minutes", "steps", "tokens", "epochs"])
def test_a_length_that_is_set_replaces_the_recipes(length, recipes):
    train = load_recipe({**SMALL, "train": {recipes: 3}}, [f"train.{length}=7"]).train
    given = {name: getattr(train, name) for name in ("minutes", "steps", "tokens", "epochs")}
    assert given == {**dict.fromkeys(given), length: 7}


def test_two_lengths_that_are_both_set_are_refused():
    with pytest.raises(ConfigError, match="exactly one of minutes, steps, tokens, epochs; found minutes, steps"):
        load_recipe({**SMALL, "train": {"epochs": 3}}, ["train.steps=7", "train.minutes=2"])


def test_a_mixture_that_is_set_replaces_the_recipes():
    recipe = {**SMALL, "mixture": {"weights": {"prose": 1}}}
    mixture = load_recipe(recipe, ["mixture.epochs={prose: 2}"]).mixture
    assert mixture.weights is None and mixture.epochs == {"prose": 2}


def test_a_fault_of_a_section_does_not_repeat_the_section():
    with pytest.raises(ConfigError) as caught:
        load_recipe({**SMALL, "train": {"steps": 10, "minutes": 3, "learning_rate": 0.125}})
    assert str(caught.value) == "train: give exactly one of minutes, steps, tokens, epochs; found minutes, steps"


def test_a_key_of_several_types_is_named_without_their_names():
    with pytest.raises(ConfigError) as caught:
        load_recipe({**SMALL, "corpus": {"sources": [{"name": "prose", "path": 7}]}})
    assert {line.partition(": ")[0] for line in str(caught.value).splitlines()} == {"corpus.sources.0.path"}


@pytest.mark.parametrize(
    "name", ["base64", "rot13", "zlib", "hex", "punycode", "idna", "undefined", "unicode_escape", "\0", "聪明"]
)
def test_an_encoding_that_is_no_encoding_of_files_is_refused(name):
    with pytest.raises(ConfigError, match=r"corpus\.sources\.0\.encoding: unknown encoding"):
        load_recipe({**SMALL, "corpus": {"sources": [{"name": "prose", "path": "texts", "encoding": name}]}})


@pytest.mark.parametrize("name", ["utf-8", "gb18030", "big5", "UTF-16-LE", "latin-1", "cp437", "shift_jis", "utf-7"])
def test_an_encoding_of_files_is_taken(name):
    load_recipe({**SMALL, "corpus": {"sources": [{"name": "prose", "path": "texts", "encoding": name}]}})


@pytest.mark.parametrize("path", ["", " ", [], [""], "a\0b", "x" * 5000, 7, None])
def test_a_path_that_no_file_can_have_is_refused(path):
    with pytest.raises(ConfigError, match=r"corpus\.sources\.0\.path"):
        load_recipe({**SMALL, "corpus": {"sources": [{"name": "prose", "path": path}]}})


def test_a_recipe_that_is_a_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="it is a folder"):
        load_recipe(tmp_path)


def test_a_recipe_that_cannot_be_read_is_refused():
    with pytest.raises(ConfigError, match=r"cannot be read.*too long"):
        load_recipe("x" * 5000)


@pytest.mark.parametrize(("key", "value"), [("steps", ["normalise"]), ("split", {"test": 0.1})])
def test_a_built_corpus_beside_steps_or_a_split_is_refused(key, value):
    recipe = {**SMALL, "corpus": {"from": "built", key: value}}
    with pytest.raises(ConfigError, match=f"found both from and {key}; a built corpus keeps .*remove {key}"):
        load_recipe(recipe)


def test_the_resolved_recipe_of_a_built_corpus_reads_back():
    recipe = load_recipe({**SMALL, "corpus": {"from": "built"}})
    assert load_recipe(yaml.safe_load(recipe_yaml(recipe))) == recipe
