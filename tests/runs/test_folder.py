"""What a run folder stands: inputs touched or gone, outputs and checkpoints damaged, and signals."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from crash_harness import folder_digests
from small_run import small_recipe, write_texts

import massivetext as mt
from massivetext.errors import CheckpointError, ConfigError, StoreError
from massivetext.runs.graph import changes
from massivetext.state import read_json, read_state

MODEL = ("model/*", "checkpoints/**/*.safetensors", "metrics.jsonl")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    recipe = with_texts(folder)
    mt.run(recipe, folder / "run", quiet=True)
    return folder, recipe


def with_texts(folder):
    write_texts(folder / "texts", documents=40)
    recipe = small_recipe(folder / "texts")
    recipe["train"] |= {"steps": 4, "checkpoint_every_steps": 2, "evaluate_every_steps": 4}
    return recipe


@pytest.fixture
def copied(made, tmp_path):
    """A copy of the finished run and of its texts, the recipe unchanged: a folder, a recipe, where the texts are."""
    folder, recipe = made
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    shutil.copytree(folder / "texts", tmp_path / "texts")
    shutil.rmtree(folder / "texts")
    shutil.copytree(tmp_path / "texts", folder / "texts", copy_function=shutil.copy)  # other times, the same content
    yield run, recipe, folder / "texts"
    shutil.rmtree(folder / "texts", ignore_errors=True)
    shutil.copytree(tmp_path / "texts", folder / "texts")


def test_inputs_that_were_touched_or_copied_change_nothing(copied):
    run, recipe, _ = copied
    assert mt.run(recipe, run, quiet=True)["stages_done"] == []


def test_a_half_trained_run_goes_on_after_its_inputs_were_touched(copied, made):
    run, recipe, _ = copied
    shutil.rmtree(run / "checkpoints/step-00000004")
    shutil.rmtree(run / "model")
    (run / "stages/train.json").unlink()
    mt.run(recipe, run, quiet=True, until="model")
    assert folder_digests(run, MODEL) == folder_digests(made[0] / "run", MODEL)


def test_finished_stages_are_kept_when_the_inputs_are_gone(copied, capsys):
    run, recipe, texts = copied
    shutil.rmtree(texts / "english")
    assert mt.run(recipe, run, quiet=True)["stages_done"] == []
    assert "The input files of english are gone; the finished corpus is kept" in capsys.readouterr().err


def test_an_input_of_the_same_size_with_other_content_is_noticed(copied):
    run, recipe, texts = copied
    path = texts / "english/000.txt"
    path.write_text(path.read_text().replace("Entry", "Entri"))
    with pytest.raises(ConfigError, match=r"input files.english was .*\.\.\., is .* \(read by the stage 'corpus'\)"):
        mt.run(recipe, run, quiet=True)


def test_changes_are_named_by_key_with_both_values():
    before = {"train": {"learning_rate": 0.1, "steps": 3}, "model": {"a": [1, 2]}}
    now = {"train": {"learning_rate": 0.2, "steps": 3}, "model": {"a": [1, 3]}, "文本": "是"}
    assert (
        changes(before, now)
        == 'model.a.1 was 2, is 3; train.learning_rate was 0.1, is 0.2; 文本 was "(not set)", is "是"'
    )


@pytest.mark.parametrize("gone", ["report.html", "evaluation.json", "model", "tokens", "corpus"])
def test_a_stage_whose_output_is_gone_is_done_again_with_the_same_result(made, tmp_path, gone, capsys):
    folder, recipe = made
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    shutil.rmtree(run / gone) if (run / gone).is_dir() else (run / gone).unlink()
    mt.run(recipe, run, quiet=True)
    assert "is missing: the stage" in capsys.readouterr().err
    assert folder_digests(run) == folder_digests(folder / "run")


def damage(path):
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])


def test_a_damaged_last_checkpoint_is_trained_again_and_not_replaced_by_an_earlier_one(made, tmp_path, capsys):
    folder, recipe = made
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    shutil.rmtree(run / "model")
    damage(run / "checkpoints/step-00000004/model.safetensors")
    mt.run(recipe, run, quiet=True)
    said = capsys.readouterr().err
    assert "The checkpoint of step 4 is damaged or gone: training resumes from step 2" in said
    assert folder_digests(run) == folder_digests(folder / "run")
    assert read_json(run / "model/massivetext.json")["provenance"]["step"] == 4


def test_a_model_is_not_made_where_no_checkpoint_is_intact(made, tmp_path):
    folder, recipe = made
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    shutil.rmtree(run / "model")
    for path in (run / "checkpoints").glob("*/model.safetensors"):
        damage(path)
    with pytest.raises(CheckpointError, match="holds no intact checkpoint"):
        mt.run(recipe, run, quiet=True)
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(CheckpointError, match=r"to train again, delete .*train.json"):
        mt.run(recipe, run, quiet=True)


def test_a_lost_marker_of_a_training_by_minutes_costs_no_training(made, tmp_path):
    recipe = {**made[1], "train": {**made[1]["train"], "minutes": 0.01}}
    del recipe["train"]["steps"]
    mt.run(recipe, tmp_path / "run", until="model", quiet=True)
    before = folder_digests(tmp_path / "run", MODEL)
    fixed = read_state(tmp_path / "run/stages/train.json", ("fixed",), "")["fixed"]
    (tmp_path / "run/stages/train.json").write_bytes(b"")
    mt.run(recipe, tmp_path / "run", until="model", quiet=True)
    assert folder_digests(tmp_path / "run", MODEL) == before
    assert read_state(tmp_path / "run/stages/train.json", ("fixed",), "")["fixed"] == fixed


def test_a_finished_run_needs_nothing_that_it_was_made_from(made, tmp_path):
    folder, recipe = made
    for name in ("tokenizer", "model"):
        shutil.copytree(folder / "run" / name, tmp_path / name)
    (tmp_path / "words.txt").write_text("forbidden\n", encoding="utf-8")
    steps = [{"word_list": {"path": str(tmp_path / "words.txt")}}, *recipe["corpus"]["steps"]]
    recipe = {**recipe, "corpus": {**recipe["corpus"], "steps": steps}}
    recipe |= {"tokenizer": {"from": str(tmp_path / "tokenizer")}, "model": {"from": str(tmp_path / "model")}}
    mt.run(recipe, tmp_path / "run", quiet=True)
    for name in ("tokenizer", "model"):
        shutil.rmtree(tmp_path / name)
    (tmp_path / "words.txt").unlink()
    assert mt.run(recipe, tmp_path / "run", quiet=True)["stages_done"] == []
    scored = {**recipe, "evaluate": {"ngram_order": 2}}
    assert mt.run(scored, tmp_path / "run", quiet=True)["stages_done"] == ["evaluate", "report"]
    with pytest.raises(ConfigError, match=r"^tokenizer\.from: no model or tokenizer named"):
        mt.run({**recipe, "seed": 7}, tmp_path / "run", quiet=True)


def test_a_run_with_nothing_left_to_do_loads_no_torch(made):
    folder, recipe = made
    code = (
        "import json, sys; from massivetext.runs.execution import run; recipe, folder = json.loads(sys.argv[1]);"
        "print(run(recipe, folder, quiet=True)['stages_done'], 'torch' in sys.modules)"
    )
    given = json.dumps([recipe, str(folder / "run")])
    done = subprocess.run([sys.executable, "-c", code, given], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] False"


def test_a_prompt_that_became_too_long_costs_nothing(made, tmp_path):
    folder, recipe = made
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    before = folder_digests(run, ["**/*"])
    with pytest.raises(ConfigError, match=r"generate\.prompts: .* and the model reads 32"):
        mt.run({**recipe, "generate": {"prompts": {"english": ["zq " * 40]}}}, run, quiet=True)
    assert folder_digests(run, ["**/*"]) == before


def test_a_tokenizer_that_was_changed_is_not_used(made, tmp_path):
    folder, recipe = made
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    shutil.rmtree(run / "model")
    path = run / "tokenizer/tokenizer_config.json"
    path.write_text(path.read_text().replace("{", '{"padding_side": "left",', 1))
    with pytest.raises(StoreError, match=r"tokenizer_config.json is damaged, or was changed .*delete .*tokenizer and"):
        mt.run(recipe, run, quiet=True)


def test_a_flipped_shard_is_noticed_before_training_unless_verify_is_off(made, tmp_path):
    folder, recipe = made
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    recipe = {**recipe, "evaluate": {"ngram_order": 2}}
    damage(run / "tokens/train/english/shard-00000.bin")
    with pytest.raises(StoreError, match=r"shard-00000.bin is damaged.*Delete .*tokens and give the same command"):
        mt.run(recipe, run, quiet=True)
    mt.run({**recipe, "verify": False}, run, quiet=True)


def test_a_fork_refuses_a_checkpoint_of_another_tokenizer(made, tmp_path):
    folder, recipe = made
    recipe = {**recipe, "tokenizer": {"vocab_size": 320, "kind": "unigram"}}
    recipe["train"] = {**recipe["train"], "from": str(folder / "run/checkpoints")}
    with pytest.raises(CheckpointError, match=r"was trained with the tokenizer .*Set tokenizer.from"):
        mt.run(recipe, tmp_path / "run", until="train", quiet=True)


def interrupted(folder, recipe, number, ready):
    """Run the command line and send a signal once `ready()`; return status, seconds to an answer, what it said."""
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    command = [sys.executable, "-m", "massivetext", "run", str(folder / "recipe.yaml"), "--out", str(folder / "run")]
    environment = {**os.environ, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    said = []

    def listen():
        with process.stderr:
            said.extend((time.monotonic(), line) for line in process.stderr)

    listener = threading.Thread(target=listen)
    listener.start()
    while process.poll() is None and not ready():
        time.sleep(0.02)
    sent_at = time.monotonic()
    process.send_signal(number)
    process.wait(timeout=120)
    listener.join()
    answered = [at - sent_at for at, line in said if line.startswith("Interrupted: ")]
    return process.returncode, answered, "".join(line for _, line in said)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_corpus_stage_is_answered_at_once(tmp_path, number, status):
    write_texts(tmp_path / "texts", documents=3000)
    recipe = small_recipe(tmp_path / "texts")
    ready = (tmp_path / "run/corpus/.work").is_dir
    code, answered, said = interrupted(tmp_path, recipe, number, ready)
    assert code == status, said
    assert "Interrupted: stopping" in said and "stopped; the same command resumes from here" in said
    assert answered[0] < 2.0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_training_saves_the_step(tmp_path, number, status):
    recipe = with_texts(tmp_path)
    recipe["train"] |= {"steps": 10**6, "checkpoint_every_steps": 10**6, "evaluate_every_steps": 10**6}
    metrics = tmp_path / "run/metrics.jsonl"
    code, _, said = interrupted(tmp_path, recipe, number, lambda: metrics.is_file() and metrics.stat().st_size > 2000)
    assert code == status, said
    assert "finishing the step and saving a checkpoint" in said
    steps = metrics.read_bytes().count(b"\n")
    assert (tmp_path / f"run/checkpoints/step-{steps:08d}/COMPLETE").is_file()
    assert f"stopped at step {steps}" in said
