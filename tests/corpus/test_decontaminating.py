"""Benchmark items in documents are found, reported for each item, and removed or only marked."""

import json
import random

import pyarrow.parquet as pq
import pytest

from massivetext.corpus.building import build_corpus
from massivetext.errors import ConfigError
from massivetext.state import read_state

QUESTION = "What is the name of the tall tower that stands beside the river in the old town of that country"
CHINESE = "这个国家的首都有一座很高的塔它立在河边请问它叫什么名字"


def filler(chance, count, language="en"):
    if language == "zh":
        return "".join(chr(0x4E00 + chance.randrange(3000)) for _ in range(count))
    return " ".join(f"w{chance.randrange(5000)}" for _ in range(count))


def write_lines(folder, name, texts, key="text"):
    folder.mkdir(exist_ok=True, parents=True)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps({key: text}) + "\n" for text in texts))
    return str(folder / f"{name}.jsonl")


def build(tmp_path, texts, items, more_steps=(), **settings):
    benchmark = {"name": "quiz", "path": write_lines(tmp_path, "quiz", items, "question"), "text_column": "question"}
    step = {"decontaminate": {"benchmarks": [benchmark], **settings}}
    recipe = {"sources": [{"name": "a", "path": write_lines(tmp_path, "a", texts)}], "steps": [step, *more_steps],
              "split": {"validation": 0, "test": 0}}  # fmt: skip
    return build_corpus(recipe, tmp_path / "out", quiet=True)


def kept(corpus, *columns):
    return [row for batch in corpus.documents("train", columns=columns or ("text",)) for row in batch.to_pylist()]


def dropped(corpus):
    return [row for batch in corpus.dropped() for row in batch.to_pylist()]


def report(corpus):
    folder = corpus.folder / "contamination"
    touches = pq.read_table(folder / "build-0001.parquet").to_pylist()
    return touches, read_state(folder / "build-0001.json", (), "")


@pytest.mark.parametrize(("language", "item"), [("en", QUESTION), ("zh", CHINESE)])
def test_a_document_with_an_item_is_removed_and_the_item_reported(tmp_path, language, item):
    chance = random.Random(0)
    clean = [filler(chance, 60, language) for _ in range(5)]
    dirty = filler(chance, 30, language) + " " + item.upper() + "？ " + filler(chance, 30, language)
    corpus = build(tmp_path, [*clean[:3], dirty, *clean[3:]], ["an item that no document of these holds at all", item])
    assert [row["text"] for row in kept(corpus)] == clean
    (row,) = dropped(corpus)
    assert (row["step"], row["reason"], row["value"], row["threshold"]) == (
        "decontaminate", "holds a benchmark item", 1.0, 0.05,
    )  # fmt: skip
    touches, summary = report(corpus)
    assert [(touch["benchmark"], touch["id"], touch["fraction"], touch["action"]) for touch in touches] == [
        ("quiz", row["id"], 1.0, "removed")
    ]
    assert touches[0]["item"].startswith("quiz.jsonl@") and touches[0]["item"] != "quiz.jsonl@0"
    assert summary == {"quiz": {"items": 2, "too_short": 0, "touched": 1, "documents": 1}}
    assert corpus.manifest["sources"]["a"]["dropped"]["decontaminate: holds a benchmark item"]["documents"] == 1


def test_marked_documents_are_kept_with_the_fraction_they_hold(tmp_path):
    half = " ".join(QUESTION.split()[:10])
    corpus = build(tmp_path, [filler(random.Random(0), 50), half], [QUESTION], remove=False)
    words = len(QUESTION.split())
    fractions = [row["decontaminate__item_fraction"] for row in kept(corpus, "decontaminate__item_fraction")]
    assert fractions == [0.0, 3 / (words - 7)]
    assert [touch["action"] for touch in report(corpus)[0]] == ["marked"]


@pytest.mark.parametrize(("least", "count"), [(0.2, 1), (0.21, 2)])
def test_the_least_fraction_is_the_limit(tmp_path, least, count):
    words = [f"w{number}" for number in range(17)]
    corpus = build(tmp_path, [" ".join(words[:9]), "other words"], [" ".join(words)], min_item_fraction=least)
    assert len(kept(corpus)) == count


def test_shorter_items_are_looked_for_whole_and_very_short_ones_not(tmp_path):
    texts = ["we read one two three four five six seven eight", "we read one two three four five six zero", "yes no"]
    corpus = build(tmp_path, texts, ["one two three four five six seven", "yes no"])
    assert [row["text"] for row in kept(corpus)] == texts[1:]
    assert report(corpus)[1]["quiz"]["too_short"] == 1


def test_a_near_duplicate_of_a_contaminated_document_goes_too(tmp_path):
    chance = random.Random(1)
    text = filler(chance, 200).split()
    dirty, near = " ".join([*text, QUESTION]), " ".join(text)
    corpus = build(tmp_path, [dirty, near, filler(chance, 50)], [QUESTION], [{"deduplicate": {"near": {}}}])
    assert len(kept(corpus)) == 1
    assert [row["reason"] for row in dropped(corpus)] == ["holds a benchmark item", "near duplicate"]


def test_an_empty_benchmark_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="the benchmark 'quiz' holds no item"):
        build(tmp_path, ["one"], [])


def test_another_benchmark_file_builds_anew(tmp_path):
    first = build(tmp_path, [QUESTION, "other words here"], ["an item that no document of these holds"])
    assert len(kept(first)) == 2
    assert len(kept(build(tmp_path, [QUESTION, "other words here"], [QUESTION]))) == 1


def test_deduplication_comes_after_it(tmp_path):
    steps = [{"deduplicate": {}}, {"decontaminate": {"benchmarks": [{"name": "q", "path": "q.jsonl"}]}}]
    recipe = {"sources": [{"name": "a", "path": write_lines(tmp_path, "a", ["x"])}], "steps": steps}
    with pytest.raises(ConfigError, match="'deduplicate' needs all documents and must be the last step"):
        build_corpus(recipe, tmp_path / "out", quiet=True)


@pytest.mark.shared
@pytest.mark.parametrize("language", ["en", "zh"])
def test_planted_items_of_real_benchmarks_are_found_also_where_a_tenth_is_edited(shared, tmp_path, language):
    chance = random.Random(2)
    if language == "en":
        lines = (shared / "eval/gsm8k/test.jsonl").read_text().splitlines()
        items = [json.loads(line)["question"] for line in lines]
        documents = (shared / "wikitext-2/valid.txt").read_text().split("\n \n")
        units = [item.split() for item in items]
    else:
        items = [line.split("\t")[0] for line in (shared / "eval/mgsm_zh.tsv").read_text().splitlines()]
        data = json.loads((shared / "zh/cmrc2018_trial.json").read_text())["data"]
        documents = [paragraph["context"] for entry in data for paragraph in entry["paragraphs"]]
        units = [list(item) for item in items]
    documents = [text for text in documents if len(text) > 200]
    chosen = [index for index, unit in enumerate(units) if len(unit) >= 30][: len(documents) // 2]
    texts, planted = list(documents), set()
    for place, index in enumerate(chosen):
        changed = [unit if place % 2 or chance.random() >= 0.1 else "zzz" for unit in units[index]]
        texts[place] += "\n" + (" " if language == "en" else "").join(changed)
        planted.add(texts[place])
    gone = set(texts) - {row["text"] for row in kept(build(tmp_path, texts, items))}
    whole = {texts[place] for place in range(1, len(chosen), 2)}
    assert whole <= gone
    assert len(gone & planted) >= 0.95 * len(planted)
    assert len(gone & planted) >= 0.95 * len(gone)
