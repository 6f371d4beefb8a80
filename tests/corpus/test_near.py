"""Near-duplicates: found as brute force finds them, first seen wins, no leak between splits, append is like at once."""

import json
import random
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_rows import dropped, kept, write_lines
from crash_harness import trials

from massivetext.corpus import gathering, planning
from massivetext.corpus.barrier import index, neighbours, scratch
from massivetext.corpus.barrier.banding import HASHES, MIN_RECALL
from massivetext.corpus.barrier.deduplication import Deduplicate, NearSettings
from massivetext.corpus.building import build_corpus
from massivetext.corpus.inspecting import document_text
from massivetext.errors import ConfigError
from massivetext.storage import write_json
from massivetext.text.minhash import MINHASH_VERSION, shingle_sets
from massivetext.text.words import hash_words

EVERYTHING = {"validation": 0, "test": 0}


def words(chance, count, language="en"):
    if language == "zh":
        return [chr(0x4E00 + chance.randrange(3000)) for _ in range(2 * count)]
    return [f"w{chance.randrange(5000)}" for _ in range(count)]


def edited(chance, tokens, share):
    """Replace a share of the tokens, in a few stretches."""
    tokens = list(tokens)
    for _ in range(max(1, round(share * len(tokens) / 5))):
        at = chance.randrange(len(tokens))
        tokens[at : at + 5] = [f"new{chance.randrange(10**6)} " for _ in tokens[at : at + 5]]
    return tokens


def joined(tokens, language="en"):
    return ("" if language == "zh" else " ").join(tokens)


def planted(language, documents=120, seed=0):
    """Return texts: originals, and after each some edited copies of any earlier text."""
    chance = random.Random(seed)
    found = []
    for _ in range(documents):
        if found and chance.random() < 0.5:
            found.append(edited(chance, chance.choice(found), chance.choice([0.01, 0.03, 0.06, 0.2])))
        else:
            found.append(words(chance, chance.randrange(40, 300), language))
    return [joined(tokens, language) for tokens in found]


def similarities(texts):
    """Return all pairs' Jaccard similarity, by brute force."""
    shingles, offsets = shingle_sets(hash_words(pa.array(texts)), 5, 8)
    found = [set(shingles[start:end].tolist()) for start, end in pairwise(offsets)]
    result = np.zeros((len(texts), len(texts)))
    for i, left in enumerate(found):
        for j, right in enumerate(found[:i]):
            result[i, j] = len(left & right) / max(len(left | right), 1)
    return result


def build(sources, folder, near=None, split=EVERYTHING, memory_bytes=2**30, **values):
    steps = [{"deduplicate": {"near": near or {}, "memory_bytes": memory_bytes}}]
    recipe = {"sources": sources, "steps": steps, "split": split}
    return build_corpus(recipe, folder, quiet=True, **values)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_dropped_is_what_brute_force_finds(tmp_path, language):
    texts = planted(language)
    corpus = build([write_lines(tmp_path, texts)], tmp_path / "out")
    found = similarities(texts)
    expected = {text for row, text in enumerate(texts) if found[row].max() >= 0.8}
    gone = set(texts) - {row["text"] for row in kept(corpus)}
    assert gone <= expected
    assert len(expected) > 20 and len(gone) >= 0.95 * len(expected)
    row = next(row for row in dropped(corpus) if row["reason"] == "near duplicate")
    assert row["step"] == "deduplicate" and row["threshold"] == 0.8 and 0.8 <= row["value"] <= 1
    assert row["cluster"] in document_text(corpus.find(row["id"]))


