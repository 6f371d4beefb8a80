"""Recipes with one key changed: every key of the schema with every hostile value."""

import copy
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from pydantic import BaseModel

from massivetext.corpus.settings import SourceSettings, SplitSettings
from massivetext.corpus.steps.table import STEPS, _step_type
from massivetext.evaluation.settings import EvaluateSettings
from massivetext.models.families.table import CLASSES
from massivetext.recipe import GenerateSettings, ModelSettings, Recipe
from massivetext.tokens.settings import MixtureSettings, TokenizerSettings
from massivetext.training.settings import TrainSettings

HOSTILE: dict[str, Any] = {
    "null": None,
    "true": True,
    "empty text": "",
    "blank": "  ",
    "word": "nonsense",
    "chinese": "不存在的值",
    "emoji": "\U0001f4a9" * 50,
    "long text": "x" * 100_000,
    "nul": "a\0b",
    "surrogate": "\ud800",
    "escape": "\x1b[31m\u202e",
    "no user": "~nouser/texts",
    "root": "/",
    "device": "/dev/full",
    "up": "../../../etc/passwd",
    "pattern": "**/[",
    "minus one": -1,
    "zero": 0,
    "one": 1,
    "half": 0.5,
    "tiny": 5e-324,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "not a number": math.nan,
    "int32": 2**31,
    "int64": 2**63 - 1,
    "beyond int64": 2**63,
    "minus beyond": -(2**70),
    "many digits": 10**4000,
    "digits as text": "9" * 5000,
    "float beyond": 1e308,
    "empty list": [],
    "list": [1, "a", None],
    "long list": ["a"] * 5000,
    "empty mapping": {},
    "mapping": {"a": {"b": 1}},
    "mapping of numbers": {1: 2},
    "deep": None,
}
deep: Any = 1
for _ in range(60):
    deep = [deep]
HOSTILE["deep"] = deep

BASE: dict[str, Any] = {
    "corpus": {"sources": [{"name": "prose", "path": "texts"}], "steps": ["normalise"]},
    "tokenizer": {"vocab_size": 512},
    "mixture": {},
    "model": {"family": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
    "train": {"steps": 10, "context_tokens": 32, "batch_tokens": 128},
    "evaluate": {},
    "generate": {},
}


class Mutation(NamedTuple):
    """A recipe, the key that was changed in it, and what it was changed to."""

    recipe: dict[str, Any]
    key: str
    value: str


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys of a section as written in a recipe."""
    return [field.alias or name for name, field in model.model_fields.items()]


def places() -> Iterator[tuple[Any, ...]]:
    """Yield the path of every key of a recipe."""
    yield from ((key,) for key in keys_of(Recipe))
    yield from (("corpus", key) for key in ("from", "sources", "steps", "split"))
    yield from (("corpus", "sources", 0, key) for key in keys_of(SourceSettings))
    yield from (("corpus", "split", key) for key in keys_of(SplitSettings))
    for section, model in (
        ("tokenizer", TokenizerSettings), ("mixture", MixtureSettings), ("model", ModelSettings),
        ("train", TrainSettings), ("evaluate", EvaluateSettings), ("generate", GenerateSettings),
    ):  # fmt: skip
        yield from ((section, key) for key in keys_of(model))
    yield from (("mixture", kind, "prose") for kind in ("weights", "epochs"))
    yield ("generate", "prompts", "prose")
    yield ("generate", "prompts", "nobody")
    yield ("corpus", "sources", 0, "where", "meta.source")
    yield ("corpus", "steps", 0)


def step_places() -> Iterator[tuple[str, str]]:
    """Yield every step with every key of its settings."""
    for name, place in STEPS.items():
        yield from ((name, key) for key in keys_of(_step_type(place, name).settings_type))
        yield (name, "no_such_key")


def changed(recipe: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return a recipe with one value changed."""
    recipe = copy.deepcopy(recipe)
    node: Any = recipe
    for part, following in pairwise(path):
        if isinstance(node, dict) and part not in node:
            node[part] = {}
        node = node[part]
        assert isinstance(following, int) or isinstance(node, dict)
    node[path[-1]] = value
    return recipe


def mutations() -> Iterator[Mutation]:
    """Yield every mutation: keys of the recipe, of each step, of each family's configuration."""
    for path in places():
        for name, value in HOSTILE.items():
            yield Mutation(changed(BASE, path, value), ".".join(map(str, path)), name)
    for step, key in step_places():
        for name, value in HOSTILE.items():
            steps = [{step: {key: value}}]
            yield Mutation(changed(BASE, ("corpus", "steps"), steps), f"corpus.steps.{step}.{key}", name)
    known: set[str] = set()
    for family, model in CLASSES["causal-lm"].items():
        keys = [*model.config_class.model_fields, *model.config_class.field_names.values()]
        for key in sorted(set(keys) - known):
            known.add(key)
            for name, value in HOSTILE.items():
                yield Mutation(changed(BASE, ("model",), {"family": family, key: value}), f"model.{key}", name)
