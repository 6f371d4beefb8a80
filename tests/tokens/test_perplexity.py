"""The step `perplexity` scores texts as the n-gram model of a run does, English and Chinese, and drops by it."""

import numpy as np
import pyarrow as pa
import pytest

from massivetext.corpus.steps.table import make_steps
from massivetext.errors import ConfigError
from massivetext.tokens.ngram import fit
from massivetext.tokens.perplexity import Perplexity, PerplexitySettings


@pytest.fixture
def run(store, trained, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "tokens").symlink_to(store.folder)
    trained.save_pretrained(tmp_path / "run" / "tokenizer")
    return tmp_path / "run"


def training_texts(store, trained):
    return [trained.decode(store.documents("train", name)[0]) for name in store.sources("train")]


def measured(run, texts, **settings):
    step = Perplexity(PerplexitySettings(path=run, **settings))
    found = step.measure(pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string())}))
    assert list(found) == list(step.columns)
    return [values.to_pylist() for values in found.values()]


def test_values_are_those_of_the_model(run, store, trained):
    texts = [*training_texts(store, trained), "zq xj wv 罕見字", "", None]
    per_token, per_byte = measured(run, texts, order=3)
    documents = [ids for name in store.sources("train") for ids in store.documents("train", name)]
    model = fit(documents, order=3, start_id=store.start_id, vocab_size=store.vocab_size)
    for text, token, byte in zip(texts[:-2], per_token, per_byte):
        nats = model.nll(np.array(trained.encode_ordinary(text)))
        assert token == pytest.approx(np.exp(nats.mean()))
        assert byte == pytest.approx(nats.sum() / np.log(2) / len(text.encode()))
    assert per_token[-2:] == per_byte[-2:] == [None, None]
    assert max(per_byte[: len(store.sources("train"))]) < per_byte[-3]


def test_fewer_tokens_make_another_model(run, store, trained):
    texts = training_texts(store, trained)
    assert measured(run, texts, max_tokens=300) != measured(run, texts)


def test_a_text_that_surprises_is_dropped(run, store, trained):
    good = training_texts(store, trained)[0]
    measure, decide = make_steps([{"perplexity": {"path": str(run)}}, {"max_perplexity": {"max_bits_per_byte": 4}}])
    batch = pa.RecordBatch.from_pydict({"text": pa.array([good, "zq xj wv 罕見字"])})
    for name, values in measure.measure(batch).items():
        batch = batch.append_column(name, values)
    assert decide.decide(batch).reason.to_pylist() == [None, "max_bits_per_byte"]


def test_the_step_names_the_store_that_it_knows(run, store, tmp_path):
    assert Perplexity(PerplexitySettings(path=run)).describe()["store"] == store.digest
    with pytest.raises(ConfigError, match="holds no finished token store"):
        Perplexity(PerplexitySettings(path=tmp_path / "none")).describe()
