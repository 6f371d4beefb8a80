"""Whatever one key of a recipe is changed to: a ConfigError that names the key, or a valid recipe; soon, either way."""

import random
import time

import pytest
from recipe_mutations import BASE, mutations

from massivetext.errors import ConfigError
from massivetext.recipe import load_recipe, recipe_yaml
from massivetext.runs.checks import recipe_faults

EVERY = list(mutations())
SECONDS = 5.0
MESSAGE_CHARACTERS = 6000


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def trial(mutation, folder):
    """Return the message for a mutation, empty for a valid recipe; check time and length."""
    started = time.process_time()
    try:
        recipe = load_recipe(mutation.recipe)
        assert recipe_yaml(recipe)
        message = "\n".join(fault.message for fault in recipe_faults(recipe, folder / "run"))
    except ConfigError as error:
        message = str(error)
    assert time.process_time() - started < SECONDS, mutation[1:]
    assert len(message) < MESSAGE_CHARACTERS, mutation[1:]
    return message


def check_named(mutation, message):
    names = mutation.key.split(".")[-2:]
    assert not message or any(name in message for name in names) or "is missing" in message, (mutation[1:], message)


def test_there_are_mutations_of_every_section():
    assert len(EVERY) > 5000
    assert {mutation.key.split(".")[0] for mutation in EVERY} > {"corpus", "tokenizer", "model", "train", "generate"}


def test_the_recipe_that_is_changed_is_valid(tmp_path):
    assert recipe_faults(load_recipe(BASE), tmp_path / "run") == []


@pytest.mark.parametrize("part", range(4))
def test_a_hostile_value_is_refused_by_key_or_accepted(part, tmp_path):
    for mutation in random.Random(part).sample(EVERY, 100):
        check_named(mutation, trial(mutation, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(16))
def test_every_hostile_value_is_refused_by_key_or_accepted(part, tmp_path):
    for mutation in EVERY[part::16]:
        check_named(mutation, trial(mutation, tmp_path))
