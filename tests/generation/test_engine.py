"""The decoding engine against transformers and against itself without a cache."""

import pytest
import torch

from massivetext.errors import ConfigError
from massivetext.generation.choosing import draw, penalise
from massivetext.generation.settings import GenerationSettings, generation_settings

from .conftest import FAMILIES, FAST_FAMILIES, peer_of, prompts, tiny_model


def slowly(model, ids, new_tokens):
    for _ in range(new_tokens):
        with torch.no_grad():
            ids = torch.cat([ids, model(ids).logits[:, -1].argmax(-1, keepdim=True)], 1)
    return ids


@pytest.mark.parametrize("family", FAST_FAMILIES)  # the others: tests/models/test_parity.py
def test_greedy_ids_equal_those_of_transformers(family, tmp_path):
    model = tiny_model(family)
    ids = prompts(3, 7)
    theirs = peer_of(model, tmp_path).generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=40, do_sample=False
    )
    assert torch.equal(model.generate(ids, max_new_tokens=40), theirs)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_cache_changes_nothing(family):
    model = tiny_model(family)
    assert torch.equal(model.generate(prompts(2, 5), max_new_tokens=20), slowly(model, prompts(2, 5), 20))


def test_an_end_id_and_a_repetition_penalty_do_what_they_do_in_transformers(model, tmp_path):
    ids = prompts(4, 6)
    free = model.generate(ids, max_new_tokens=30)
    options = {"eos_token_id": int(free[1, 12]), "pad_token_id": 119, "max_new_tokens": 30, "repetition_penalty": 1.3}
    theirs = peer_of(model, tmp_path).generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, **options)
    assert torch.equal(model.generate(ids, **options), theirs)


def test_generation_ends_when_every_row_has_ended(model):
    ids = prompts(1, 6)
    end = int(model.generate(ids, max_new_tokens=30)[0, 9])
    ended = model.generate(ids, max_new_tokens=30, eos_token_id=end)
    assert int(ended[0, -1]) == end and ended.shape[1] <= 10


def test_a_batch_padded_on_the_left_equals_each_prompt_alone(model):
    rows = [prompts(1, length, seed=length)[0] for length in (3, 9, 6)]
    ids, mask = torch.zeros(3, 9, dtype=torch.long), torch.zeros(3, 9, dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, 9 - len(row) :], mask[place, 9 - len(row) :] = row, 1
    together = model.generate(ids, attention_mask=mask, max_new_tokens=25)
    for place, row in enumerate(rows):
        assert torch.equal(together[place, 9:], model.generate(row[None], max_new_tokens=25)[0, len(row) :])


def test_max_length_counts_the_prompt(model):
    assert model.generate(prompts(1, 7), max_length=20, num_return_sequences=1).shape == (1, 20)
    with pytest.raises(ConfigError, match="max_length is 7 and the prompt alone has 7"):
        model.generate(prompts(1, 7), max_length=7)


def test_a_tokenizers_output_is_taken_apart(model):
    ids = prompts(1, 7)
    output = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    assert torch.equal(model.generate(**output, max_new_tokens=5), model.generate(output, max_new_tokens=5))


def test_sampling_is_a_function_of_the_seed(model):
    options = {"do_sample": True, "max_new_tokens": 20, "num_return_sequences": 3}
    one, two, other = (model.generate(prompts(2, 5), seed=seed, **options) for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other) and one.shape == (6, 25)
    assert len({tuple(row.tolist()) for row in one[:3]}) == 3
    assert torch.equal(one[3:, :5], prompts(2, 5)[1:].expand(3, 5))


def test_without_a_seed_the_generator_of_pytorch_decides(model):
    torch.manual_seed(5)
    one, two = (model.generate(prompts(1, 5), do_sample=True, max_new_tokens=20) for _ in range(2))
    torch.manual_seed(5)
    assert torch.equal(model.generate(prompts(1, 5), do_sample=True, max_new_tokens=20), one)
    assert not torch.equal(one, two)


def test_past_the_context_the_newer_half_is_read_again(model):
    found = model.generate(prompts(2, 10), max_new_tokens=70)
    context, full = 64, slowly(model, prompts(2, 10), 55)  # the last id chosen from a full context is number 65
    assert torch.equal(found[:, : context + 1], full)
    with torch.no_grad():
        following = model(found[:, context + 1 - 32 : context + 1]).logits[:, -1].argmax(-1)
    assert torch.equal(found[:, context + 1], following) and found.shape[1] == 80