@pytest.mark.shared
@pytest.mark.parametrize("file", ["wikitext-2/valid.txt", "zh/cmrc2018_trial.json"])
def test_planted_edits_of_real_text_are_found(shared, tmp_path, file):
    chance = random.Random(1)
    if file.endswith("json"):
        data = json.loads((shared / file).read_text())["data"]
        originals = [list(paragraph["context"]) for entry in data for paragraph in entry["paragraphs"]]
        join = "".join
    else:
        originals = [part.split(" ") for part in (shared / file).read_text().split("\n \n")]
        join = " ".join
    originals = [tokens for tokens in originals if len(tokens) > 60][:150]
    texts = [join(tokens) for tokens in originals]
    texts += [join(edited(chance, tokens, chance.choice([0.01, 0.02, 0.05]))) for tokens in originals]
    found = similarities(texts)
    expected = {text for row, text in enumerate(texts) if found[row].max() >= 0.8}
    gone = set(texts) - {row["text"] for row in kept(build([write_lines(tmp_path, texts)], tmp_path / "out"))}
    assert gone <= expected and len(gone) >= 0.95 * len(expected) > 50


def chain(threshold=0.8):
    """Return texts A, B, C where B is near A, and C near B but not near A."""
    base = [f"w{number}" for number in range(300)]
    near = [*base[:270], *(f"x{number}" for number in range(30))]
    far = [*(f"y{number}" for number in range(30)), *near[30:]]
    texts = [" ".join(tokens) for tokens in (base, near, far)]
    found = similarities(texts)
    assert found[1, 0] >= threshold > found[2, 0] and found[2, 1] >= threshold
    return texts


def test_a_document_near_a_dropped_one_is_dropped_and_named_by_the_first_of_its_cluster(tmp_path):
    corpus = build([write_lines(tmp_path, chain())], tmp_path / "out")
    (first,) = kept(corpus)
    rows = dropped(corpus)
    assert [row["cluster"] for row in rows] == [first["id"]] * 2
    clusters = pq.read_table(tmp_path / "out" / "clusters" / "build-0001.parquet").to_pylist()
    assert [row["id"] for row in clusters] == [row["id"] for row in rows]
    assert [row["like"] for row in clusters] == [first["id"], rows[0]["id"]]
    assert [row["similarity"] for row in clusters] == [row["value"] for row in rows]


def test_equal_texts_are_exact_duplicates_and_without_words_nothing_is_near(tmp_path):
    texts = [*chain()[:1] * 2, "。", "。。", "……"]
    corpus = build([write_lines(tmp_path, texts)], tmp_path / "out")
    assert [row["text"] for row in kept(corpus)] == [texts[0], *texts[2:]]
    assert [row["reason"] for row in dropped(corpus)] == ["exact duplicate"]


def test_a_similarity_below_the_threshold_is_kept_and_on_it_dropped(tmp_path):
    texts = [" ".join(f"w{number}" for number in range(100)), " ".join(f"w{number}" for number in range(90))]
    value = similarities(texts)[1, 0]
    assert value == 86 / 96
    for threshold, count in ((value, 1), (value + 1e-9, 2)):
        corpus = build([write_lines(tmp_path, texts)], tmp_path / f"out{count}", {"threshold": threshold})
        assert len(kept(corpus)) == count


def test_unverified_candidates_are_dropped_unmeasured(tmp_path):
    corpus = build([write_lines(tmp_path, planted("en"))], tmp_path / "out", {"verify": False})
    rows = [row for row in dropped(corpus) if row["reason"] == "near duplicate"]
    assert rows and {row["value"] for row in rows} == {None}


def test_little_memory_many_parts_and_threads_change_nothing(tmp_path, monkeypatch):
    source, split = write_lines(tmp_path, planted("en", 300)), {"validation": 0.2, "test": 0.1}
    whole = build([source], tmp_path / "whole", split=split)
    monkeypatch.setattr(planning, "PART_BYTES", 20_000)
    monkeypatch.setattr(gathering, "BATCH_RECORDS", 7)
    monkeypatch.setattr(scratch, "STRETCH_ROWS", 50)
    assert build([source], tmp_path / "cut", split=split, memory_bytes=2**16, threads=3).digest == whole.digest


def test_a_source_that_does_not_ask_keeps_its_documents(tmp_path):
    texts = chain()
    other = write_lines(tmp_path, texts, "other") | {"steps": ["normalise"]}
    corpus = build([write_lines(tmp_path, texts), other], tmp_path / "out")
    assert [row["source"] for row in kept(corpus)] == ["a", "other", "other", "other"]


