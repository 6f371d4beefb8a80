"""Takedowns touch only the files that hold what leaves, stay in force, and can be killed; `diff` says what changed."""

import json

import pyarrow.parquet as pq
import pytest

from massivetext.corpus import building, planning, removing
from massivetext.corpus.building import build_corpus
from massivetext.corpus.comparing import compare, comparison_text
from massivetext.corpus.reading import load_corpus
from massivetext.corpus.removing import remove_documents
from massivetext.corpus.takedowns import clear_corpus
from massivetext.errors import BusyError, ConfigError, DataError, StoreError
from massivetext.report import page
from massivetext.runs import execution
from massivetext.state import read_json
from massivetext.storage import locked_folder, write_json


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "PART_BYTES", 1000)
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


def shown(folder, words):
    """Return the files of a corpus whose text, excerpt, url or meta shows some words."""
    found = []
    for path in sorted(folder.rglob("*.parquet")):
        names = [name for name in ("text", "excerpt", "url", "meta") if name in pq.read_schema(path).names]
        values = [value for name in names for value in pq.read_table(path)[name].to_pylist() if value]
        found += [path.name] if any(words in value for value in values) else []
    return found


CHANGED = {
    "other steps": lambda recipe: recipe | {"steps": [{"length": {"min_characters": 2}}]},
    "steps that drop it": lambda recipe: recipe | {"steps": [{"length": {"min_characters": 16}}]},
    "another text": lambda recipe: recipe | {"steps": [{"deduplicate": {"lines": {"min_words": 1}}}]},
    "another name and other steps": lambda recipe: (
        recipe | {"sources": [dict(recipe["sources"][0], name="other")], "steps": []}
    ),
}


@pytest.mark.parametrize("change", CHANGED)
def test_what_was_taken_down_stays_out_whatever_is_built_next(recipe, tmp_path, change):
    build(recipe, tmp_path / "out")
    remove_documents(tmp_path / "out", "asked", pattern="秘密 30$")
    corpus = build(CHANGED[change](recipe), tmp_path / "out")
    assert not shown(tmp_path / "out", "秘密 30")
    assert len(documents(corpus)) > 50
    remove_documents(tmp_path / "out", "asked", pattern="Document 31 ")
    taken = load_corpus(tmp_path / "out").manifest["sources"].popitem()[1]["taken_down"]
    assert taken["documents"] == 1  # the one before never came into this corpus


def test_a_moved_copy_of_a_file_brings_nothing_back(recipe, tmp_path):
    build(recipe, tmp_path / "out")
    remove_documents(tmp_path / "out", "asked", pattern="秘密 30$")
    (tmp_path / "in.jsonl").rename(tmp_path / "moved.jsonl")
    source = {"name": "s", "path": str(tmp_path / "moved.jsonl")}
    build(recipe | {"sources": [source], "steps": [{"length": {"min_characters": 16}}]}, tmp_path / "out")
    assert not shown(tmp_path / "out", "秘密 30")


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-9])])
def test_a_build_that_would_lose_a_takedown_is_refused(recipe, tmp_path, harm):
    build(recipe, tmp_path / "out")
    remove_documents(tmp_path / "out", "asked", pattern="秘密 30$")
    harm(tmp_path / "out" / "removed" / "takedown-0001.parquet")
    before = states(tmp_path / "out" / "documents")
    for change in ({}, {"append": True}):
        with pytest.raises(StoreError, match=r"takedown-0001.*missing or altered; building now would bring back"):
            build(recipe | {"steps": []}, tmp_path / "out", **change)
    with pytest.raises(StoreError, match="missing or altered"):
        clear_corpus(tmp_path / "out")
    assert states(tmp_path / "out" / "documents") == before


def test_a_cleared_corpus_keeps_its_takedowns_and_knows_that_there_were_some(recipe, tmp_path):
    build(recipe, tmp_path / "out")
    remove_documents(tmp_path / "out", "asked", pattern="秘密 30$")
    clear_corpus(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".work", "removed"]
    list_of_one = tmp_path / "out" / "removed" / "takedown-0001.parquet"
    list_of_one.rename(tmp_path / "kept.parquet")
    with pytest.raises(StoreError, match="would bring back"):
        build(recipe, tmp_path / "out")
    (tmp_path / "kept.parquet").rename(list_of_one)
    build(recipe, tmp_path / "out")
    assert not shown(tmp_path / "out", "秘密 30")


def test_an_unfinished_append_does_not_bring_back_what_is_taken_down_meanwhile(recipe, tmp_path, monkeypatch):
    build(recipe, tmp_path / "out")
    (tmp_path / "more.jsonl").write_text(json.dumps({"text": "Secret 秘密 30"}) + "\n" + json.dumps({"text": "new"}))
    more = recipe | {"sources": [{"name": "more", "path": str(tmp_path / "more.jsonl")}]}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(building, "write_clusters", lambda *rest: (_ for _ in ()).throw(KeyboardInterrupt))
        build(more, tmp_path / "out", append=True)
    remove_documents(tmp_path / "out", "asked", pattern="秘密 30$")
    assert not shown(tmp_path / "out", "秘密 30") and not (tmp_path / "out" / ".work").exists()
    build(more, tmp_path / "out", append=True)
    assert not shown(tmp_path / "out", "秘密 30")


