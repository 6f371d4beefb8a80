"""A takedown and the run around it: rebuilds, samples, pages, the vocabulary, and what still holds the text."""

import json
import shutil
from pathlib import Path

import pytest
from small_run import small_recipe, write_texts
from typer.testing import CliRunner

import massivetext as mt
from massivetext.cli import app
from massivetext.corpus.reading import load_corpus
from massivetext.errors import BusyError, ConfigError
from massivetext.state import read_json
from massivetext.storage import locked_folder
from massivetext.tokens.auto import AutoTokenizer

WORD = "Zanzibarquux"


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    """Texts of which one English and one Chinese, by turns, begin with a word that no other has."""
    folder = tmp_path_factory.mktemp("texts")
    write_texts(folder)
    for path in sorted((folder / "english").glob("*7.txt")):
        path.write_text(f"{WORD} " * 20 + path.read_text())
    return folder


def recipe_of(texts, **corpus):
    recipe = small_recipe(texts)
    recipe["train"] |= {"steps": 4, "checkpoint_every_steps": 4, "evaluate_every_steps": 4}
    recipe["tokenizer"]["vocab_size"] = 600
    recipe["generate"]["prompts"] = {}
    return recipe | {"corpus": recipe["corpus"] | corpus}


@pytest.fixture(scope="module")
def finished(texts, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    mt.run(recipe_of(texts), folder, quiet=True)
    return folder


@pytest.fixture
def run(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "run"))


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def removed(run, pattern, *more):
    done = invoke("corpus", "remove", run, "--pattern", pattern, "--reason", "asked", "--json", *more)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def texts_of(run):
    corpus = load_corpus(run / "corpus")
    return [text for split in corpus.splits for batch in corpus.documents(split, columns=("text",)) for text in
            batch.column("text").to_pylist()]  # fmt: skip


def test_what_was_made_from_the_corpus_is_named_with_what_to_do(run):
    (run / "model.gguf").write_bytes(b"")
    found = removed(run, WORD)
    made = {entry["what"]: entry["path"] for entry in found["made"]}
    assert made == {name: str(run / name) for name in ("tokenizer", "tokens", "checkpoints", "model")} | {
        "export": str(run / "model.gguf")
    }
    assert found["rebuild"].endswith(f"--out {run} --overwrite")
    shown = invoke("corpus", "remove", run, "--pattern", WORD, "--reason", "asked").stdout
    assert str(run / "tokens") in shown and found["rebuild"] in shown


def test_pieces_of_the_vocabulary_that_only_the_removed_text_had_are_named(run):
    tokenizer = AutoTokenizer.from_pretrained(run / "tokenizer")
    pieces = {tokenizer.decode([number]).strip() for number in tokenizer.encode_ordinary(f" {WORD}")}
    found = removed(run, WORD)["vocabulary"]
    assert found and set(found) <= pieces
    assert not any(piece in text for piece in found for text in texts_of(run))


def test_a_text_that_was_a_prompt_leaves_samples_and_reports(run):
    prompts = {sample["prompt"] for sample in read_json(run / "samples.json")}
    corpus = load_corpus(run / "corpus")
    first = [next(corpus.documents("test", source=source, columns=("text",))).column("text")[0].as_py()
             for source in corpus.sources]  # fmt: skip
    assert all(any(text.startswith(prompt) for text in first) for prompt in prompts)
    for text in first:
        assert removed(run, f"^{text[:12]}")["samples"]
    left = {sample["prompt"] for sample in read_json(run / "samples.json")}
    assert len(left) == 2 and not left & prompts
    for page in (run / "report.html", run / "corpus" / "report.html"):
        assert not any(text[:12] in page.read_text() for text in first)


def test_the_next_run_names_the_takedown(run, texts):
    assert removed(run, "nowhere|" + WORD)["documents"]["train"] > 0
    (texts.parent / "late.jsonl").write_text(json.dumps({"text": "A text that is appended after the takedown."}) + "\n")
    more = recipe_of(texts)["corpus"] | {"sources": [{"name": "late", "path": str(texts.parent / "late.jsonl")}]}
    mt.build_corpus(more, run / "corpus", seed=1, append=True, quiet=True)
    with pytest.raises(ConfigError, match=r"taken down from .*takedown-0001 of .*reason: asked\).*--overwrite"):
        mt.run(recipe_of(texts), run, quiet=True)
    mt.run(recipe_of(texts), run, overwrite=True, quiet=True)
    assert not any(WORD in text for text in texts_of(run))
    assert WORD not in (run / "tokenizer" / "tokenizer.json").read_text()


def test_a_rebuild_with_other_steps_or_overwrite_brings_nothing_back(run, texts):
    removed(run, WORD)
    changed = recipe_of(texts, steps=["statistics", {"length": {"min_characters": 30}}])
    mt.run(changed, run, overwrite=True, until="corpus", quiet=True)
    assert not any(WORD in text for text in texts_of(run))
    (texts / "english" / "added.txt").write_text("Another text that came later, and is long enough to stay.")
    mt.run(changed, run, overwrite=True, until="corpus", quiet=True)
    (texts / "english" / "added.txt").unlink()
    kept = texts_of(run)
    assert any("came later" in text for text in kept) and not any(WORD in text for text in kept)


def test_a_takedown_waits_for_the_run_and_a_run_for_the_takedown(run, texts):
    with locked_folder(run), pytest.raises(BusyError):
        invoke("corpus", "remove", run, "--pattern", WORD, "--reason", "asked", "--json")
    with locked_folder(run / "corpus"), pytest.raises(BusyError):
        changed = recipe_of(texts, steps=["statistics"])
        mt.run(changed, run, overwrite=True, until="corpus", quiet=True)
    assert any(WORD in text for text in texts_of(run))


@pytest.mark.parametrize("options", [["--finish", "--reason", "asked"], ["--pattern", WORD], ["--finish"]])
def test_a_takedown_needs_a_reason_and_finishing_nothing_is_an_error(run, options):
    with pytest.raises(ConfigError):
        invoke("corpus", "remove", run, *options)