def test_sources_that_ask_in_different_ways_are_refused(tmp_path):
    other = write_lines(tmp_path, ["x"], "b") | {"steps": [{"deduplicate": {"near": {"threshold": 0.7}}}]}
    with pytest.raises(ConfigError, match="'a' and 'b' ask for near-duplicates in different ways"):
        build([write_lines(tmp_path, ["y"]), other], tmp_path / "out")


def test_a_split_threshold_above_the_threshold_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"split_threshold 0\.9 is above threshold 0\.8"):
        build([write_lines(tmp_path, ["y"])], tmp_path / "out", {"split_threshold": 0.9})


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_two_documents_on_different_sides_are_similar(tmp_path, language):
    texts = planted(language, 300, seed=3)
    corpus = build([write_lines(tmp_path, texts)], tmp_path / "out", split={"validation": 0.2, "test": 0.2})
    documents = kept(corpus)
    found = similarities([row["text"] for row in documents])
    pairs = [(i, j) for i, j in zip(*np.nonzero(found >= 0.6))]
    assert len(pairs) > 5
    assert all(documents[i]["split"] == documents[j]["split"] for i, j in pairs)


def test_a_document_between_two_sides_is_dropped_with_that_reason(tmp_path):
    left = [[f"{name}{number}" for number in range(200)] for name in "abcdefgh"]
    bridges = [[*one[:180], *other[20:]] for one, other in pairwise(left)]
    texts = [" ".join(tokens) for tokens in (*left, *bridges)]
    near = {"threshold": 0.8, "split_threshold": 0.4}
    corpus = build([write_lines(tmp_path, texts)], tmp_path / "out", near, split={"validation": 0.3, "test": 0.3})
    side = {row["text"]: row["split"] for row in kept(corpus)}
    reasons = {row["excerpt"]: row for row in dropped(corpus)}
    for one, other, bridge in zip(texts, texts[1:], texts[8:]):
        if side[one] == side[other]:
            assert side[bridge] == side[one]
        else:
            row = reasons[bridge[:500]]
            assert (row["reason"], row["threshold"], row["cluster"]) == ("bridges two splits", 0.4, None)
    assert len(reasons) > 1


def test_what_comes_from_one_file_stays_on_one_side_where_a_neighbour_moved_it(tmp_path):
    (tmp_path / "in").mkdir()
    for number, text in enumerate(planted("en", 80, seed=4)):
        (tmp_path / "in" / f"{number:02d}.txt").write_text(text)
    sources = [{"name": name, "path": str(tmp_path / "in")} for name in ("asks", "same")]
    split = {"validation": 0.3, "test": 0.3}
    drawn = build([sources[1] | {"steps": []}], tmp_path / "drawn", split=split)
    corpus = build([sources[0], sources[1] | {"steps": []}], tmp_path / "out", split=split)
    sides = {}
    for row in kept(corpus, ("uri", "source")):
        sides.setdefault(row["uri"], []).append(row["split"])
    assert sum(len(found) == 2 for found in sides.values()) > 30
    assert all(len(set(found)) == 1 for found in sides.values())
    assert any(row["split"] != sides[row["uri"]][0] for row in kept(drawn, ("uri",)))


def appended(texts, cuts, tmp_path, split):
    """Build a corpus of the first texts, and append the others batch by batch."""
    bounds = [0, *cuts, len(texts)]
    for number, (start, end) in enumerate(pairwise(bounds)):
        source = write_lines(tmp_path / "in", texts[start:end], f"s{number}")
        corpus = build([source], tmp_path / "grown", split=split, append=number > 0)
    return corpus


def facts(corpus):
    """Return what must be equal however it was built: documents with their sides, drops with their reasons."""
    columns = ("id", "text", "source", "record")
    gone = [{name: row[name] for name in ("id", "reason", "value", "cluster")} for row in dropped(corpus)]
    return sorted(kept(corpus, columns), key=str), sorted(gone, key=str)