def test_nobody_reads_a_corpus_whose_takedown_is_not_finished(recipe, tmp_path, monkeypatch):
    build(recipe, tmp_path / "out")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(removing, "_apply", lambda corpus: (_ for _ in ()).throw(KeyboardInterrupt))
        remove_documents(tmp_path / "out", "asked", pattern="秘密 30$")
    with pytest.raises(StoreError, match=r"takedown.*--finish"):
        load_corpus(tmp_path / "out")
    found = remove_documents(tmp_path / "out", "asked", pattern="秘密 30$")
    assert found["finished"] and found["documents"]["train"] + found["documents"]["validation"] == 1
    assert not shown(tmp_path / "out", "秘密 30")


def test_the_same_takedown_again_says_that_it_was_done(recipe, tmp_path):
    build(recipe, tmp_path / "out")
    first = remove_documents(tmp_path / "out", "asked", pattern="秘密 30$")
    again = remove_documents(tmp_path / "out", "asked", pattern="秘密 30$")
    assert again["already"] and not first["already"] and again["documents"] == first["documents"]
    assert len(list((tmp_path / "out" / "removed").iterdir())) == 1


@pytest.mark.parametrize("text", ["The only document.", "只有这一篇。"])
def test_a_corpus_of_which_nothing_is_left_takes_further_takedowns(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    settings = {"sources": [{"name": "a", "path": str(tmp_path / "a.txt")}], "steps": []}
    recipe = {"corpus": {**settings, "split": {"validation": 0, "test": 0}}}
    built = execution.run(recipe, tmp_path / "run", until="corpus", quiet=True)
    folder = tmp_path / "run" / "corpus"
    first = remove_documents(folder, "asked", pattern=text[:3])
    assert remove_documents(folder, "asked", pattern=text[:3])["already"] and not first["already"]
    with pytest.raises(DataError, match="nothing was taken down"):
        remove_documents(folder, "asked", pattern="another 别的")
    again = execution.run(recipe, tmp_path / "run", until="corpus", quiet=True)
    assert built["corpus_digest"] != again["corpus_digest"] == first["digest"]


def test_the_list_of_takedowns_repeats_no_address_and_no_pattern(recipe, tmp_path):
    rows = [{"text": f"text {name}", "url": f"https://x.example/?u={name}"} for name in
            ("ann@example.org", "bob%40example.org", "no-one")]  # fmt: skip
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    build(recipe, tmp_path / "out")
    remove_documents(tmp_path / "out", "asked", url="https://x.example/?u=*ann@example.org")
    remove_documents(tmp_path / "out", "asked", pattern="bob%40example.org")
    notes = [
        row for path in sorted((tmp_path / "out" / "removed").iterdir()) for row in pq.read_table(path).to_pylist()
    ]
    assert [row["url"] for row in notes] == ["https://x.example/?u=<EMAIL>"] * 2
    assert not any(name in str(notes) for name in ("ann", "bob"))


@pytest.mark.parametrize("append", [False, True])
def test_a_corpus_has_one_writer(recipe, tmp_path, monkeypatch, append):
    monkeypatch.setattr(page, "WAIT_SECONDS", 0.0)
    folder = tmp_path / "out"
    build(recipe, folder)
    with locked_folder(folder):
        with pytest.raises(BusyError):
            build(recipe | {"steps": []}, folder, append=append)
        with pytest.raises(BusyError):
            remove_documents(folder, "asked", pattern="秘密")
        with pytest.raises(BusyError):
            page.write_report(folder)
    assert len(documents(load_corpus(folder))) == 60


def test_the_corpus_of_a_run_has_the_run_as_its_writer(recipe, tmp_path):
    build(recipe, tmp_path / "run" / "corpus")
    (tmp_path / "run" / "recipe.yaml").write_text("seed: 0\n")
    with locked_folder(tmp_path / "run"), pytest.raises(BusyError):
        remove_documents(tmp_path / "run" / "corpus", "asked", pattern="秘密")


def test_a_manifest_says_which_takedowns_the_corpus_obeys(recipe, tmp_path):
    folder = tmp_path / "out"
    assert build(recipe, folder).manifest["takedowns"] == {}
    remove_documents(folder, "asked", pattern="秘密 30$")
    manifest = read_json(folder / "manifest.json")
    assert list(manifest["takedowns"]) == ["takedown-0001.parquet"] and manifest["takedowns_before"] == 0
    write_json(tmp_path / "manifest.json", manifest)
    assert build(recipe | {"steps": []}, folder).manifest["takedowns_before"] == 1
