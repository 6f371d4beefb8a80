"""The examples of docs/steps.md run as they stand there."""

import json
import re
from pathlib import Path

import pytest
import yaml

from massivetext.corpus.building import build_corpus
from massivetext.corpus.steps.presets import PRESETS
from massivetext.corpus.steps.table import STEPS, make_steps
from massivetext.errors import ConfigError

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "steps.md").read_text(encoding="utf-8")


@pytest.fixture
def my_steps(tmp_path, monkeypatch):
    (tmp_path / "my_steps.py").write_text("\n\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)))
    monkeypatch.syspath_prepend(tmp_path)


def test_the_steps_of_ones_own_build_a_corpus(my_steps, tmp_path):
    (tmp_path / "a.txt").write_text("write to me@example.org 写信\n#### loud\nplain")
    recipe = {
        "sources": [{"name": "a", "path": str(tmp_path / "a.txt"), "unit": "line"}],
        "steps": ["my_steps:NoEmail", {"my_steps:Shouting": {"max_hashes": 2}}, {"deduplicate": {}}],
        "split": {"validation": 0, "test": 0},
    }
    corpus = build_corpus(recipe, tmp_path / "out", quiet=True)
    found = [row for batch in corpus.documents("train", columns=("text", "edits")) for row in batch.to_pylist()]
    assert [row["text"] for row in found] == ["write to <email> 写信", "plain"]
    assert [edit["step"] for edit in found[0]["edits"]] == ["no_email"]
    (gone,) = [row for batch in corpus.dropped() for row in batch.to_pylist()]
    assert (gone["step"], gone["reason"], gone["value"], gone["threshold"]) == ("shouting", "max_hashes", 4, 2)


def test_the_barrier_of_ones_own_drops_what_came_before_however_the_corpus_is_built(my_steps, tmp_path):
    urls = ["a", "b", "a", None, None, "c", "b", "a"]
    for name, rows in (("one", urls[:4]), ("two", urls[4:])):
        lines = [json.dumps({"text": f"{name} {row} of the {url}", "url": url}) for row, url in enumerate(rows)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    sources = [{"name": name, "path": str(tmp_path / f"{name}.jsonl")} for name in ("one", "two")]
    recipe = {"steps": ["my_steps:OncePerUrl", {"deduplicate": {}}], "split": {"validation": 0, "test": 0}}
    build_corpus({**recipe, "sources": sources[:1]}, tmp_path / "grown", quiet=True)
    grown = build_corpus({**recipe, "sources": sources[1:]}, tmp_path / "grown", append=True, quiet=True)
    whole = build_corpus({**recipe, "sources": sources}, tmp_path / "whole", quiet=True)
    assert grown.digest == whole.digest
    for corpus in (grown, whole):
        found = [row["url"] for batch in corpus.documents("train", columns=("url",)) for row in batch.to_pylist()]
        assert found == ["a", "b", None, None, "c"]
        gone = [row for batch in corpus.dropped() for row in batch.to_pylist()]
        assert [(row["step"], row["reason"], row["url"], row["cluster"]) for row in gone] == [
            ("once_per_url", "URL seen before", url, None) for url in ("a", "b", "a")
        ]
        assert sum(entry["dropped"]["once_per_url: URL seen before"]["documents"]
                   for entry in corpus.manifest["sources"].values()) == 3  # fmt: skip


def test_a_redactor_of_ones_own_protects_the_excerpts_of_what_other_steps_drop(my_steps, tmp_path):
    lost = "\ufffd" * 20
    (tmp_path / "a.txt").write_text(f"#### loud: me@example.org\n{lost} a@b.example\nplain")
    recipe = {
        "sources": [{"name": "a", "path": str(tmp_path / "a.txt"), "unit": "line"}],
        "steps": [{"my_steps:Shouting": {"max_hashes": 2}}, "my_steps:NoEmail"],
        "split": {"validation": 0, "test": 0},
    }
    corpus = build_corpus(recipe, tmp_path / "out", quiet=True)
    gone = {row["step"]: row["excerpt"] for batch in corpus.dropped() for row in batch.to_pylist()}
    assert gone == {"shouting": "#### loud: <email>", "read": f"{lost} <email>"}


def test_the_step_has_ten_lines():
    example = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    assert len([line for line in example.splitlines() if line]) <= 10


def test_the_recipe_on_the_page_is_read():
    first, *others = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for text in others:
        assert make_steps(yaml.safe_load(text))
    names = [step.name for step in make_steps(yaml.safe_load(first)["steps"])]
    assert names[0] == "normalise" and names[-2:] == ["decontaminate", "deduplicate"]


def test_every_step_and_preset_is_on_the_page():
    missing = {name for name in [*STEPS, *PRESETS] if f"`{name}`" not in PAGE}
    assert not missing


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:Step", "cannot be imported"),
        ("massivetext.corpus.steps:Nothing", "cannot be imported"),
        ("massivetext.corpus.steps:Edit", "a step is a subclass of Measure, Edit or Decide"),
        ("pathlib:Path", "a step is a subclass of Measure, Edit or Decide"),
    ],
)
def test_what_is_no_step_is_an_error(name, message):
    with pytest.raises(ConfigError, match=message):
        make_steps([name])