@pytest.mark.parametrize("seed", range(3))
def test_appending_gives_what_building_at_once_gives(tmp_path, seed, monkeypatch):
    chance = random.Random(seed)
    if seed == 1:  # row groups of the index that end by how much they hold, and rows judged a few at a time
        monkeypatch.setattr(index, "INDEX_VALUES", 300)
        monkeypatch.setattr(neighbours, "JUDGED_ROWS", 7)
    texts = [*planted("en", 150, seed), *planted("zh", 80, seed)]
    chance.shuffle(texts)
    cuts = sorted(chance.sample(range(60, len(texts)), 3))
    split = {"validation": 0.2, "test": 0.2}
    grown = appended(texts, cuts, tmp_path, split)
    sources = [{"name": f"s{number}", "path": str(tmp_path / "in" / f"s{number}.jsonl")} for number in range(4)]
    whole = build(sources, tmp_path / "whole", split=split)
    assert facts(grown) == facts(whole)
    assert grown.digest == whole.digest
    assert grown.manifest["splits"] == whole.manifest["splits"]
    assert grown.manifest["sources"] == whole.manifest["sources"]
    assert {row["reason"] for row in dropped(grown)} >= {"near duplicate"}


@pytest.mark.parametrize("seed", range(2))
def test_in_whatever_order_names_and_files_arrive_it_is_as_if_all_had_come_at_once_in_that_order(tmp_path, seed):
    chance = random.Random(seed)
    texts = [*planted("en", 110, seed), *planted("zh", 60, seed)]
    chance.shuffle(texts)
    bounds = [0, *sorted(chance.sample(range(20, len(texts)), 4)), len(texts)]
    for number, (start, end) in enumerate(pairwise(bounds)):
        # Later files have names before and after the earlier ones', in sources of which some come again.
        folder = tmp_path / "grown-in" / chance.choice("abc")
        write_lines(folder, texts[start:end], f"{chance.randrange(10**6):06d}")
        write_lines(tmp_path / "whole-in", texts[start:end], f"{number}")
        sources = [{"name": path.name, "path": str(path)} for path in sorted((tmp_path / "grown-in").iterdir())]
        grown = build(sources, tmp_path / "grown", append=number > 0)
    whole = build([{"name": "all", "path": str(tmp_path / "whole-in")}], tmp_path / "whole")

    def facts_without_names(corpus):
        rows, gone = kept(corpus), dropped(corpus)
        text_of = {row["id"]: row["text"] for row in rows} | {row["id"]: row["excerpt"] for row in gone}
        return (
            sorted(row["text"] for row in rows),
            sorted((row["excerpt"], row["reason"], row["value"], text_of[row["cluster"]][:100]) for row in gone),
        )

    assert grown.manifest["build"] == 5
    assert facts_without_names(grown) == facts_without_names(whole)


def test_appending_does_not_touch_finished_files(tmp_path):
    texts = planted("en", 100)
    before = appended(texts, [], tmp_path, EVERYTHING)
    states = {path: path.stat().st_mtime_ns for path in Path(before.folder).rglob("*build-0001*")}
    corpus = build([write_lines(tmp_path, planted("en", 50, 9), "more")], tmp_path / "grown", append=True)
    assert states == {path: path.stat().st_mtime_ns for path in states}
    assert corpus.manifest["build"] == 2 and corpus.sources == ("more", "s0")
    assert len(kept(corpus)) == sum(entry["kept"]["documents"] for entry in corpus.manifest["sources"].values())


def test_appending_the_same_files_again_adds_nothing_and_a_changed_one_is_refused(tmp_path):
    source = write_lines(tmp_path, planted("en", 40))
    first = build([source], tmp_path / "out")
    again = build([source], tmp_path / "out", append=True)
    assert again.manifest == first.manifest
    write_lines(tmp_path, planted("en", 41))
    with pytest.raises(Exception, match="is in the corpus already"):
        build([source], tmp_path / "out", append=True)


def test_other_steps_cannot_be_appended(tmp_path):
    build([write_lines(tmp_path, ["one two"])], tmp_path / "out")
    with pytest.raises(ConfigError, match="the corpus was built with steps"):
        build([write_lines(tmp_path, ["three"], "b")], tmp_path / "out", {"threshold": 0.9}, append=True)


