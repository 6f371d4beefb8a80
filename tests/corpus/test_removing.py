"""Takedowns touch only the files that hold what leaves, stay in force, and can be killed; `diff` says what changed."""

import json

import pyarrow.parquet as pq
import pytest

from massivetext.corpus import building, removing
from massivetext.corpus.building import build_corpus
from massivetext.corpus.comparing import compare, comparison_text
from massivetext.corpus.reading import load_corpus
from massivetext.corpus.removing import remove_documents
from massivetext.errors import ConfigError, DataError


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "PART_BYTES", 1000)
    rows = [
        {
            "text": f"Document {number} says so, 第{number}篇。" if number % 10 else f"Secret 秘密 {number}",
            "url": f"https://{'a' if number % 2 else 'b'}.example/{number}",
            "license": "CC0" if number % 3 else "unknown",
        }
        for number in range(60)
    ]
    rows += [dict(rows[20], url="https://copy.example/")]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "sources": [{"name": "s", "path": str(tmp_path / "in.jsonl")}],
        "steps": ["normalise", {"deduplicate": {"near": {}}}],
        "split": {"validation": 0.2, "test": 0},
    }


def build(recipe, folder, **values):
    return build_corpus(recipe, folder, quiet=True, **values)


def documents(corpus, *columns):
    columns = columns or ("id", "text", "url")
    batches = [batch for split in corpus.splits for batch in corpus.documents(split, columns=columns)]
    return [row for batch in batches for row in batch.to_pylist()]


def dropped(corpus):
    return [row for batch in corpus.dropped() for row in batch.to_pylist()]


def states(folder):
    return {path: path.read_bytes() for path in folder.rglob("*.parquet")}


def test_a_document_leaves_by_its_id_and_only_its_file_is_written_anew(recipe, tmp_path):
    corpus = build(recipe, tmp_path / "out")
    row = documents(corpus)[5]
    before, files = documents(corpus), states(tmp_path / "out")
    found = remove_documents(tmp_path / "out", "asked by the author", ids=[row["id"]], date="2026-01-02")
    after = load_corpus(tmp_path / "out")
    assert documents(after) == [other for other in before if other != row]
    assert found["files_written"] == 1 and sum(found["documents"].values()) == 1
    changed = {path for path, data in states(tmp_path / "out").items() if files.get(path) != data}
    assert len(changed) == 2 and tmp_path / "out" / "removed" / "takedown-0001.parquet" in changed
    (note,) = pq.read_table(tmp_path / "out" / "removed" / "takedown-0001.parquet").to_pylist()
    assert (note["id"], note["reason"], note["date"]) == (row["id"], "asked by the author", "2026-01-02")
    assert after.digest == found["digest"] != corpus.digest
    assert sum(entry["documents"] for entry in after.manifest["splits"].values()) == len(before) - 1
    assert after.manifest["sources"]["s"]["taken_down"]["documents"] == 1


def test_copies_of_the_text_leave_with_it_and_nothing_of_it_stays_readable(recipe, tmp_path):
    corpus = build(recipe, tmp_path / "out")
    assert [row["excerpt"] for row in dropped(corpus)] == ["Secret 秘密 20"]
    found = remove_documents(tmp_path / "out", "secret", pattern="秘密 20$")
    assert sum(found["documents"].values()) == 1 and found["dropped_rows"] == 1
    after = load_corpus(tmp_path / "out")
    assert not dropped(after)
    assert not any("秘密 20" in row["text"] for row in documents(after))


@pytest.mark.parametrize(
    ("criterion", "count"),
    [({"url": "https://b.example/*"}, 30), ({"license": "unknown"}, 20), ({"pattern": "^Secret"}, 6)],
)
def test_documents_leave_by_url_licence_and_pattern(recipe, tmp_path, criterion, count):
    build(recipe, tmp_path / "out")
    found = remove_documents(tmp_path / "out", "asked", **criterion)
    assert sum(found["documents"].values()) == count
    assert len(documents(load_corpus(tmp_path / "out"))) == 60 - count


