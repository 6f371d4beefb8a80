"""A whole run: what it leaves, what it does not do twice, and that kills change no byte."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from crash_harness import folder_digests, trials
from made_up_metric import HOPS
from score_rows import by_part
from small_run import small_recipe, write_texts
from typer.testing import CliRunner

import massivetext as mt
from massivetext.cli import app
from massivetext.errors import BusyError, ConfigError
from massivetext.evaluation.settings import TASKS
from massivetext.metrics.declarations import METRICS
from massivetext.runs.stages import GRAPH
from massivetext.state import read_json, read_state, write_state
from massivetext.storage import locked_folder, value_digest


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    write_texts(folder)
    return folder


@pytest.fixture(scope="module")
def finished(texts, tmp_path_factory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("run") / "run"
    return folder, mt.run(small_recipe(texts), folder, quiet=True)


def test_a_run_gives_scores_of_every_source_beside_all_baselines(finished):
    _, found = finished
    for system in ("model", "gzip", "xz", "xz_primed", "ngram"):
        values = by_part(found["scores"], "bits_per_byte", system)
        assert set(values) == {"total", "english", "chinese"}
        assert all(0 < value < 20 for value in values.values())
    assert found["tokens"] == 24 * 256
    assert found["peak_memory_bytes"] > 1e7
    assert len(found["corpus_digest"]) == 64
    assert Path(found["model"]).is_dir() and Path(found["report"]).is_file()


def test_a_made_up_metric_is_stored_and_shown_everywhere(finished, texts, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(finished[0], tmp_path / "run"))
    monkeypatch.setitem(METRICS, "hops", HOPS)
    monkeypatch.setitem(TASKS, "hops", "made_up_metric:score_hops")
    recipe = small_recipe(texts) | {"evaluate": {"tasks": ["bits_per_byte", "hops"]}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    command = ["run", str(tmp_path / "recipe.yaml"), "--out", str(folder), "--quiet"]
    printed = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert printed["stages_done"] == ["evaluate", "report"]
    stored = read_json(folder / "evaluation.json")["scores"]
    assert printed["scores"] == stored
    assert by_part(stored, "hops") == {"total": 1234.5, "shore": 7.25, "reed": 0.0}
    assert by_part(stored, "hops", "tree frog") == {"total": 1000.0, "shore": 8.0}
    terminal = CliRunner().invoke(app, command).stdout
    pages = [(folder / name).read_text(encoding="utf-8") for name in ("report.html", "report.md")]
    for text in (terminal, *pages):
        assert all(words in text for words in ("hops per page", "tree frog", "1,234.50", "8.00", "shore", "reed"))
    assert all("hops per page (pond) ↑" in text for text in (terminal, *pages))
    assert all(words in pages[0] for words in ("hops/page", "Higher is better.", "42 pages"))


def test_a_task_that_nobody_knows_is_refused_with_the_nearest(texts, tmp_path):
    with pytest.raises(ConfigError, match=r"unknown task 'bits_per_bite'; did you mean 'bits_per_byte'\?"):
        mt.run(small_recipe(texts) | {"evaluate": {"tasks": ["bits_per_bite"]}}, tmp_path, quiet=True)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [([], "no task is named; allowed: bits_per_byte"), (["bits_per_byte"] * 2, "'bits_per_byte' is named 2 times")],
)
def test_no_task_and_a_task_named_twice_are_refused(texts, tmp_path, tasks, message):
    with pytest.raises(ConfigError, match=message):
        mt.run(small_recipe(texts) | {"evaluate": {"tasks": tasks}}, tmp_path, quiet=True)


def test_a_stage_outside_a_list_is_refused(texts, tmp_path):
    with pytest.raises(ConfigError, match=r"stages is one stage, 'corpus'; pass a list"):
        mt.run(small_recipe(texts), tmp_path, stages=GRAPH["corpus"], quiet=True)


def test_scores_of_an_earlier_format_are_made_again(finished, texts, tmp_path):
    folder = Path(shutil.copytree(finished[0], tmp_path / "run"))
    marker = read_state(folder / "stages" / "evaluate.json", (), "")
    reads = {name: value for name, value in marker["reads"].items() if name != "format"}
    fingerprint = value_digest(["evaluate", reads])
    write_state(folder / "stages" / "evaluate.json", {**marker, "reads": reads, "fingerprint": fingerprint})
    write_state(folder / "evaluation.json", {"format": "massivetext-evaluation/1", "bits_per_byte": {"total": 1.0}})
    found = mt.run(small_recipe(texts), folder, quiet=True)
    assert found["stages_done"] == ["evaluate", "report"]
    assert found["scores"] == finished[1]["scores"]


def test_a_second_call_does_nothing(finished, texts):
    folder, first = finished
    before = folder_digests(folder, ["**/*"])
    again = mt.run(small_recipe(texts), folder, quiet=True)
    assert again["stages_done"] == []
    assert folder_digests(folder, ["**/*"]) == before
    assert {**again, "stages_done": None} == {**first, "stages_done": None}


def test_the_resolved_recipe_reads_back(finished):
    folder, _ = finished
    values = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    assert values["train"]["steps"] == 24
    assert values["corpus"]["sources"][0]["name"] == "english"


def test_changed_settings_of_scoring_redo_only_what_reads_the_scores(finished, texts):
    folder, _ = finished
    recipe = small_recipe(texts) | {"evaluate": {"ngram_order": 2}}
    assert mt.run(recipe, folder, quiet=True)["stages_done"] == ["evaluate", "report"]
    assert mt.run(small_recipe(texts), folder, quiet=True)["stages_done"] == ["evaluate", "report"]


def test_a_training_with_other_settings_is_never_overwritten_unasked(finished, texts):
    folder, _ = finished
    recipe = small_recipe(texts)
    recipe["train"] = recipe["train"] | {"learning_rate": 0.123}
    before = folder_digests(folder)
    said = r"train.learning_rate was 0.004, is 0.123 \(read by the stage 'train'\).*--out FOLDER, or start over here"
    with pytest.raises(ConfigError, match=said):
        mt.run(recipe, folder, quiet=True)
    assert folder_digests(folder) == before


def test_a_changed_corpus_never_takes_a_training_with_it_unasked(finished, texts):
    folder, _ = finished
    recipe = small_recipe(texts) | {"seed": 2}
    with pytest.raises(ConfigError, match=r"seed was 1, is 2 \(read by the stage 'corpus'\)"):
        mt.run(recipe, folder, quiet=True)
    assert (folder / "corpus" / "manifest.json").is_file()


def test_a_folder_that_another_process_writes_is_refused(texts, tmp_path):
    with locked_folder(tmp_path), pytest.raises(BusyError, match="another process"):
        mt.run(small_recipe(texts), tmp_path, quiet=True)


def test_a_vocabulary_that_loses_text_is_refused_before_anything_is_done(texts, tmp_path):
    recipe = {**small_recipe(texts), "tokenizer": {"kind": "wordpiece", "vocab_size": 300}}
    with pytest.raises(ConfigError, match="wordpiece, which loses"):
        mt.run(recipe, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
    assert mt.run(recipe, tmp_path / "run", until="tokenizer", quiet=True)["stages_done"] == ["corpus", "tokenizer"]


def test_corpus_and_tokenizer_need_neither_model_nor_training(texts, tmp_path):
    whole = small_recipe(texts)
    recipe = {key: value for key, value in whole.items() if key not in ("model", "train")}
    assert mt.run(recipe, tmp_path / "run", until="tokenizer", quiet=True)["stages_done"] == ["corpus", "tokenizer"]
    with pytest.raises(ConfigError, match=r"model is missing.*\ntrain is missing"):
        mt.run(recipe, tmp_path / "run", quiet=True)
    assert mt.run(whole, tmp_path / "run", until="tokens", quiet=True)["stages_done"] == ["tokens"]


def test_minutes_become_steps_once(texts, tmp_path):
    recipe = small_recipe(texts)
    del recipe["train"]["steps"]
    recipe["train"]["minutes"] = 0.05
    mt.run(recipe, tmp_path, until="train", quiet=True)
    steps = read_json(tmp_path / "stages" / "train.json")["fixed"]["steps"]
    assert yaml.safe_load((tmp_path / "recipe.yaml").read_text(encoding="utf-8"))["train"]["steps"] == steps
    assert mt.run(recipe, tmp_path, until="train", quiet=True)["stages_done"] == []


def test_a_takedown_is_on_the_pages_of_the_corpus_and_of_the_run(finished, tmp_path):
    folder = Path(shutil.copytree(finished[0], tmp_path / "run"))
    pages = [folder / "report.html", folder / "corpus/report.html"]
    before = [page.read_bytes() for page in pages]
    document = next(mt.load_corpus(folder / "corpus").documents("train", columns=("id",))).column("id")[0].as_py()
    done = CliRunner().invoke(app, ["corpus", "remove", str(folder), "--id", document, "--reason", "asked for by post"])
    assert done.exit_code == 0
    for page, old in zip(pages, before):
        assert page.read_bytes() != old


def test_training_goes_on_from_a_checkpoint(finished, texts, tmp_path):
    folder, _ = finished
    recipe = small_recipe(texts)
    recipe["train"] |= {"from": str(folder / "checkpoints"), "steps": 6}
    mt.run(recipe, tmp_path, until="train", quiet=True)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows[0]["step"] == 25 and rows[-1]["step"] == 30


def test_transformers_gives_the_same_logits(finished):
    import torch
    import transformers

    folder, _ = finished
    ours = mt.AutoModelForCausalLM.from_pretrained(folder / "model")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "model")
    ids = tokenizer("The harbour was quiet. 清晨的港口", return_tensors="pt")["input_ids"]
    assert ids.tolist() == [
        mt.AutoTokenizer.from_pretrained(folder / "model").encode("The harbour was quiet. 清晨的港口")
    ]
    with torch.no_grad():
        difference = (ours(ids).logits - theirs(ids).logits).abs().max()
    assert float(difference) < 1e-4


def crash_trials(texts: Path, scratch: Path, kills: int) -> None:
    (scratch / "recipe.yaml").write_text(yaml.safe_dump(small_recipe(texts)), encoding="utf-8")
    command = [sys.executable, "-m", "massivetext", "run", str(scratch / "recipe.yaml"), "--out", "{folder}", "--quiet"]
    results = trials(command, scratch, kills, seed=kills)
    assert [trial.different for trial in results] == [()] * kills
    assert not all(trial.finished_before_the_kill for trial in results)


def test_three_kills_at_random_moments_change_no_byte(texts, tmp_path):
    crash_trials(texts, tmp_path, kills=3)


@pytest.mark.slow
def test_twelve_kills_at_random_moments_change_no_byte(texts, tmp_path):
    crash_trials(texts, tmp_path, kills=12)


def test_a_long_prompt_is_refused_once_the_vocabulary_is_known(texts, tmp_path):
    recipe = small_recipe(texts)
    recipe["generate"] = {"prompts": {"english": ["zq " * 40]}}
    with pytest.raises(ConfigError, match=r"generate\.prompts: .* and the model reads 32"):
        mt.run(recipe, tmp_path, quiet=True)
    assert not (tmp_path / "tokens").exists()
