"""Scoring: every token once, from the first, whatever the windows, rows and packing."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.errors import ConfigError, ModelError
from massivetext.evaluation.bits_per_byte import (
    bits_per_byte,
    check_reversible,
    packed,
    perplexity,
    score_documents,
    windows_of,
)

from .conftest import Bytes, FadingMemory, Lowercase


def slow_score(model, ids, start_id, context_tokens, stride):
    """The plain twin: one window at a time, one token at a time."""
    inputs, total, scored, begin = [start_id, *ids][:-1], 0.0, 0, 0
    while scored < len(ids):
        end = min(begin + context_tokens, len(ids))
        part = torch.tensor([inputs[begin:end]])
        logits = model.hidden(model.embed(part), torch.arange(end - begin)[None], None)[0] @ model.head_weight.T
        for place in range(scored, end):
            total -= torch.log_softmax(logits[place - begin].double(), -1)[ids[place]].item()
        scored, begin = end, begin + stride
    return total


documents = st.lists(st.lists(st.integers(1, 16), max_size=24), min_size=1, max_size=6)


@settings(deadline=None, max_examples=25)
@given(documents=documents, context=st.integers(1, 12), data=st.data())
def test_packed_scoring_equals_the_slow_twin(documents, context, data):
    model = FadingMemory()
    stride = data.draw(st.integers(1, context))
    rows = data.draw(st.integers(1, 5))
    fast = score_documents(model, documents, start_id=0, context_tokens=context, stride=stride, rows=rows)
    slow = [slow_score(model, ids, 0, context, stride) for ids in documents]
    np.testing.assert_allclose(fast, slow, rtol=1e-5, atol=1e-5)


@given(tokens=st.integers(0, 300), context=st.integers(1, 40), data=st.data())
def test_every_token_is_scored_exactly_once(tokens, context, data):
    stride = data.draw(st.integers(1, context))
    windows = windows_of(0, tokens, context, stride)
    scored = [place for window in windows for place in range(window.scored_from, window.end)]
    assert scored == list(range(tokens))
    assert all(window.start <= window.scored_from and window.end - window.start <= context for window in windows)


@given(lengths=st.lists(st.integers(1, 20), max_size=60), capacity=st.integers(20, 50))
def test_packing_keeps_every_window_and_the_capacity(lengths, capacity):
    windows = [windows_of(i, length, 50, 50)[0] for i, length in enumerate(lengths)]
    rows = packed(windows, capacity)
    assert sorted(window.document for row in rows for window in row) == list(range(len(lengths)))
    assert all(sum(window.end - window.start for window in row) <= capacity for row in rows)


def test_the_first_token_counts(model):
    one = score_documents(model, [[5]], start_id=0, context_tokens=8)
    logits = (model.table[0] @ model.head_weight.T).detach().double()
    assert one[0] == pytest.approx(-torch.log_softmax(logits, -1)[5].item(), abs=1e-5)


def test_batching_changes_nothing(model):
    random = np.random.default_rng(0)
    ids = [random.integers(1, 17, size) for size in (1, 3, 50, 200, 8, 8, 8)]
    together = score_documents(model, ids, start_id=0, context_tokens=16, rows=7)
    alone = [score_documents(model, [d], start_id=0, context_tokens=16, rows=1)[0] for d in ids]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_blocks_change_nothing(model, monkeypatch):
    ids = [[1, 2, 3], [4] * 30, [5, 6]] * 4
    whole = score_documents(model, ids, start_id=0, context_tokens=8)
    monkeypatch.setattr("massivetext.evaluation.bits_per_byte.BLOCK_TOKENS", 10)
    np.testing.assert_allclose(score_documents(model, ids, start_id=0, context_tokens=8), whole, rtol=1e-6)


def test_an_empty_document_scores_nothing_and_no_documents_give_no_scores(model):
    assert score_documents(model, [[], [3]], start_id=0, context_tokens=4)[0] == 0.0
    assert score_documents(model, [], start_id=0, context_tokens=4).shape == (0,)


def test_progress_counts_every_token_once(model):
    counted = []
    score_documents(model, [[1] * 37, [2] * 5], start_id=0, context_tokens=8, stride=3, advance=counted.append)
    assert sum(counted) == 42


def test_the_training_mode_is_restored(model):
    model.train(True)
    score_documents(model, [[1]], start_id=0, context_tokens=4)
    assert model.training


@pytest.mark.parametrize("stride", [0, 9])
def test_a_stride_beyond_the_context_is_refused(model, stride):
    with pytest.raises(ConfigError, match=f"stride is {stride} tokens; allowed: 1 to the context of 8"):
        score_documents(model, [[1]], start_id=0, context_tokens=8, stride=stride)


def test_a_uniform_model_over_bytes_needs_eight_bits_a_byte():
    assert bits_per_byte(100 * math.log(256), 100) == pytest.approx(8.0)


def test_perplexity_of_a_uniform_model_is_its_vocabulary():
    assert perplexity(50 * math.log(4096), 50) == pytest.approx(4096)


def test_perplexity_beyond_a_float_is_infinite():
    assert perplexity(1e6, 1) == math.inf


@pytest.mark.parametrize("text", ["Hello, World", "你好，世界。\n人工智能", "mixed 中英 text 😀"])
def test_a_reversible_tokenizer_passes(text):
    assert Bytes().decode(check_reversible(Bytes(), text, "it")) == text


def test_a_tokenizer_that_loses_text_is_refused_with_the_place():
    with pytest.raises(
        ModelError, match=r"does not give notes.txt back: at character 4 it holds 'B你好', decoded 'b你好'"
    ):
        check_reversible(Lowercase(), "all B你好", "notes.txt")
