"""Commands killed at calls that change the disk end alike when run again; of two writers one is told to wait."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from crash_harness import Commands, kill_at_calls
from small_run import small_recipe, write_texts

from massivetext.corpus.reading import load_corpus
from massivetext.errors import StoreError

SECRET = "Zanzibarquux 秘密"
FEW = 3
MANY = pytest.param(25, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def temporary(tmp_path_factory):
    return tmp_path_factory.mktemp("system")


@pytest.fixture(scope="module")
def commands(temporary):
    running = Commands(temporary)
    yield running
    running.close()


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Two sources, English and Chinese, and a recipe; one document in three of each holds the secret."""
    folder = tmp_path_factory.mktemp("texts")
    for source, words in (("english", "The harbour was quiet before dawn, and a gull turned over the boats {}. "),
                          ("chinese", "清晨的港口很安静，海鸥从船上飞过，水面轻轻晃动{}。")):  # fmt: skip
        rows = [
            {"text": words.format(number) * 6 + (f"{SECRET} {number}" if number % 3 == 0 else "")}
            for number in range(30)
        ]
        (folder / f"{source}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "more.jsonl").write_text(
        "".join(json.dumps({"text": f"Another text, number {number}, came later. " * 5}) + "\n" for number in range(20))
    )
    sources = [{"name": name, "path": str(folder / f"{name}.jsonl")} for name in ("english", "chinese")]
    corpus = {
        "sources": sources,
        "steps": ["normalise", {"length": {"min_characters": 20}}, {"deduplicate": {"near": {}}}],
        "split": {"validation": 0, "test": 0.2},
    }
    more = corpus | {"sources": [{"name": "more", "path": str(folder / "more.jsonl")}]}
    for name, section in (("recipe", corpus), ("more", more)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"corpus": section}))
    return folder


@pytest.fixture(scope="module")
def built(texts, commands, tmp_path_factory):
    """A folder with a run whose corpus, in several parts, is built."""
    folder = tmp_path_factory.mktemp("built") / "folder"
    folder.mkdir()
    done = commands.run(folder, build(texts))
    assert done["status"] == [0], done["said"]
    assert len(list((folder / "run" / "corpus").glob("documents/train/*.parquet"))) > 3
    assert commands.run(folder, ["massivetext", "report", "run"])["status"] == [0]
    return folder


def build(texts):
    return ["massivetext", "corpus", "build", str(texts / "recipe.yaml"), "--out", "run", "--quiet"]


def append(texts):
    return ["massivetext", "corpus", "append", str(texts / "more.yaml"), "--to", "run", "--quiet"]


def remove(pattern=SECRET):
    return ["massivetext", "corpus", "remove", "run", "--pattern", pattern, "--reason", "asked", "--json"]


def documents(folder):
    corpus = load_corpus(folder)
    return [(split, row) for split in corpus.splits for batch in
            corpus.documents(split, columns=("id", "text", "text_digest")) for row in batch.to_pylist()]  # fmt: skip


def assert_whole(folder):
    """Assert that manifest and files of a corpus agree."""
    corpus, rows = load_corpus(folder), documents(folder)
    assert len(rows) == sum(entry["documents"] for entry in corpus.manifest["splits"].values())
    lines = {f"{split}\t{row['id']}\t{row['text_digest']}\n" for split, row in rows}
    order = [path for number in range(1, corpus.manifest["build"] + 1)
             for path in [folder / "index" / f"build-{number:04d}.parquet"]]  # fmt: skip
    ids = [value.hex() for path in order for value in pq.read_table(path, columns=["id"])["id"].to_pylist()]
    by_id = {line.split("\t")[1]: line for line in lines}
    digest = hashlib.sha256("".join(by_id[name] for name in ids if name in by_id).encode())
    assert digest.hexdigest() == corpus.digest


def assert_gone(folder, words=SECRET):
    """Assert that no file of a run but the tokenizer's input shows some words."""
    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            columns = [name for name in ("text", "excerpt") if name in pq.read_schema(path).names]
            values = [value for name in columns for value in pq.read_table(path)[name].to_pylist() if value]
            assert not any(words in value for value in values), path
        elif path.is_file():
            assert words.encode() not in path.read_bytes(), path


