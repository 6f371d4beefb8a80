"""Trainings follow each other in one run, each in a folder of its own; the second starts from the first's model."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from crash_harness import folder_digests
from safetensors.torch import load_file
from small_run import small_recipe, write_texts

import massivetext as mt
from massivetext.errors import ConfigError
from massivetext.recipe import Recipe, recipe_values
from massivetext.runs.contents import open_store, store_digest
from massivetext.runs.execution import execute
from massivetext.runs.folder import RecipeRun
from massivetext.runs.graph import Graph
from massivetext.runs.stages import STAGES
from massivetext.runs.training import Material, Training
from massivetext.tokens.order import TrainingOrder
from massivetext.training.folder import OUTPUTS
from massivetext.training.objectives.causal import CausalObjective
from massivetext.training.settings import TrainSettings

TUNED = ("tune/model/*", "tune/checkpoints/**/*.safetensors", "tune/metrics.jsonl")


class TwoTrainings(Recipe):
    """A recipe with a second training."""

    tune: TrainSettings


def reads(run):
    return {
        "tune": recipe_values(run.recipe)["tune"],
        "model": run.marker("model")["fingerprint"],
        "token store": store_digest(run),
    }


def first_model(run):
    return mt.AutoModelForCausalLM.from_pretrained(run.path("model")).train()


def material(run, model, settings):
    store = open_store(run)
    order = TrainingOrder(store, "validation", None, settings.context_tokens, settings.rows, settings.seed)
    identity = {"store": store.digest, "tokenizer": store.tokenizer_digest}
    return Material(order, CausalObjective(model, settings), None, identity)


TUNING = Training("tune", "tune", ("model", "tokens"), reads, first_model, material)
GRAPH = Graph([*STAGES, TUNING.stage, TUNING.model_stage("tuned model")])


def recipe_of(texts, **changes):
    values = small_recipe(texts)
    values["train"] |= {"steps": 4, "checkpoint_every_steps": 2, "evaluate_every_steps": 4}
    tune = {**values["train"], "optimiser": "adamw", "learning_rate": 1e-9, "tokens": 1024, **changes}
    tune.pop("steps")
    return TwoTrainings.parse({**values, "tune": tune})


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    write_texts(folder, documents=40)
    return folder


@pytest.fixture(scope="module")
def finished(texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    run = RecipeRun(folder, recipe_of(texts), quiet=True)
    execute(run, GRAPH)
    assert run.performed[-2:] == ["tune", "tuned model"]
    return folder


def again(folder, recipe, **options):
    run = RecipeRun(folder, recipe, quiet=True, **options)
    execute(run, GRAPH)
    return run.performed


def test_each_training_has_a_folder_of_its_own(finished):
    for folder in (finished, finished / "tune"):
        assert {name for name in OUTPUTS if (folder / name).exists()} == set(OUTPUTS)
        assert (folder / "model/massivetext.json").is_file()
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [row["step"] for row in rows if "loss" in row] == [1, 2, 3, 4]


def test_the_second_starts_from_the_model_of_the_first(finished):
    first, second = (load_file(folder / "model/model.safetensors") for folder in (finished, finished / "tune"))
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)
    assert not all(torch.equal(first[name], second[name]) for name in first)


def test_the_length_of_each_training_is_fixed_in_its_own_section(finished):
    values = yaml.safe_load((finished / "recipe.yaml").read_text(encoding="utf-8"))
    assert values["tune"]["steps"] == 4 and "tokens" not in values["tune"]
    assert values["train"]["steps"] == 4


def test_a_second_call_does_nothing(finished, texts):
    assert again(finished, recipe_of(texts)) == []


def test_the_second_resumes_to_the_same_bytes_and_leaves_the_first_alone(finished, texts, tmp_path):
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    shutil.rmtree(run / "tune/checkpoints/step-00000004")
    shutil.rmtree(run / "tune/model")
    (run / "stages/tune.json").unlink()
    assert again(run, recipe_of(texts)) == ["tune", "tuned model"]
    assert folder_digests(run, TUNED) == folder_digests(finished, TUNED)
    assert folder_digests(run, ["checkpoints/**/*"]) == folder_digests(finished, ["checkpoints/**/*"])


def test_a_change_of_the_second_is_refused_unasked_and_never_clears_the_first(finished, texts, tmp_path):
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    recipe = recipe_of(texts, learning_rate=0.01)
    with pytest.raises(ConfigError, match=r"tune\.learning_rate was 1e-09, is 0\.01 \(read by the stage 'tune'\)"):
        again(run, recipe)
    assert folder_digests(run, TUNED) == folder_digests(finished, TUNED)
    assert again(run, recipe, overwrite=True) == ["tune", "tuned model"]
    assert folder_digests(run, ["checkpoints/**/*"]) == folder_digests(finished, ["checkpoints/**/*"])


def test_no_other_module_spells_the_paths_of_a_training():
    package = Path(mt.__file__).parent
    spelled = re.compile(rf"""/ *f?["']({"|".join(map(re.escape, OUTPUTS))})""")
    found = {
        path.relative_to(package).as_posix(): spelled.findall(path.read_text(encoding="utf-8"))
        for path in package.rglob("*.py")
    }
    assert {name for name, paths in found.items() if paths} == set()