PROGRAM = """
import sys
from itertools import pairwise
from pathlib import Path
from massivetext.corpus import building, planning
from massivetext.state import read_json
planning.PART_BYTES = 20000
first, more = read_json(Path(sys.argv[1]))
out = Path(sys.argv[2], "corpus")
building.build_corpus(first, out, quiet=True, threads=2)
building.build_corpus(more, out, quiet=True, threads=2, append=True)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(25, marks=pytest.mark.slow)])
def test_killed_at_any_moment_a_build_and_an_append_end_with_the_same_bytes(tmp_path, kills):
    recipes = [
        {"sources": [write_lines(tmp_path, planted("en", 200, seed), f"s{seed}")], "split": EVERYTHING,
         "steps": ["normalise", "statistics", {"deduplicate": {"near": {}}}]}
        for seed in (0, 1)
    ]  # fmt: skip
    write_json(tmp_path / "recipes.json", recipes)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "recipes.json"), "{folder}"]
    patterns = ("corpus/**/*.parquet", "corpus/manifest.json")
    found = trials(command, tmp_path, kills, seed=kills, patterns=patterns, by_files=True)
    assert [trial.different for trial in found] == [()] * kills
    assert sum(not trial.finished_before_the_kill for trial in found) >= 0.6 * kills


def test_a_corpus_with_keys_of_another_version_is_not_appended_to(tmp_path, monkeypatch):
    assert Deduplicate.version == MINHASH_VERSION + 1
    texts = ["The harbour was quiet before dawn.", "清晨的港口很安静，海鸥飞过。"]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    recipe = {
        "sources": [{"name": "s", "path": str(tmp_path / "*.jsonl")}],
        "steps": [{"deduplicate": {"near": {}}}],
        "split": {"validation": 0, "test": 0},
    }
    with monkeypatch.context() as patch:
        patch.setattr(Deduplicate, "version", Deduplicate.version - 1)
        build_corpus(recipe, tmp_path / "corpus", quiet=True)
    (tmp_path / "more.jsonl").write_text(json.dumps({"text": "One more text on the shelf."}) + "\n")
    with pytest.raises(ConfigError, match="version"):
        build_corpus(recipe, tmp_path / "corpus", append=True, quiet=True)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.6, 0.7, 0.79, 0.8, 0.9, 1.0])
def test_bands_follow_the_threshold_and_find_what_lies_on_it(threshold):
    found = NearSettings(threshold=threshold, split_threshold=None)
    assert found.banding.recall(threshold) >= MIN_RECALL
    assert found.bands * found.rows <= HASHES
    assert f"{100 * found.banding.recall(threshold):.1f} %" in found.recall_text()


def test_the_bands_of_the_default_threshold_are_16_of_7_however_it_is_given():
    assert NearSettings() == NearSettings(threshold=0.8)
    assert NearSettings(threshold=0.95).banding == NearSettings().banding == (16, 7)
    assert NearSettings(threshold=0.5, split_threshold=None, bands=20, rows=5).banding == (20, 5)


@pytest.mark.parametrize("alone", ["bands", "rows"])
def test_bands_without_rows_are_refused(alone):
    with pytest.raises(ConfigError, match=f"found {alone} alone; give bands and rows, or neither"):
        NearSettings.parse({alone: 8})


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_low_threshold_finds_as_much_as_brute_force(tmp_path, language):
    chance = random.Random(7)
    texts = []
    for _ in range(60):
        first = words(chance, 120, language)
        texts += [joined(first, language), joined(edited(chance, first, 0.25 if language == "en" else 0.12), language)]
    corpus = build([write_lines(tmp_path, texts)], tmp_path / "out", {"threshold": 0.4, "split_threshold": None})
    alike = similarities(texts)
    expected = {row for row in range(len(texts)) if (alike[row] >= 0.4).any()}
    assert len(expected) > 30
    found = {texts.index(text) for text in texts} - {texts.index(row["text"]) for row in kept(corpus)}
    assert found <= expected and len(found) >= 0.95 * len(expected)