def is_old_or_refused(folder):
    """Assert that a killed takedown leaves the old corpus, the new one, or one that nobody reads."""
    corpus = folder / "run" / "corpus"
    try:
        load_corpus(corpus)
    except StoreError as error:
        assert "takedown" in str(error) and "--finish" in str(error)
    else:
        assert_whole(corpus)


CORPUS = ("run/corpus/**/*", "run/recipe.yaml")


@pytest.mark.parametrize("kills", [FEW, MANY])
def test_a_takedown_killed_anywhere_is_finished_by_the_same_command(built, commands, kills, tmp_path):
    kill_at_calls(commands, built, tmp_path, remove(), kills, (*CORPUS, "run/report.html"), is_old_or_refused)
    assert_whole(tmp_path / "whole" / "folder" / "run" / "corpus")
    assert_gone(tmp_path / "whole" / "folder" / "run")


@pytest.mark.parametrize("kills", [FEW, MANY])
def test_an_append_killed_anywhere_ends_with_the_same_bytes(built, texts, commands, kills, tmp_path):
    kill_at_calls(commands, built, tmp_path, append(texts), kills, (*CORPUS, "run/report.html"),
                  lambda folder: assert_whole(folder / "run" / "corpus"))  # fmt: skip


@pytest.mark.parametrize("kills", [FEW, MANY])
def test_a_build_of_several_parts_killed_anywhere_ends_with_the_same_bytes(texts, commands, kills, tmp_path):
    (tmp_path / "empty").mkdir()
    kill_at_calls(commands, tmp_path / "empty", tmp_path, build(texts), kills, CORPUS)


@pytest.mark.parametrize("kills", [FEW, MANY])
def test_a_rebuild_killed_anywhere_keeps_what_was_taken_down_out(built, texts, commands, kills, tmp_path):
    shutil.copytree(built, tmp_path / "taken")
    assert commands.run(tmp_path / "taken", remove())["status"] == [0]
    changed = [*build(texts), "--set", "corpus.steps=[normalise, {length: {min_characters: 30}}]"]
    kill_at_calls(commands, tmp_path / "taken", tmp_path, changed, kills, CORPUS)
    assert_gone(tmp_path / "whole" / "folder" / "run")


@pytest.mark.parametrize("kills", [FEW, MANY])
def test_a_classifier_killed_anywhere_ends_with_the_same_bytes(commands, kills, tmp_path):
    (tmp_path / "empty").mkdir()
    for name, words in (("good", "clear prose about the sea {}"), ("bad", "buy cheap now {} 便宜")):
        lines = [json.dumps({"text": words.format(number) * 3}) + "\n" for number in range(60)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    command = ["massivetext", "corpus", "classifier", str(tmp_path / "good.jsonl"), str(tmp_path / "bad.jsonl"),
               "--out", "prose", "--step", "normalise"]  # fmt: skip
    kill_at_calls(commands, tmp_path / "empty", tmp_path, command, kills)


@pytest.mark.parametrize("writer", ["append", "build", "finish"])
def test_whoever_writes_next_finishes_a_killed_takedown(built, texts, commands, tmp_path, calls_of_takedown, writer):
    shutil.copytree(built, tmp_path / "folder")
    assert commands.run(tmp_path / "folder", remove(), kill_at=calls_of_takedown // 2)["status"] == [-9]
    with pytest.raises(StoreError, match="takedown"):
        load_corpus(tmp_path / "folder" / "run" / "corpus")
    finish = ["massivetext", "corpus", "remove", "run", "--finish"]
    command = {"append": append(texts), "build": build(texts), "finish": finish}[writer]
    done = commands.run(tmp_path / "folder", command)
    assert done["status"] == [0], done["said"]
    assert_whole(tmp_path / "folder" / "run" / "corpus")
    assert_gone(tmp_path / "folder" / "run")


@pytest.fixture(scope="module")
def calls_of_takedown(built, commands, tmp_path_factory):
    """How many calls a takedown makes."""
    folder = tmp_path_factory.mktemp("counted") / "folder"
    shutil.copytree(built, folder)
    done = commands.run(folder, remove())
    assert done["status"] == [0] and done["calls"] > 20
    return done["calls"]


def test_of_takedowns_at_once_each_is_done_or_told_that_another_is_going_on(built, commands, tmp_path):
    shutil.copytree(built, tmp_path / "folder")
    numbers = (0, 3, 6, 9)
    done = commands.run(tmp_path / "folder", *(remove(f"{SECRET} {number}$") for number in numbers))
    kept = [row["text"] for _, row in documents(tmp_path / "folder" / "run" / "corpus")]
    assert 0 in done["status"]
    for number, status, said in zip(numbers, done["status"], done["said"]):
        held = any(text.endswith(f"{SECRET} {number}") for text in kept)
        assert held == (status != 0), said
        assert status == 0 or '"BusyError"' in said, said
    assert_whole(tmp_path / "folder" / "run" / "corpus")


def test_of_two_appends_at_once_none_is_lost(built, texts, commands, tmp_path):
    shutil.copytree(built, tmp_path / "folder")
    other = yaml.safe_load((texts / "more.yaml").read_text())
    (tmp_path / "other.jsonl").write_text(json.dumps({"text": "A text of the other writer, long enough."}) + "\n")
    other["corpus"]["sources"] = [{"name": "other", "path": str(tmp_path / "other.jsonl")}]
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other))
    second = ["massivetext", "corpus", "append", str(tmp_path / "other.yaml"), "--to", "run", "--quiet", "--json"]
    done = commands.run(tmp_path / "folder", [*append(texts), "--json"], second)
    sources = load_corpus(tmp_path / "folder" / "run" / "corpus").sources
    for name, status, said in zip(("more", "other"), done["status"], done["said"]):
        assert (name in sources) == (status == 0), said
        assert status == 0 or '"BusyError"' in said, said
    assert_whole(tmp_path / "folder" / "run" / "corpus")


