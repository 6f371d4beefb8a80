"""The page of a corpus: true to its rows, drawn again the same, without personal data, whole in both languages."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from small_run import small_recipe, write_texts

from massivetext.corpus.building import build_corpus
from massivetext.corpus.inspecting import document_text
from massivetext.corpus.reading import load_corpus
from massivetext.corpus.removing import remove_documents
from massivetext.report.corpus_flow import merged_order, stages_of
from massivetext.report.corpus_sections import license_rows
from massivetext.report.page import write_report
from massivetext.report.sampling import SHOWN_CHARACTERS
from massivetext.report.surveying import SAMPLES, survey
from massivetext.report.tallies import Histogram
from massivetext.state import read_state, write_state
from massivetext.translations import chinese, set_language

from .test_page import Page

ENGLISH = "Paragraph {n} tells of the sea, of ships and of the people that have been there with me and {n} others."
CHINESE = "第{n}段讲大海、船只，也讲曾经到过那里的{n}个人，以及他们带回来的许多故事。"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("corpus")
    rows = [{"text": ENGLISH.format(n=n), "license": "CC0" if n % 3 else "MIT"} for n in range(60)]
    rows += [{"text": f"Too short {n}, write to someone{n}@example.org"} for n in range(30)]
    rows += [{"text": ENGLISH.format(n=1)}, {"text": ENGLISH.format(n=2)}, {"text": "  "}]
    (place / "en.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = [CHINESE.format(n=n) for n in range(50)] + ["太短"] * 3 + [CHINESE.format(n=7)]
    (place / "zh.txt").write_text("\n".join(lines))
    recipe = {
        "sources": [
            {"name": "english", "path": str(place / "en.jsonl")},
            {"name": "chinese", "path": str(place / "zh.txt"), "unit": "line"},
        ],
        "steps": [
            "normalise",
            "language",
            {"gopher_quality": {"min_words": 15, "min_stop_words": None, "min_mean_word_characters": None}},
            "pii",
            {"deduplicate": {"near": {"threshold": 0.95, "split_threshold": None}}},
        ],
        "split": {"validation": 0.1, "test": 0.1},
    }
    build_corpus(recipe, place / "out", quiet=True, threads=1)
    return place / "out"


@pytest.fixture(scope="module")
def found(folder):
    return survey(load_corpus(folder))


def rows_of(folder, kept):
    corpus = load_corpus(folder)
    batches = [b for s in corpus.splits for b in corpus.documents(s, columns=None)] if kept else corpus.dropped()
    return [row for batch in batches for row in batch.to_pylist()]


def rule(found, step, name):
    return next(rule for rule in found.rules if (rule.step, rule.name) == (step, name))


def test_what_a_rule_dropped_is_counted_and_drawn(found, folder):
    gone = [row for row in rows_of(folder, False) if row["reason"] == "min_words"]
    short = rule(found, "gopher_quality", "min_words")
    assert short.dropped.documents == len(gone) == 33
    assert short.dropped.size_bytes == sum(row["text_bytes"] for row in gone)
    assert len(short.dropped_samples) == SAMPLES and len(short.kept_samples) == SAMPLES
    values = {row["id"]: row["value"] for row in gone}
    assert all(sample.value == values[sample.id] < 15 for sample in short.dropped_samples)
    assert all(sample.value >= 15 for sample in short.kept_samples)
    kept = {row["id"]: row["text"] for row in rows_of(folder, True)}
    assert all(kept[sample.id][:SHOWN_CHARACTERS] == sample.text for sample in short.kept_samples)
    assert {sample.source for sample in short.kept_samples} == {"english", "chinese"}


def test_a_histogram_holds_every_measured_document_on_its_side_of_the_limit(found, folder):
    histogram = rule(found, "gopher_quality", "min_words").histogram
    rows = [*rows_of(folder, True), *rows_of(folder, False)]
    words = np.array([row["statistics__words"] for row in rows if row["statistics__words"] is not None])
    assert histogram.counts.sum() == len(words)
    assert histogram.counts[histogram.broken()].sum() == (words < 15).sum()


@pytest.mark.parametrize(("name", "limit"), [("max_a_fraction", 0.3), ("min_a_fraction", 0.3), ("max_words", 15)])
def test_a_value_on_the_limit_is_kept(name, limit):
    histogram = Histogram.for_limit(name, limit)
    step = limit / 1e6
    histogram.add(np.array([limit, limit, limit - step, limit + step, np.nan]))
    assert histogram.counts[histogram.broken()].sum() == 1


def test_the_same_samples_are_drawn_again(found, folder):
    again = survey(load_corpus(folder))
    assert [entry.dropped_samples for entry in again.rules] == [entry.dropped_samples for entry in found.rules]
    assert [entry.kept_samples for entry in again.rules] == [entry.kept_samples for entry in found.rules]


def test_no_text_is_read_but_that_of_row_groups_with_samples(folder, monkeypatch):
    read = []
    original = pq.ParquetFile.iter_batches

    def spied(self, batch_size, row_groups=None, columns=None, **values):
        read.append((row_groups, columns))
        return original(self, batch_size, row_groups, columns, **values)

    monkeypatch.setattr("massivetext.report.surveying.SAMPLES", 1)
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spied)
    survey(load_corpus(folder))
    texts = [(groups, columns) for groups, columns in read if {"text", "excerpt"} & set(columns)]
    assert texts and all(len(groups) == 1 and len(columns) == 1 for groups, columns in texts)


def test_the_address_in_a_dropped_text_is_nowhere(folder):
    assert "@example.org" not in str(rows_of(folder, False))
    page = write_report(folder, "en").read_text(encoding="utf-8")
    assert "@example.org" not in page and "&lt;EMAIL&gt;" in page


def test_clusters_are_counted_and_shown(found):
    clusters = found.clusters
    assert clusters.duplicates == 3 and clusters.clusters == 3 and clusters.sizes[2] == 3
    assert all(cluster.first.text == cluster.shown[0][0].text for cluster in clusters.largest)
    assert any("大海" in cluster.first.text for cluster in clusters.largest)


def test_languages_licences_and_lengths_are_those_of_the_kept_documents(found, folder):
    kept = rows_of(folder, True)
    assert found.languages["zh"][0].documents == sum(row["language"] == "zh" for row in kept) == 50
    assert found.licenses["MIT"].documents == sum(row["license"] == "MIT" for row in kept) == 20
    assert {name: int(histogram.counts.sum()) for name, histogram in found.lengths.items()} == {
        "english": 60,
        "chinese": 50,
    }


@pytest.mark.parametrize("tongue", ["en", "zh"])
def test_the_page_is_whole_in_both_languages(folder, tongue):
    source = write_report(folder, tongue).read_text(encoding="utf-8")
    page = Page(source)
    assert page.open == [] and page.addresses == [] and "<script" not in source
    assert "min_<wbr>words" in source and "gopher_quality" in page.text
    if tongue == "zh":
        spoken = {english for english in chinese() if "{" not in english and len(english) > 12}
        assert not [english for english in spoken if english in page.text]
        assert "读入与剔除" in page.text
    else:
        assert "110 documents, of 147 records read" in page.text


def test_the_flow_follows_every_record(folder):
    manifest = load_corpus(folder).manifest
    stages = stages_of(manifest)
    assert [stage.name for stage in stages] == ["read", "gopher_quality", "deduplicate"]
    left = sum(sum(stage.documents.values()) for stage in stages)
    read = sum(entry["read"]["records"] for entry in manifest["sources"].values())
    assert read - left == sum(entry["kept"]["documents"] for entry in manifest["sources"].values())


def test_control_characters_and_markup_of_a_text_do_no_harm_to_the_page(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "\x1b[31m<script>alert(1)</script>\x00\u202e"}) + "\n" * 2)
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "a text that is long enough to stay here"}) + "\n")
    recipe = {
        "sources": [{"name": "i", "path": str(tmp_path / "*.jsonl")}],
        "steps": ["statistics", {"gopher_quality": {"min_words": 8, "min_stop_words": None}}],
        "split": {"validation": 0, "test": 0},
    }
    build_corpus(recipe, tmp_path / "out", quiet=True, threads=1)
    source = write_report(tmp_path / "out", "en").read_text(encoding="utf-8")
    assert "<script" not in source and "\x1b" not in source and "\x00" not in source
    assert "␛[31m&lt;script&gt;" in source and "\u202e" not in source


def test_only_the_reasons_that_dropped_most_are_shown(folder, monkeypatch):
    monkeypatch.setattr("massivetext.report.corpus_sections.SHOWN_RULES", 1)
    text = Page(write_report(folder, "en").read_text(encoding="utf-8")).text
    assert "2 other reasons dropped fewer documents." in text


def test_building_a_corpus_with_a_recipe_writes_its_page(tmp_path):
    from massivetext.runs.execution import run

    write_texts(tmp_path / "texts")
    run(small_recipe(tmp_path / "texts"), tmp_path / "run", until="corpus", quiet=True)
    assert "corpus report" in (tmp_path / "run" / "corpus" / "report.html").read_text(encoding="utf-8")


def test_steps_of_sources_that_differ_are_put_in_one_order():
    order = merged_order([["read"], ["normalise", "deduplicate"], ["normalise", "length", "pii", "deduplicate"]])
    assert order == ["read", "normalise", "length", "pii", "deduplicate"]
    again = merged_order(
        [["page", "lines", "page", "pages", "deduplicate"], ["page", "quality", "page", "deduplicate"]]
    )
    assert again == ["read", "page", "quality", "lines", "pages", "deduplicate"]


def test_a_rule_with_two_limits_is_two_rules_each_with_its_own_samples(tmp_path):
    for name in "ab":
        rows = [{"text": "word " * count} for count in range(1, 31)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    steps = {
        name: [{"gopher_quality": {"min_words": limit, "min_stop_words": None}}] for name, limit in (("a", 5), ("b", 9))
    }
    sources = [{"name": name, "path": str(tmp_path / f"{name}.jsonl"), "steps": steps[name]} for name in "ab"]
    corpus = build_corpus({"sources": sources, "split": {"validation": 0, "test": 0}}, tmp_path / "out", quiet=True)
    five, nine = (entry for entry in survey(corpus).rules if entry.name == "min_words")
    assert {five.limit, nine.limit} == {5, 9}
    for entry in (five, nine):
        assert entry.sources == ({"a"} if entry.limit == 5 else {"b"})
        assert len(entry.dropped_samples) == entry.dropped.documents == entry.limit - 1
        assert {sample.source for sample in (*entry.dropped_samples, *entry.kept_samples)} == entry.sources


def test_a_takedown_removes_the_page_that_may_show_the_text(folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "run" / "corpus")
    (tmp_path / "run" / "recipe.yaml").write_text("seed: 0\n")
    (tmp_path / "run" / "report.html").write_text("")
    write_report(tmp_path / "run" / "corpus")
    remove_documents(tmp_path / "run" / "corpus", "asked", pattern="Paragraph 5 ")
    assert not (tmp_path / "run" / "corpus" / "report.html").exists()
    assert not (tmp_path / "run" / "report.html").exists()
    page = write_report(tmp_path / "run" / "corpus").read_text(encoding="utf-8")
    assert "Paragraph 5 " not in page


def test_a_corpus_whose_own_step_cannot_be_imported_has_a_page_without_its_limits(folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    manifest = json.dumps(read_state(path, (), ""))
    write_state(path, json.loads(manifest.replace('"gopher_quality": {', '"no_such_module:Step": {')))
    found = survey(load_corpus(tmp_path / "out"))
    assert rule(found, "gopher_quality", "min_words").dropped.documents == 33
    assert "min_<wbr>words" in write_report(tmp_path / "out").read_text(encoding="utf-8")


def license_page(tmp_path, kinds, without):
    rows = [{"text": f"text number {n} with licence", "license": f"L-{n:02}"} for n in range(kinds)]
    rows += [{"text": f"text number {n} without any"} for n in range(without)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "sources": [{"name": "a", "path": str(tmp_path / "a.jsonl")}],
        "steps": ["normalise"],
        "split": {"validation": 0, "test": 0},
    }
    return license_rows(survey(build_corpus(recipe, tmp_path / "out", quiet=True, threads=1)))


@pytest.mark.parametrize(
    ("kinds", "others"), [(11, []), (12, []), (13, ["1 other licence"]), (14, ["2 other licences"])]
)
def test_documents_without_a_licence_are_not_counted_among_the_other_licences(tmp_path, kinds, others):
    rows = license_page(tmp_path, kinds, 100)
    assert [name for name, _, _ in rows if "other" in name] == others
    assert rows[-1][:2] == ("none noted", "100")
    assert sum(int(documents) for _, documents, _ in rows) == kinds + 100


@pytest.mark.parametrize("tongue", ["en", "zh"])
def test_measures_of_any_type_and_drops_without_a_limit_are_shown(tmp_path, tongue):
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": f"第 {n} 篇 text"}) + "\n" for n in range(8)))
    recipe = {
        "sources": [{"name": "a", "path": str(tmp_path / "a.jsonl")}],
        "steps": ["language", "odd_steps:Odd", "odd_steps:OddDecide"],
        "split": {"validation": 0, "test": 0},
    }
    corpus = build_corpus(recipe, tmp_path / "out", quiet=True, threads=1)
    set_language(tongue)
    shown = [document_text(corpus.find(row["id"])) for row in rows_of(tmp_path / "out", False)]
    shown += [document_text(corpus.find(row["id"])) for row in rows_of(tmp_path / "out", True)]
    set_language("en")
    assert len(shown) == 8
    assert all("odd__word a word, odd__flag True, odd__list [1, 2], odd__n 7" in text for text in shown)
    assert sum("(0.25)" in text for text in shown) == 2 and sum("(3; " in text for text in shown) == 2
    write_report(tmp_path / "out", tongue)
