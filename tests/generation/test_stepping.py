"""The fast decoding step against its slow twin, the model's own blocks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.generation import stepping
from massivetext.generation.engine import Reader
from massivetext.generation.kernels import ACTIVATION_CODES
from massivetext.generation.planning import step_plan
from massivetext.layers.feedforward import ACTIVATIONS

from .conftest import FAMILIES, FAST_FAMILIES, prompts, tiny_model


def difference(model, rows, tokens, first):
    ids = prompts(rows, tokens + 4)
    fast, slow = (Reader(model, plan, first, tokens + 6) for plan in (step_plan(model), None))
    assert (fast.read(ids[:, :tokens]) - slow.read(ids[:, :tokens])).abs().max() <= 1e-6
    found = [
        (fast.read(ids[:, place, None]) - slow.read(ids[:, place, None])).abs().max()
        for place in range(tokens, tokens + 4)
    ]
    assert fast.step is not None and slow.step is None
    return float(max(found))


@pytest.mark.parametrize("family", FAST_FAMILIES)
@pytest.mark.parametrize("rows", [1, 3])
def test_the_fast_step_equals_the_blocks(family, rows):
    assert difference(tiny_model(family), rows, 7, torch.zeros(rows, dtype=torch.long)) <= 1e-4


@given(rows=st.integers(1, 4), tokens=st.integers(1, 9), key_heads=st.sampled_from([1, 2, 4]), data=st.data())
@settings(max_examples=20, deadline=None)
def test_the_fast_step_equals_the_blocks_with_any_padding(rows, tokens, key_heads, data):
    first = torch.tensor([data.draw(st.integers(0, tokens - 1)) for _ in range(rows)])
    assert difference(tiny_model("qwen3", num_key_value_heads=key_heads), rows, tokens, first) <= 1e-4


@pytest.mark.parametrize("act", sorted(ACTIVATION_CODES))
def test_an_activation_with_a_kernel_is_the_one_of_the_blocks(act):
    assert difference(tiny_model("llama", hidden_act=act), 2, 5, torch.zeros(2, dtype=torch.long)) <= 1e-4


@pytest.mark.parametrize("act", sorted(set(ACTIVATIONS) - set(ACTIVATION_CODES)))
def test_a_model_whose_activation_has_no_kernel_goes_through_its_blocks(act):
    assert step_plan(tiny_model("llama", hidden_act=act)) is None


def test_large_matrices_go_through_blas(monkeypatch):
    monkeypatch.setattr(stepping, "KERNEL_BYTES", 0)
    assert difference(tiny_model(), 1, 5, torch.zeros(1, dtype=torch.long)) <= 1e-4


def test_blocks_one_after_the_other_in_a_family_that_has_both_orders():
    model = tiny_model("gpt_neox", use_parallel_residual=False)
    assert difference(model, 2, 5, torch.zeros(2, dtype=torch.long)) <= 1e-4


def test_learned_positions_of_padded_rows_start_at_the_text():
    assert difference(tiny_model("opt"), 3, 6, torch.tensor([0, 4, 2])) <= 1e-4


def test_what_the_step_does_not_know_takes_the_slow_way():
    assert step_plan(tiny_model("mistral", sliding_window=8)) is None
    assert step_plan(tiny_model("opt", do_layer_norm_before=False)) is None
    assert step_plan(tiny_model("opt", word_embed_proj_dim=16)) is None
    assert all((step_plan(tiny_model(family)) is None) != (family in FAST_FAMILIES) for family in FAMILIES)
    assert step_plan(tiny_model().to(torch.bfloat16)) is None
    assert tiny_model().to(torch.bfloat16).generate(prompts(1, 3), max_new_tokens=4).shape == (1, 7)


def test_tied_heads_take_the_fast_way():
    assert difference(tiny_model("nanochat", tie_word_embeddings=True), 1, 5, torch.zeros(1, dtype=torch.long)) <= 1e-4
