"""Muon and AdamW against PyTorch's own, one matrix at a time; their state under full names."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from training_parts import tiny_model, tiny_settings

from massivetext.errors import CheckpointError
from massivetext.training import optimisers
from massivetext.training.optimisers import (
    Muon,
    build_optimisers,
    clip_gradients,
    optimiser_tensors,
    orthogonalise,
    restore_optimisers,
    set_learning_rates,
)


def plain_newton_schulz(matrix, coefficients):
    """One matrix in float64, as the iteration is written down."""
    x = matrix.double()
    x = x / (x.norm() * optimisers.SAFETY)
    for a, b, c in coefficients:
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def paired(shapes, **fields):
    """The same random matrices twice, with equal gradients."""
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(parameter.detach().clone()) for parameter in ours]
    return ours, theirs


def give_gradients(ours, theirs, step):
    torch.manual_seed(step + 100)
    for mine, other in zip(ours, theirs):
        mine.grad = torch.randn(mine.shape)
        other.grad = mine.grad.clone()


SHAPES = [(8, 24), (24, 8), (8, 8), (8, 24), (16, 8)]


@given(count=st.integers(1, 4), rows=st.integers(1, 12), more=st.integers(0, 12), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_batched_orthogonalisation_equals_one_matrix_at_a_time(count, rows, more, seed):
    matrices = torch.randn(count, rows, rows + more, generator=torch.Generator().manual_seed(seed))
    found = orthogonalise(matrices, 5)
    for one, matrix in zip(found, matrices):
        expected = plain_newton_schulz(matrix, optimisers.NEWTON_SCHULZ)
        assert torch.allclose(one.double(), expected, atol=2e-3)


def test_singular_values_come_near_one():
    values = torch.linalg.svdvals(orthogonalise(torch.randn(3, 32, 96, generator=torch.Generator().manual_seed(1)), 5))
    assert values.min() > 0.6 and values.max() < 1.3


@pytest.mark.parametrize("columns", [24, 64])
def test_a_matrix_of_widely_spread_singular_values_is_not_blown_up(columns):
    torch.manual_seed(0)
    left, right = torch.linalg.qr(torch.randn(24, 24))[0], torch.linalg.qr(torch.randn(columns, columns))[0][:24]
    matrix = left @ torch.diag(torch.logspace(0, -7, 24)) @ right
    values = torch.linalg.svdvals(orthogonalise(matrix[None], 5)[0])
    assert values.max() < 1.3 and values[:8].min() > 0.6


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_muon_makes_the_steps_of_torch_optim_muon(weight_decay, monkeypatch):
    monkeypatch.setattr(optimisers, "NEWTON_SCHULZ", [(3.4445, -4.7750, 2.0315)] * 5)
    monkeypatch.setattr(optimisers, "SAFETY", 1.0)
    ours, theirs = paired(SHAPES)
    mine = Muon(ours, lr=0.05, momentum=0.95, weight_decay=weight_decay, iterations=5)
    other = torch.optim.Muon(theirs, lr=0.05, momentum=0.95, weight_decay=weight_decay, nesterov=True)
    for step in range(3):
        give_gradients(ours, theirs, step)
        mine.step()
        other.step()
    for a, b in zip(ours, theirs):  # PyTorch iterates in bfloat16: 8 bits of precision in each update
        assert torch.allclose(a, b, atol=0.05 * 0.05 * 3 * 3**0.5)


def test_adamw_makes_the_steps_of_torch_optim_adamw(model):
    settings = tiny_settings(optimiser="adamw", weight_decay=0.1)
    twin = tiny_model()
    (mine,) = build_optimisers(model, settings)
    decayed = [p for p in twin.parameters() if p.ndim == 2]
    vectors = [p for p in twin.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    other = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(settings.beta1, settings.beta2), foreach=False)
    for step in range(3):
        give_gradients(list(model.parameters()), list(twin.parameters()), step)
        mine.step()
        other.step()
    for a, b in zip(model.parameters(), twin.parameters()):
        assert torch.allclose(a, b, atol=1e-6)


def test_muon_gets_the_hidden_matrices_and_adamw_the_rest(model):
    muon, adamw = build_optimisers(model, tiny_settings())
    assert isinstance(muon, Muon) and isinstance(adamw, torch.optim.AdamW)
    names = {parameter: name for name, parameter in model.named_parameters()}
    assert all("proj" in names[p] for group in muon.param_groups for p in group["params"])
    assert not any("proj" in names[p] for group in adamw.param_groups for p in group["params"])


def test_every_parameter_is_trained_by_exactly_one_optimiser(model):
    chosen = [p for o in build_optimisers(model, tiny_settings()) for g in o.param_groups for p in g["params"]]
    assert sorted(map(id, chosen)) == sorted(map(id, model.parameters()))


def test_embedding_and_head_may_have_learning_rates_of_their_own():
    model = tiny_model(tie_word_embeddings=False)
    found = build_optimisers(model, tiny_settings(embedding_learning_rate=0.3, head_learning_rate=0.01))[1]
    rates = {id(p): group["lr"] for group in found.param_groups for p in group["params"]}
    assert rates[id(model.model.embed_tokens.weight)] == 0.3
    assert rates[id(model.head_weight)] == 0.01


def test_a_vector_given_to_muon_is_refused():
    with pytest.raises(ValueError, match="Muon is for matrices"):
        Muon([nn.Parameter(torch.zeros(3))], lr=0.1, momentum=0.9, weight_decay=0.0, iterations=5)


def test_learning_rates_follow_the_factor_and_not_each_other(model):
    found = build_optimisers(model, tiny_settings(learning_rate=0.1, muon_learning_rate=0.2))
    for factor in (0.5, 0.25):
        set_learning_rates(found, factor)
    assert [optimiser.param_groups[0]["lr"] for optimiser in found] == [0.05, 0.025]


def test_clipping_scales_a_long_gradient_and_leaves_a_short_one():
    parameter = nn.Parameter(torch.zeros(2))
    for clip_norm, expected in ((1.0, [0.6, 0.8]), (5.1, [3.0, 4.0]), (None, [3.0, 4.0])):
        parameter.grad = torch.tensor([3.0, 4.0])
        assert float(clip_gradients([parameter], clip_norm)) == 5.0
        assert parameter.grad.tolist() == pytest.approx(expected, rel=1e-5)


def test_state_goes_out_and_back_under_full_names(model):
    first, second = build_optimisers(model, tiny_settings()), build_optimisers(tiny_model(), tiny_settings())
    give_gradients(list(model.parameters()), list(model.parameters()), 0)
    for optimiser in first:
        optimiser.step()
    tensors = {name: tensor.clone() for name, tensor in optimiser_tensors(model, first).items()}
    assert "model.layers.0.self_attn.q_proj.weight.momentum_buffer" in tensors
    assert "model.embed_tokens.weight.exp_avg_sq" in tensors
    twin = tiny_model()
    second = build_optimisers(twin, tiny_settings())
    restore_optimisers(twin, second, tensors)
    found = optimiser_tensors(twin, second)
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_state_of_a_parameter_that_is_not_trained_is_refused_by_name(model):
    with pytest.raises(CheckpointError, match=r"no\.such\.weight"):
        restore_optimisers(model, build_optimisers(model, tiny_settings()), {"no.such.weight.exp_avg": torch.zeros(1)})