def test_sliding_with_padding_equals_each_prompt_alone_when_its_window_does(model):
    ids = prompts(2, 10)
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    found = model.generate(ids, attention_mask=mask, max_new_tokens=70)
    with torch.no_grad():
        following = model(found[:, 65 - 32 : 65]).logits[:, -1].argmax(-1)
    assert torch.equal(found[:, 65], following)


@pytest.mark.parametrize(
    ("ids", "options", "part"),
    [
        (prompts(1, 65), {}, "65 tokens and the model reads at most 64"),
        (prompts(1, 0), {}, "a prompt is empty"),
        (torch.tensor([[120]]), {}, "vocab_size is 120"),
        (torch.tensor([1, 2]), {}, "must be"),
        (prompts(1, 3), {"temperature": 0.0}, "temperature"),
        (prompts(1, 3), {"top_p": 1.5}, "top_p"),
        (prompts(1, 3), {"num_return_sequences": 2}, "do_sample=True"),
        (prompts(1, 3), {"num_return_sequences": 3, "num_beams": 2}, r"as many as num_beams \(2\)"),
        (prompts(1, 3), {"do_sample": True, "num_beams": 2}, "set num_beams=1"),
        (prompts(1, 3), {"num_beams": 2, "max_new_tokens": 62}, "a beam search keeps the whole text"),
        (prompts(1, 3), {"max_new_token": 2}, "did you mean 'max_new_tokens'"),
        (prompts(1, 3), {"attention_mask": torch.tensor([[1, 1, 0]])}, "padded on the right"),
        (prompts(1, 3), {"attention_mask": torch.tensor([[1, 1]])}, "must agree"),
    ],
)
def test_bad_input_is_refused(model, ids, options, part):
    with pytest.raises(ConfigError, match=part):
        model.generate(ids, **options)


def test_the_longest_prompt_that_fits_is_read(model):
    assert model.generate(prompts(1, 64), max_new_tokens=1).shape == (1, 65)


def numbers(count):
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count


def test_draws_follow_the_probabilities():
    probabilities = torch.tensor([0.1, 0.6, 0.0, 0.3])
    chosen = draw(probabilities.log().expand(1000, 4), GenerationSettings(top_k=0), numbers(1000))
    assert (chosen.bincount(minlength=4) / 1000 - probabilities).abs().max() < 0.002


def test_the_cuts_keep_what_transformers_keeps():
    from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

    logits = torch.randn(1, 30, generator=torch.Generator().manual_seed(0))
    for top_k, top_p in ((0, 0.7), (5, 1.0), (8, 0.5), (0, 0.05)):
        kept = TopKLogitsWarper(top_k)(None, logits) if top_k else logits
        kept = TopPLogitsWarper(top_p)(None, kept) if top_p < 1 else kept
        settings = GenerationSettings(top_k=top_k, top_p=top_p)
        chosen = draw(logits.expand(4000, 30), settings, numbers(4000))
        assert (chosen.bincount(minlength=30) / 4000 - kept.softmax(-1)[0]).abs().max() < 0.002


def test_the_penalty_is_that_of_transformers():
    from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

    logits, ids = torch.randn(2, 9), torch.tensor([[1, 2], [3, 3]])
    seen = torch.zeros(2, 9).scatter(1, ids, 1.0) > 0
    assert torch.equal(penalise(logits, seen, 1.5), RepetitionPenaltyLogitsProcessor(1.5)(ids, logits.clone()))


def test_defaults_of_a_folder_are_used_and_options_go_before_them():
    settings = generation_settings({"temperature": 0.5, "top_p": 0.9, "num_beams": 1}, {"top_p": 0.8, "top_k": None})
    assert (settings.temperature, settings.top_p, settings.top_k) == (0.5, 0.8, 50)


def test_a_default_that_is_not_supported_is_refused():
    with pytest.raises(ConfigError, match="num_beam_groups = 4"):
        generation_settings({"num_beam_groups": 4}, {})


@pytest.mark.parametrize("family", ["gpt2", "openai-gpt", "opt"])
def test_learned_positions_go_on_past_the_context_as_rotary_ones_do(family):
    model = tiny_model(family, max_position_embeddings=16, eos_token_id=None)
    ids, mask = prompts(2, 9), torch.ones(2, 9, dtype=torch.long)
    mask[0, :4] = 0
    together = model.generate(ids, attention_mask=mask, max_new_tokens=30)
    assert together.shape == (2, 39)
    assert torch.equal(together[1:], model.generate(ids[1:], max_new_tokens=30))
