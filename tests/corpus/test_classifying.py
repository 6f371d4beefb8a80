"""A classifier learns what tells two sets of texts apart, says how well on held-out ones, and is a step like others."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from massivetext.corpus.building import build_corpus
from massivetext.corpus.classifying import classifier_text, train_classifier
from massivetext.corpus.steps.classifier import TrainingSettings, features, load_classifier
from massivetext.corpus.steps.table import make_steps
from massivetext.errors import ConfigError, DataError
from massivetext.text.minhash import shingle
from massivetext.text.words import HAN_BIT, hash_words

GOOD = {
    "en": ["the harbour was quiet before dawn", "she counted the seeds and wrote the number down",
           "every reader of the archive leaves a note"],
    "zh": ["清晨的港口很安静，水面轻轻晃动", "她把种子数了两遍，把数目写在纸袋上", "每一位读者都要留一句话"],
}  # fmt: skip
BAD = {
    "en": ["click here to subscribe now", "cookie policy terms of use", "share this page add to cart"],
    "zh": ["点击这里立即订阅", "隐私政策和使用条款", "分享本页 加入购物车"],
}


def write_examples(folder, count=60, seed=0):
    """Write two JSON-lines files of English and Chinese texts; return their paths."""
    chance, paths = random.Random(seed), []
    for name, phrases in (("good", GOOD), ("bad", BAD)):
        rows = []
        for number in range(count):
            language = "zh" if number % 2 else "en"
            rows.append({"text": "。 ".join(chance.choices(phrases[language], k=5)) + f" {chance.randrange(10**6)}"})
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        paths.append(str(path))
    return paths


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    return train_classifier(*write_examples(folder), folder / "out", settings={"buckets": 2**12})


def test_it_tells_held_out_texts_apart_in_both_languages(trained):
    assert set(trained["held_out"]) == {"all", "han", "other"}
    for entry in trained["held_out"].values():
        assert entry["examples"] >= 5 and entry["accuracy"] == 1.0 and entry["roc_auc"] == 1.0
        assert entry["majority"] < 0.9
    assert "ROC AUC 1.0000" in classifier_text(trained)


def test_the_same_examples_give_the_same_classifier(trained, tmp_path):
    again = train_classifier(*write_examples(tmp_path), tmp_path / "out", settings={"buckets": 2**12})
    assert again["digest"] == trained["digest"]
    other = train_classifier(*write_examples(tmp_path), tmp_path / "out", settings={"buckets": 2**12}, seed=1)
    assert other["digest"] != trained["digest"]


def test_scores_do_not_depend_on_how_batches_are_cut(trained):
    texts = pa.array([*GOOD["en"], *BAD["zh"], "", None, "!!!"])
    classifier = load_classifier(trained["folder"])
    whole = classifier.scores(texts)
    parts = np.concatenate([classifier.scores(texts[:4]), classifier.scores(texts[4:])])
    assert np.array_equal(whole, parts, equal_nan=True)
    assert (whole[:3] > 0.5).all() and (whole[3:6] < 0.5).all() and np.isnan(whole[6:]).all()


def by_hand(text, settings):
    """Return the features of a text as a dense vector; the twin of `features`."""
    words, vector = hash_words(pa.array([text])).hashes, np.zeros(settings.buckets)
    for at in range(len(words)):
        longest = settings.han_ngram if words[at] & HAN_BIT else settings.ngram
        for size in range(1, longest + 1):
            if at + size <= len(words):
                vector[int(shingle(words, at, at + size)) % settings.buckets] += 1
    vector = np.log1p(vector)
    return vector / max(np.sqrt((vector**2).sum()), 1e-300)


def test_features_are_those_counted_by_hand():
    settings = TrainingSettings(buckets=256)
    texts = ["one two one two three", "人人生而自由 free 人人", "a", "", "混 mixed 排 text " * 30]
    found = features(pa.array(texts), settings).toarray()
    assert np.allclose(found, [by_hand(text, settings) for text in texts])


def test_a_recipe_scores_and_drops_by_it(trained, tmp_path):
    rows = [*GOOD["en"], *GOOD["zh"], *BAD["en"], *BAD["zh"]]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in rows))
    recipe = {
        "sources": [{"name": "a", "path": str(tmp_path / "in.jsonl")}],
        "steps": ["normalise", {"classifier": {"path": trained["folder"]}}, {"classifier_score": {"min_score": 0.5}}],
        "split": {"validation": 0, "test": 0},
    }
    corpus = build_corpus(recipe, tmp_path / "out", quiet=True)
    kept = [
        row for batch in corpus.documents("train", columns=("text", "classifier__score")) for row in batch.to_pylist()
    ]
    assert {row["text"] for row in kept} == {*GOOD["en"], *GOOD["zh"]}
    gone = [row for batch in corpus.dropped() for row in batch.to_pylist()]
    assert {row["reason"] for row in gone} == {"min_score"} and all(row["value"] < 0.5 for row in gone)
    steps = corpus.manifest["versions"]["steps"]["a"]
    assert next(step for step in steps if step["name"] == "classifier")["classifier"] == trained["digest"]


def test_after_an_edit_the_score_is_taken_again_with_the_same_classifier(trained):
    listed = [{"classifier": {"path": trained["folder"]}}, "normalise", "classifier_score"]
    assert [step.name for step in make_steps(listed)] == ["classifier", "normalise", "classifier", "classifier_score"]


def test_too_few_examples_are_an_error(tmp_path):
    good, bad = write_examples(tmp_path, 8)
    with pytest.raises(DataError, match="too few examples to train on"):
        train_classifier(good, bad, tmp_path / "out")
    with pytest.raises(DataError, match="too few examples"):
        train_classifier(good, good, tmp_path / "out")


def test_a_classifier_that_was_changed_or_is_missing_is_refused(trained, tmp_path):
    import shutil

    with pytest.raises(ConfigError, match="holds no classifier"):
        load_classifier(tmp_path)
    shutil.copytree(trained["folder"], tmp_path / "copy")
    with open(tmp_path / "copy" / "weights.safetensors", "ab") as stream:
        stream.write(b"x")
    with pytest.raises(ConfigError, match="not the file that was trained"):
        load_classifier(tmp_path / "copy")


@pytest.mark.parametrize("name", ["format", "words_version", "shingles_version"])
def test_a_classifier_of_another_version_is_refused(trained, tmp_path, name):
    folder = Path(shutil.copytree(trained["folder"], tmp_path / "old"))
    facts = json.loads((folder / "classifier.json").read_text())
    (folder / "classifier.json").write_text(json.dumps({**facts, name: 0}))
    with pytest.raises(ConfigError, match="train the classifier again"):
        load_classifier(folder)
