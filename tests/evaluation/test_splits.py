"""The evaluation of a split: one set of bytes for the model, the n-gram model and the compressors."""

import gzip
import lzma
import math
import random
import tempfile

import numpy as np
import pytest
from score_rows import by_part, named_values

from massivetext.corpus.building import build_corpus
from massivetext.corpus.reading import load_corpus
from massivetext.errors import ConfigError, DataError, ModelError, StoreError
from massivetext.evaluation import splits
from massivetext.evaluation.settings import EvaluateSettings
from massivetext.evaluation.splits import Likelihoods, SeenText, evaluate_store
from massivetext.models.auto import AutoConfig, AutoModelForCausalLM
from massivetext.tokens.settings import TokenizerSettings
from massivetext.tokens.store import build_store
from massivetext.tokens.vocabulary import train_tokenizer

EXTREME = 9 | lzma.PRESET_EXTREME
ENGLISH = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "while",
    "seven",
    "wizards",
    "read",
    "old",
    "books",
    "about",
    "rivers",
    "and",
    "stone",
]
CHINESE = list("天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳")


def write_texts(folder, words, glue, documents=60):
    folder.mkdir()
    chance = random.Random(len(words))
    for number in range(documents):
        text = glue.join(chance.choice(words) for _ in range(chance.randrange(5, 120)))
        (folder / f"{number:03d}.txt").write_text(f"{text}\n{number}\n", encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Corpus, tokenizer, store and an untrained model, in English and Chinese."""
    folder = tmp_path_factory.mktemp("evaluation")
    write_texts(folder / "en", ENGLISH, " ")
    write_texts(folder / "zh", CHINESE, "")
    sources = [{"name": name, "path": str(folder / name), "format": "text"} for name in ("en", "zh")]
    recipe = {"sources": sources, "split": {"validation": 0.1, "test": 0.25}}
    corpus = build_corpus(recipe, folder / "corpus", quiet=True)
    tokenizer = train_tokenizer(corpus, TokenizerSettings(vocab_size=400), folder / "tokenizer")
    store = build_store(corpus, tokenizer, folder / "tokens", 0, quiet=True)
    config = AutoConfig.for_model(
        "llama", vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    return corpus, tokenizer, store, AutoModelForCausalLM.from_config(config, seed=0)


def evaluate(run, **settings):
    corpus, tokenizer, store, model = run
    chosen = EvaluateSettings(**{"ngram_order": 3, **settings})
    return evaluate_store(model, tokenizer, store, corpus, chosen, context_tokens=32, quiet=True)


@pytest.fixture(scope="module")
def scores(run):
    return evaluate(run)


@pytest.fixture(scope="module")
def found(scores):
    return named_values(scores)


def facts(scores, system="model"):
    return next(score.facts for score in scores if score.system == system)


def texts(corpus, split, source=None):
    batches = corpus.documents(split, source=source, columns=("text",))
    return "".join(text for batch in batches for text in batch.column("text").to_pylist()).encode()


def test_the_bytes_are_those_of_the_test_texts(run, found):
    corpus = run[0]
    assert found["bytes"] == {
        "total": len(texts(corpus, "test")),
        **{s: len(texts(corpus, "test", s)) for s in ("en", "zh")},
    }


@pytest.mark.parametrize("source", ["en", "zh"])
def test_compressors_see_the_same_bytes(run, found, source):
    data = texts(run[0], "test", source)
    assert found["gzip_bits_per_byte"][source] == 8 * len(gzip.compress(data, 9, mtime=0)) / len(data)
    assert found["xz_bits_per_byte"][source] == 8 * len(lzma.compress(data, preset=EXTREME)) / len(data)


def test_primed_xz_has_seen_the_training_text(run, scores, found):
    training, data = texts(run[0], "train"), texts(run[0], "test")
    size = len(lzma.compress(training + data, preset=EXTREME)) - len(lzma.compress(training, preset=EXTREME))
    assert found["xz_primed_bits_per_byte"]["total"] == 8 * size / len(data)
    primed = facts(scores, "xz_primed")
    assert int(primed["seen_bytes"]) == int(primed["training_bytes"]) == len(training)


def test_the_total_is_the_mean_by_bytes(found):
    for key in ("bits_per_byte", "ngram_bits_per_byte"):
        bits = sum(found[key][source] * found["bytes"][source] for source in ("en", "zh"))
        assert found[key]["total"] == pytest.approx(bits / found["bytes"]["total"])


def test_an_untrained_model_needs_about_log_of_its_vocabulary(run, found):
    assert found["perplexity"]["total"] == pytest.approx(len(run[1]), rel=0.25)
    expected = found["tokens"]["total"] * math.log2(found["perplexity"]["total"]) / found["bytes"]["total"]
    assert found["bits_per_byte"]["total"] == pytest.approx(expected)


def test_the_ngram_model_has_learnt_from_the_training_text(found):
    assert found["ngram_bits_per_byte"]["total"] < 0.8 * found["bits_per_byte"]["total"]


def test_rows_can_be_left_out(run):
    found = named_values(evaluate(run, ngram_order=0, xz_primed_bytes=0))
    assert found["ngram_bits_per_byte"] == {} and found["xz_primed_bits_per_byte"] == {}


def test_the_same_evaluation_gives_the_same_numbers(run, scores):
    assert evaluate(run) == scores


def test_windows_do_not_move_the_counts(run, scores, found):
    other = evaluate(run, stride_tokens=32, xz_primed_bytes=0)
    assert named_values(other)["tokens"] == found["tokens"]
    assert facts(other)["stride_tokens"] == "32" and facts(scores)["stride_tokens"] == "16"


def test_primed_text_is_bounded_by_whole_documents(run):
    seen = SeenText(run[0], 2000)
    parts = list(seen)
    assert 0 < seen.seen_bytes < seen.total_bytes
    assert seen.seen_bytes == sum(map(len, parts)) and b"".join(parts) in (b"".join(seen),)


def test_a_store_of_another_corpus_is_refused(run, tmp_path):
    write_texts(tmp_path / "other", ENGLISH, " ", documents=30)
    recipe = {"sources": [{"name": "en", "path": str(tmp_path / "other"), "format": "text"}],
              "split": {"validation": 0.2, "test": 0.2}}  # fmt: skip
    other = build_corpus(recipe, tmp_path / "corpus", quiet=True)
    with pytest.raises(StoreError, match="was built from corpus"):
        evaluate((other, *run[1:]))


def test_another_tokenizer_is_refused(run, tmp_path):
    other = train_tokenizer(run[0], TokenizerSettings(vocab_size=300), tmp_path)
    with pytest.raises(StoreError, match="tokenizer"):
        evaluate((run[0], other, *run[2:]))


def test_a_tokenizer_that_loses_text_is_refused(run, monkeypatch):
    kind = type(run[1])
    monkeypatch.setattr(kind, "decode", lambda self, ids, skip_special_tokens=False: "lost")
    with pytest.raises(ModelError, match="does not give document"):
        evaluate(run)


def test_a_source_may_not_be_called_total(tmp_path):
    write_texts(tmp_path / "texts", ENGLISH, " ", documents=30)
    recipe = {"sources": [{"name": "total", "path": str(tmp_path / "texts"), "format": "text"}],
              "split": {"validation": 0.2, "test": 0.2}}  # fmt: skip
    with pytest.raises(ConfigError, match="a source is named 'total'"):
        build_corpus(recipe, tmp_path / "corpus", quiet=True)


def test_a_corpus_without_a_test_split_is_named(run, tmp_path):
    write_texts(tmp_path / "texts", ENGLISH, " ", documents=30)
    recipe = {"sources": [{"name": "en", "path": str(tmp_path / "texts"), "format": "text"}],
              "split": {"validation": 0.2, "test": 0.0}}  # fmt: skip
    corpus = build_corpus(recipe, tmp_path / "corpus", quiet=True)
    store = build_store(corpus, run[1], tmp_path / "tokens", 0, quiet=True)
    with pytest.raises(DataError, match=r"set corpus\.split\.test"):
        evaluate((corpus, run[1], store, run[3]))


def test_the_corpus_on_disk_is_what_was_built(run):
    assert load_corpus(run[0].folder).digest == run[0].digest


def test_the_interval_is_that_of_resampled_documents():
    chance = np.random.default_rng(0)
    size = chance.integers(200, 4000, 800)
    nats = size * chance.normal(1.2, 0.2, 800)
    scores = Likelihoods()
    scores.add("en", nats, size, size // 3)
    low, high = scores.intervals()["en"]
    picks = chance.integers(0, 800, (1000, 800))
    means = nats[picks].sum(1) / size[picks].sum(1) / math.log(2)
    assert [low, high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.004)


def test_one_document_has_no_interval():
    scores = Likelihoods()
    scores.add("zh", np.array([10.0]), np.array([12]), np.array([4]))
    assert scores.intervals() == {}


def test_texts_are_laid_in_the_store_s_folder_while_they_are_compressed(run, monkeypatch):
    store, seen = run[2], []
    real = splits._write_texts

    def watched(corpus, split, source, path, tokenizer):
        seen.append(path)
        real(corpus, split, source, path, tokenizer)

    monkeypatch.setattr(splits, "_write_texts", watched)
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    evaluate(run)
    assert seen and all(path.parent.parent == store.folder and path.parent.name.startswith(".tmp-") for path in seen)
    assert not list(store.folder.glob(".tmp-*"))


def test_what_is_measured_by_document_has_an_interval_and_sizes_have_none(scores):
    for system in ("model", "ngram"):
        lows, values, highs = (by_part(scores, "bits_per_byte", system, field) for field in ("low", "value", "high"))
        assert all(lows[part] < values[part] < highs[part] for part in ("total", "en", "zh"))
    for system in ("xz_primed", "xz", "gzip"):
        assert set(by_part(scores, "bits_per_byte", system, "low").values()) == {None}


def test_a_signature_says_what_was_measured(run, scores):
    corpus, tokenizer = run[:2]
    assert facts(scores) == {
        "system": "model", "version": "1", "context_tokens": "32", "stride_tokens": "16",
        "corpus": corpus.digest[:16], "tokenizer": tokenizer.digest[:16],
    }  # fmt: skip
    assert facts(scores, "ngram")["order"] == "3" and "tokenizer" not in facts(scores, "xz")
