"""The recipe: one YAML file that names a whole run, from raw text to a model, its scores and its report.

A recipe is read, overridden (`--set train.steps=200`), checked against the settings of every component (an unknown key
is refused and the nearest named), and written back resolved into the run folder.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, model_validator

from massivetext.corpus.settings import BUILT_IN, CorpusSettings, read_recipe_file
from massivetext.errors import ConfigError
from massivetext.evaluation.settings import EvaluateSettings
from massivetext.models.settings import ModelSettings
from massivetext.settings import LARGEST, Settings, shown
from massivetext.tasks.settings import GenerateSettings
from massivetext.tokens.settings import MixtureSettings, TokenizerSettings
from massivetext.training.settings import LENGTHS, TrainSettings
from massivetext.translations import base_language
from massivetext.yaml_text import MAX_DEPTH, read_yaml_text

__all__ = ["BUILT_IN", "load_corpus_recipe", "load_recipe", "read_recipe_file"]

FORMAT: Literal["massivetext-recipe/1"] = "massivetext-recipe/1"


ALTERNATIVES = {"train": LENGTHS, "mixture": ("weights", "epochs", "preset")}
"""Keys of which a section holds one at most; one that is given with `--set` replaces the recipe's."""


def _language(value: Any) -> Any:
    """Return the language of a tag such as zh-CN."""
    return base_language(value) if isinstance(value, str) else value


class CorpusRecipe(Settings):
    """A run, or its beginning: the corpus and the tokenizer need neither `model` nor `train`.

    Sections that the recipe leaves out keep their defaults.
    """

    format: Literal["massivetext-recipe/1"] = FORMAT
    """Format name and version."""
    seed: int = Field(0, ge=0, le=LARGEST)
    """Everything random is a function of this seed, the stage and the position."""
    language: Annotated[Literal["en", "zh"], BeforeValidator(_language)] | None = None
    """Language of messages and report; unset: the locale's."""
    verify: bool = True
    """Compare the digest of every token shard before it is used, once per command; false saves reading the store
    once."""
    engine: Literal["local"] = "local"
    """Where the corpus stage runs."""
    corpus: CorpusSettings
    tokenizer: TokenizerSettings = TokenizerSettings()
    mixture: MixtureSettings = MixtureSettings()
    model: ModelSettings | None = None
    train: TrainSettings | None = None
    evaluate: EvaluateSettings = EvaluateSettings()
    generate: GenerateSettings = GenerateSettings()

    @model_validator(mode="before")
    @classmethod
    def _one_seed(cls, values: Any) -> Any:
        """Dropout follows the recipe's seed too, unless train has one of its own."""
        if isinstance(values, Mapping) and "seed" in values and isinstance(values.get("train"), Mapping):
            return {**values, "train": {"seed": values["seed"], **values["train"]}}
        return values


class Recipe(CorpusRecipe):
    """A whole run, from raw text to a report."""

    model: ModelSettings
    train: TrainSettings


def load_recipe(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe named by a built-in name, a YAML file or a mapping, with `KEY=VALUE` overrides applied.

    Relative paths inside a recipe are relative to the current folder.
    """
    return Recipe.parse(_values(source, overrides))


def load_corpus_recipe(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> CorpusRecipe:
    """Return a recipe as `load_recipe` does, which may end with the tokenizer: without a model and a training."""
    values = _values(source, overrides)
    return (Recipe if {"model", "train"} <= set(values) else CorpusRecipe).parse(values)


def _values(source: str | Path | Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the values of a recipe in this version's format, with overrides applied."""
    values = overridden_recipe(source, overrides)
    found = values.get("format", FORMAT)
    if found != FORMAT:
        raise ConfigError(
            f"the recipe's format is {shown(found)}; this version reads {FORMAT!r}: change its first line"
        )
    return values


def overridden_recipe(source: str | Path | Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the values of a recipe as written, with overrides applied."""
    values = dict(source) if isinstance(source, Mapping) else read_recipe_file(source)
    for override in overrides:
        values = overridden(values, override)
    return _chosen(values, {override.partition("=")[0] for override in overrides})


def _chosen(values: dict[str, Any], given: set[str]) -> dict[str, Any]:
    """Return the values without the recipe's keys that an override replaces: of ALTERNATIVES only one may be given."""
    for section, names in ALTERNATIVES.items():
        chosen = {name for name in names if f"{section}.{name}" in given}
        if chosen and isinstance(values.get(section), Mapping):
            kept = {key: value for key, value in values[section].items() if key in chosen or key not in names}
            values = {**values, section: kept}
    return values


def overridden(values: Mapping[str, Any], override: str) -> dict[str, Any]:
    """Return a copy of `values` with one `a.b.0.c=VALUE` set; VALUE is YAML; list items are named by number."""
    key, sign, text = override.partition("=")
    path = key.split(".")
    if not sign or not all(path) or len(path) > MAX_DEPTH:
        raise ConfigError(f"--set {shown(override)} is not of the form KEY=VALUE, e.g. train.steps=200")
    value = read_yaml_text(text, f"--set {key[:100]}")
    return dict(_set(values, path, value, key))


def _set(node: Any, path: list[str], value: Any, key: str) -> Any:
    """Return `node` with `value` at `path`, made anew on the way."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(node, list):
        if head not in map(str, range(len(node))):
            raise ConfigError(
                f"--set {key[:100]}: {shown(head)} is not an item of a list of {len(node)}; items count from 0"
            )
        return [_set(item, rest, value, key) if i == int(head) else item for i, item in enumerate(node)]
    mapping = dict(node) if isinstance(node, Mapping) else {}
    mapping[head] = _set(mapping.get(head), rest, value, key)
    return mapping


def recipe_values(recipe: CorpusRecipe) -> dict[str, Any]:
    """Return the resolved recipe as plain values, keys as written in YAML."""
    return recipe.model_dump(mode="json", by_alias=True, exclude_none=True)


def recipe_yaml(recipe: CorpusRecipe) -> str:
    """Return the resolved recipe as YAML text."""
    return yaml.safe_dump(recipe_values(recipe), sort_keys=False, allow_unicode=True, width=120)
