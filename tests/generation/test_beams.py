"""Beam search against transformers on decoders, against trying every text, and its rules."""

import itertools

import pytest
import torch

from massivetext.errors import ConfigError
from massivetext.generation.choosing import find_repeating
from massivetext.generation.streaming import stream_text

from .conftest import peer_of, prompts, tiny_model


def padded_prompts():
    ids = prompts(3, 9)
    mask = torch.ones_like(ids)
    mask[0, :5] = 0
    return ids, mask


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize(
    "options",
    [
        {"num_return_sequences": 3},
        {"early_stopping": True, "no_repeat_ngram_size": 2, "min_new_tokens": 5},
        {"length_penalty": 2.0, "repetition_penalty": 1.2, "num_beams": 2},
    ],
)
def test_beams_find_the_ids_that_those_of_transformers_find(family, options, tmp_path):
    model = tiny_model(family)
    ids, mask = padded_prompts()
    ends = model.generate(ids, attention_mask=mask, max_new_tokens=8)[:, 12].unique().tolist()
    options = {"num_beams": 3, "max_new_tokens": 16, "eos_token_id": ends, "pad_token_id": 119, **options}
    theirs = peer_of(model, tmp_path).generate(ids, attention_mask=mask, do_sample=False, **options)
    assert torch.equal(model.generate(ids, attention_mask=mask, **options), theirs)


def test_beams_as_wide_as_the_vocabulary_find_the_likeliest_text_of_all():
    model = tiny_model(vocab_size=6, eos_token_id=None)
    ids = torch.tensor([[1, 2, 3]])
    texts = torch.tensor(list(itertools.product(range(6), repeat=3)))
    with torch.no_grad():
        logits = model(torch.cat([ids.expand(len(texts), -1), texts], 1)).logits[:, 2:-1]
    totals = logits.log_softmax(-1).gather(2, texts[:, :, None]).sum((1, 2))
    found = model.generate(ids, num_beams=36, max_new_tokens=3, num_return_sequences=2)
    assert torch.equal(found[:, 3:], texts[totals.topk(2).indices])


def test_one_beam_is_greedy(model):
    ids = prompts(2, 5)
    assert torch.equal(model.generate(ids, num_beams=1), model.generate(ids))


def test_a_run_that_would_stand_twice_is_found():
    texts = torch.tensor([[5, 6, 7, 5, 6], [-1, 5, 6, 9, 9]])
    assert find_repeating(texts, 3, 10)[0].nonzero().flatten().tolist() == [7]
    assert find_repeating(texts, 1, 10)[1].nonzero().flatten().tolist() == [5, 6, 9]
    assert find_repeating(texts, 2, 10)[1].nonzero().flatten().tolist() == [9]
    assert not find_repeating(texts, 9, 10).any()


def test_a_stream_of_several_beams_is_refused(model):
    with pytest.raises(ConfigError, match="streamed as it comes: set num_beams=1"):
        next(stream_text(model, None, [1, 2], num_beams=2))