def test_what_was_taken_down_stays_out_of_a_rebuild_and_of_an_append(recipe, tmp_path):
    build(recipe, tmp_path / "out")
    remove_documents(tmp_path / "out", "secret", pattern="秘密 30$")
    kept = documents(load_corpus(tmp_path / "out"))
    (tmp_path / "more.jsonl").write_text(json.dumps({"text": "Secret 秘密 30"}) + "\n" + json.dumps({"text": "new"}))
    more = recipe | {"sources": [{"name": "more", "path": str(tmp_path / "more.jsonl")}]}
    grown = build(more, tmp_path / "out", append=True)
    assert sorted(row["text"] for row in documents(grown)) == sorted([*(row["text"] for row in kept), "new"])
    (refused,) = [row for row in dropped(grown) if row["reason"] == "taken down earlier"]
    assert refused["excerpt"] is None
    again = build(recipe | {"steps": ["normalise", {"deduplicate": {}}]}, tmp_path / "out")
    assert sorted(map(str, documents(again))) == sorted(map(str, kept))


def test_a_takedown_that_was_stopped_is_finished_by_the_next(recipe, tmp_path, monkeypatch):
    build(recipe, tmp_path / "out")
    apply = removing._apply
    monkeypatch.setattr(removing, "_apply", lambda corpus: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        remove_documents(tmp_path / "out", "secret", pattern="秘密 30$")
    monkeypatch.setattr(removing, "_apply", apply)
    remove_documents(tmp_path / "out", "secret", pattern="秘密 40$")
    after = load_corpus(tmp_path / "out")
    assert len(documents(after)) == 58 and after.manifest["sources"]["s"]["taken_down"]["documents"] == 2


@pytest.mark.parametrize(
    ("criterion", "error", "message"),
    [
        ({}, ConfigError, "found 0 criteria"),
        ({"url": "a", "license": "b"}, ConfigError, "found 2 criteria"),
        ({"ids": ["abc"]}, ConfigError, "whole ids"),
        ({"pattern": "("}, ConfigError, "no regular expression"),
        ({"pattern": "nowhere to be found"}, DataError, "nothing was taken down"),
    ],
)
def test_a_takedown_of_nothing_is_an_error(recipe, tmp_path, criterion, error, message):
    build(recipe, tmp_path / "out")
    with pytest.raises(error, match=message):
        remove_documents(tmp_path / "out", "why", **criterion)


def test_diff_names_documents_reasons_and_settings_that_differ(recipe, tmp_path):
    first = build(recipe, tmp_path / "a")
    steps = ["normalise", {"length": {"min_characters": 16}}, {"deduplicate": {"near": {}}}]
    second = build(recipe | {"steps": steps}, tmp_path / "b")
    found = compare(first, second)
    (change,) = [entry for entry in found["changes"] if entry["before"] == "kept in train"]
    assert change["after"] == "length: min_characters" and change["source"] == "s"
    gone = {row["id"] for row in dropped(second) if row["reason"] == "min_characters"}
    assert set(change["examples"]) <= gone
    assert found["same"] == 61 - sum(entry["documents"] for entry in found["changes"])
    assert "steps.s.length" in {entry["key"] for entry in found["settings"]}
    assert "length: min_characters" in comparison_text(found)


def test_diff_of_a_corpus_with_itself_is_empty_and_sees_another_text(recipe, tmp_path):
    first = build(recipe, tmp_path / "a")
    assert compare(first, first)["changes"] == [] and compare(first, first)["settings"] == []
    text = (tmp_path / "in.jsonl").read_text()
    (tmp_path / "in.jsonl").write_text(text.replace("Document 59", "Document LX"))
    (change,) = compare(first, build(recipe, tmp_path / "b"))["changes"]
    assert change["before"].endswith("one text") and change["after"].endswith("another text")


def test_diff_shows_takedowns(recipe, tmp_path):
    first, second = build(recipe, tmp_path / "a"), build(recipe, tmp_path / "b")
    remove_documents(second.folder, "asked", license="unknown")
    changes = compare(first, load_corpus(second.folder))["changes"]
    assert {entry["after"] for entry in changes} == {"taken down"}