@pytest.fixture(scope="module")
def trained(commands, tmp_path_factory):
    """A folder with a run that is finished up to the model."""
    folder = tmp_path_factory.mktemp("trained") / "folder"
    folder.mkdir()
    write_texts(folder / "texts", documents=60)
    recipe = small_recipe(Path("texts"))
    recipe["train"] |= {"steps": 4, "checkpoint_every_steps": 4, "evaluate_every_steps": 4}
    recipe["tokenizer"]["vocab_size"] = 700
    recipe["generate"]["prompts"] = {}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    done = commands.run(folder, run("train"))
    assert done["status"] == [0], done["said"]
    return folder


def run(verb="run", *more):
    return ["massivetext", verb, "recipe.yaml", "--out", "run", "--quiet", *more]


def no_text_outside(temporary):
    """Return what asserts that the system's folder for temporary files holds no text."""

    def check(folder):
        left = [path for path in temporary.rglob("*") if path.is_file() and b"harbour" in path.read_bytes()]
        assert not left

    return check


EVALUATED = ("run/samples.json", "run/corpus/**/*", "run/tokens/**/*", "run/model/**/*")


@pytest.mark.parametrize("kills", [FEW, MANY])
def test_a_killed_evaluation_leaves_no_text_behind(trained, commands, temporary, kills, tmp_path):
    kill_at_calls(commands, trained, tmp_path, run(), kills, EVALUATED, no_text_outside(temporary))


@pytest.mark.parametrize("kills", [FEW, MANY])
def test_an_export_killed_anywhere_is_whole_or_not_there(trained, commands, kills, tmp_path):
    command = ["massivetext", "export", "run", "--out", "model.gguf", "--kind", "f32"]
    kill_at_calls(commands, trained, tmp_path, command, kills, ("*",))


@pytest.mark.parametrize("kills", [FEW, MANY])
def test_a_saved_model_killed_anywhere_is_whole_or_not_there(trained, commands, kills, tmp_path):
    kill_at_calls(commands, trained, tmp_path, ["save_pretrained", "run/model", "copy"], kills, ("copy/*",))


def test_of_two_exports_to_one_file_one_is_told_to_wait(trained, commands, tmp_path):
    shutil.copytree(trained, tmp_path / "folder")
    command = ["massivetext", "export", "run", "--out", "model.gguf", "--json"]
    done = commands.run(tmp_path / "folder", command, command)
    assert 0 in done["status"]
    assert all(status == 0 or '"BusyError"' in said for status, said in zip(done["status"], done["said"]))
    assert sorted(path.name for path in (tmp_path / "folder").glob("*model.gguf*")) == ["model.gguf"]


def test_the_harness_sees_a_command_that_fails(commands, tmp_path):
    done = commands.run(tmp_path, ["massivetext", "corpus", "inspect", "nowhere"])
    assert done["status"] == [1] and "no corpus" in done["said"][0] and sys.version_info >= (3, 11)
