"""The shared layers: each against its formula or a plain twin."""

import itertools
import math
import unittest.mock
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.errors import ConfigError, ModelError
from massivetext.layers.attention import (
    AttentionShape,
    Context,
    RMSNorm,
    SelfAttention,
    attend,
    causal_mask,
    padding_mask,
    rotary_tables,
    rotate,
    segment_mask,
)
from massivetext.layers.cache import StaticCache, slot_mask
from massivetext.layers.feedforward import ACTIVATIONS, activation
from massivetext.layers.loss import chunked_cross_entropy, mean_cross_entropy, mean_loss, next_token_loss, token_losses
from massivetext.layers.packing import Packing, document_bounds, kernel_packs
from massivetext.layers.positions import padded_positions
from massivetext.layers.rotary import RopeScaling, inverse_frequencies


def test_rms_norm_divides_by_the_root_mean_square():
    values = torch.randn(3, 5, 8)
    norm = RMSNorm(8, 1e-6)
    norm.weight.data = torch.arange(8.0)
    expected = values / (values.square().mean(-1, keepdim=True) + 1e-6).sqrt() * torch.arange(8.0)
    assert torch.allclose(norm(values), expected, atol=1e-6)


def test_rms_norm_without_scale_has_no_parameters():
    assert list(RMSNorm(8, 1e-6, scaled=False).parameters()) == []


def test_rms_norm_keeps_bfloat16():
    assert RMSNorm(8, 1e-6, scaled=False)(torch.randn(2, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_rotation_depends_on_the_distance_only():
    query, key = torch.randn(1, 1, 1, 16), torch.randn(1, 1, 1, 16)
    frequencies = inverse_frequencies(16, 10000.0)

    def score(first, second):
        turned = [
            rotate(vector, *rotary_tables(torch.tensor([[place]]), frequencies, torch.float32))
            for vector, place in ((query, first), (key, second))
        ]
        return (turned[0] * turned[1]).sum()

    assert torch.allclose(score(3, 1), score(103, 101), atol=1e-4)


def test_rotation_at_position_zero_changes_nothing():
    values = torch.randn(1, 2, 1, 8)
    tables = rotary_tables(torch.zeros(1, 1, dtype=torch.long), inverse_frequencies(8, 10000.0), torch.float32)
    assert torch.equal(rotate(values, *tables), values)


def test_linear_scaling_divides_every_frequency():
    scaled = inverse_frequencies(16, 10000.0, RopeScaling(rope_type="linear", factor=4.0))
    assert torch.equal(scaled, inverse_frequencies(16, 10000.0) / 4)


def test_llama3_scaling_leaves_fast_waves_and_divides_slow_ones():
    scaling = RopeScaling(rope_type="llama3", factor=8.0, original_max_position_embeddings=64)
    plain, scaled = inverse_frequencies(64, 10000.0), inverse_frequencies(64, 10000.0, scaling)
    fast, slow = 2 * math.pi / plain < 64 / 4, 2 * math.pi / plain > 64
    assert torch.allclose(scaled[fast], plain[fast]) and torch.allclose(scaled[slow], plain[slow] / 8)
    between = ~fast & ~slow
    assert between.any() and ((scaled < plain) & (scaled > plain / 8))[between].all()


def plain_attention(queries, keys, values, mask):
    repeats = queries.shape[1] // keys.shape[1]
    keys, values = keys.repeat_interleave(repeats, 1), values.repeat_interleave(repeats, 1)
    scores = queries @ keys.transpose(-1, -2) / math.sqrt(queries.shape[-1])
    return scores.masked_fill(~mask, -math.inf).softmax(-1) @ values


@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_attention_equals_the_formula(key_heads):
    queries, keys, values = torch.randn(2, 4, 7, 8), torch.randn(2, key_heads, 7, 8), torch.randn(2, key_heads, 7, 8)
    mask = torch.ones(7, 7, dtype=torch.bool).tril()
    expected = plain_attention(queries, keys, values, mask)
    assert torch.allclose(attend(queries, keys, values, None), expected, atol=1e-5)
    assert torch.allclose(attend(queries, keys, values, mask[None, None]), expected, atol=1e-5)


def test_segment_mask_allows_the_past_of_the_same_document_only():
    mask = segment_mask(torch.tensor([[0, 0, 1, 1]]))[0, 0]
    assert mask.tolist() == [
        [True, False, False, False], [True, True, False, False], [False, False, True, False], [False, False, True, True]
    ]  # fmt: skip


def test_positions_count_text_from_zero_and_go_on_behind_it():
    marks = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 0, 1]])
    expected = [[0, 0, 0, 1], [0, 1, 2, 3], [0, 1, 2, 3], [0, 0, 0, 0], [0, 0, 1, 1]]
    assert padded_positions(marks, None).tolist() == expected
    assert padded_positions(marks, -1)[:2].tolist() == [[-1, -1, 0, 1], [0, 1, -1, -1]]


def test_padding_is_read_by_none():
    assert padding_mask(torch.tensor([[0, 1, 1, 0]]))[0, 0].tolist() == [
        [False, False, False, False], [False, True, False, False], [False, True, True, False],
        [False, True, True, False],
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*torch.jit.*is deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", ["fused", "weights", "dropout", "bfloat16", "compiled"])
def test_a_query_that_may_read_none_gets_zeros_and_finite_gradients(kind):
    torch.manual_seed(0)
    dtype = torch.bfloat16 if kind == "bfloat16" else torch.float32
    queries, keys, values = (torch.randn(2, heads, 6, 8, dtype=dtype, requires_grad=True) for heads in (4, 2, 2))
    mask = padding_mask(torch.tensor([[0, 0, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]]))
    call = torch.compile(attend) if kind == "compiled" else attend
    weights = [] if kind == "weights" else None
    read = call(queries, keys, values, mask, dropout=0.5 if kind == "dropout" else 0.0, weights=weights)
    assert (read[0, :, :2] == 0).all() and (kind == "dropout" or (read[0, :, 2:] != 0).all())
    read.square().sum().backward()
    assert all(given.grad.isfinite().all() for given in (queries, keys, values))
    assert (queries.grad[0, :, :2] == 0).all()
    if weights:
        rows = weights[0].sum(-1)
        assert (rows[0, :, :2] == 0).all() and torch.allclose(rows[0, :, 2:], torch.ones(4, 4))


def test_slot_mask_hides_padding_and_the_future():
    mask = slot_mask(torch.tensor([3]), torch.tensor([0, 2]), 6)
    assert mask[:, 0, 0].tolist() == [[True] * 4 + [False] * 2, [False, False, True, True, False, False]]


def test_cached_attention_equals_the_full_pass():
    torch.manual_seed(0)
    layer = SelfAttention(AttentionShape(16, 4, 2, 8, norm="before_rotary"))
    hidden, frequencies = torch.randn(2, 6, 16), inverse_frequencies(8, 10000.0)
    positions = torch.arange(6)[None]
    full = layer(hidden, Context(*rotary_tables(positions, frequencies, torch.float32)))
    cache, outputs = StaticCache(1, 2, 2, 9, 8, hidden), []
    for start, end in ((0, 3), (3, 4), (4, 6)):
        slots = torch.arange(start, end)
        tables = rotary_tables(positions[:, start:end], frequencies, torch.float32)
        mask = slot_mask(slots, torch.zeros(2, dtype=torch.long), 9)
        outputs.append(layer(hidden[:, start:end], Context(*tables, mask, cache, slots)))
    assert torch.allclose(torch.cat(outputs, 1), full, atol=1e-6)


def test_cache_rows_can_be_chosen_again():
    cache = StaticCache(1, 2, 1, 3, 2, torch.zeros(1))
    cache.update(0, torch.tensor([[[[1.0, 1.0]]], [[[2.0, 2.0]]]]), torch.zeros(2, 1, 1, 2), torch.tensor([0]))
    cache.select_rows(torch.tensor([1, 1, 0]))
    assert cache.keys[0][:, 0, 0, 0].tolist() == [2.0, 2.0, 1.0]


@given(tokens=st.integers(1, 40), chunk=st.integers(1, 50), capped=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_chunked_losses_and_gradients_equal_the_plain_ones(tokens, chunk, capped, seed):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(tokens, 6, generator=generator, requires_grad=True)
    weight = torch.randn(11, 6, generator=generator, requires_grad=True)
    labels = torch.randint(-1, 11, (tokens,), generator=generator)
    labels = torch.where(labels < 0, -100, labels)
    softcap = 3.0 if capped else None
    plain = token_losses(hidden, weight, labels, softcap)
    count = max(int((labels != -100).sum()), 1)
    expected = torch.autograd.grad(plain.sum() / count, (hidden, weight))
    chunked = chunked_cross_entropy(hidden, weight, labels, chunk, softcap)
    found = torch.autograd.grad(chunked.sum() / count, (hidden, weight))
    mean, losses = mean_cross_entropy(hidden, weight, labels, chunk, softcap)
    fast = torch.autograd.grad(mean, (hidden, weight))
    assert torch.allclose(chunked, plain, atol=1e-5) and torch.allclose(losses, plain, atol=1e-5)
    assert torch.allclose(mean, plain.sum() / count, atol=1e-5)
    for one, two, three in zip(expected, found, fast, strict=True):
        assert torch.allclose(one, two, atol=1e-5) and torch.allclose(one, three, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*is deprecated:DeprecationWarning")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_the_loss_of_logits_and_its_gradient_are_those_of_torch(dtype, scale):
    torch.manual_seed(0)
    given = (5 * torch.randn(2, 7, 11)).to(dtype)
    given[0, 0, 3] = 200.0  # the others' probability is zero in float32
    labels = torch.randint(0, 11, (2, 7))
    labels[0, 0], labels[1, 2:5] = 4, -100
    results = []
    for loss_of in (mean_loss, lambda logits, labels: torch.nn.functional.cross_entropy(
        (logits.float() if dtype == torch.bfloat16 else logits).flatten(0, 1), labels.flatten()
    )):  # fmt: skip
        logits = given.clone().requires_grad_()
        loss = loss_of(logits, labels)
        (scale * loss).backward(retain_graph=True)
        first = logits.grad.clone()
        (scale * loss).backward()
        assert torch.equal(logits.grad, 2 * first) and logits.grad.dtype == dtype
        results.append((loss.detach(), first))
    near, gap = {torch.float32: (1e-6, 1e-7), torch.bfloat16: (1e-6, 1e-3), torch.float64: (1e-14, 1e-15)}[dtype]
    assert torch.allclose(results[0][0], results[1][0], rtol=near)
    assert torch.allclose(results[0][1], results[1][1], atol=gap)
    with torch.no_grad():
        assert torch.allclose(mean_loss(given, labels), results[0][0], rtol=1e-6)
    assert torch.allclose(torch.compile(mean_loss)(given.requires_grad_(), labels).detach(), results[0][0], rtol=1e-6)


def test_the_loss_goes_through_transforms_and_refuses_a_second_derivative():
    logits, labels = torch.randn(2, 3, 5, requires_grad=True), torch.tensor([[1, -100, 4], [0, 2, 3]])
    (expected,) = torch.autograd.grad(mean_loss(logits, labels), logits)
    assert torch.allclose(torch.func.grad(mean_loss)(logits.detach(), labels), expected, atol=1e-7)
    with pytest.raises(ModelError, match="differentiated twice"):
        torch.autograd.grad(mean_loss(logits, labels), logits, create_graph=True)


def test_no_label_is_no_loss_and_no_gradient():
    logits = torch.randn(1, 3, 5, requires_grad=True)
    loss = next_token_loss(logits, torch.tensor([[4, -100, -100]]))  # the first label has no token before it
    loss.backward()
    assert loss == 0 and (logits.grad == 0).all()


def test_an_ignored_label_has_no_loss():
    losses = chunked_cross_entropy(torch.randn(3, 4), torch.randn(5, 4), torch.tensor([1, -100, 2]))
    assert losses[1] == 0 and losses[0] > 0


def test_losses_do_not_depend_on_the_gradient_mode():
    hidden, weight, labels = torch.randn(5, 4), torch.randn(7, 4, requires_grad=True), torch.arange(5)
    with torch.no_grad():
        quiet = mean_cross_entropy(hidden, weight, labels)[1]
    assert torch.allclose(quiet, mean_cross_entropy(hidden, weight, labels)[1], atol=1e-6)


def test_activations_are_those_of_transformers():
    from transformers.activations import ACT2FN

    values = torch.linspace(-3, 3, 50)
    for name in ACTIVATIONS:
        assert torch.allclose(activation(name)(values), ACT2FN[name](values), atol=1e-6), name


def test_an_unknown_activation_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'silu'"):
        activation("slu")


def one_document_after_the_other(queries, keys, values, bounds, bounds_k, most, most_k, **options):
    """What the kernel for documents of any length does, (B * T, H, head_dim), in plain loops."""
    left = options["window_size"][0]
    mixed = torch.zeros_like(queries)
    assert options["enable_gqa"] == (queries.shape[1] != keys.shape[1]) and options["window_size"][1] == 0
    for start, end in itertools.pairwise(bounds.tolist()):
        assert end - start <= most
        if end > start:
            mask = causal_mask(end - start, queries.device, None if left < 0 else left + 1)[None, None]
            parts = [part[None, start:end].transpose(1, 2) for part in (queries, keys, values)]
            mixed[start:end] = attend(*parts, mask)[0].transpose(0, 1)
    return mixed


@given(
    lengths=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=1, max_size=3),
    window=st.sampled_from([None, 1, 3]),
    key_heads=st.sampled_from([1, 2, 4]),
)
@settings(max_examples=30, deadline=None)
def test_packed_documents_read_what_the_mask_lets_them_read(lengths, window, key_heads):
    tokens = max(sum(row) for row in lengths)
    segments = torch.zeros(len(lengths), tokens, dtype=torch.long)
    for row, documents in enumerate(lengths):
        numbers = [number for number, length in enumerate(documents) for _ in range(length)]
        segments[row] = torch.tensor(numbers + [len(documents)] * (tokens - len(numbers)))
    bounds = document_bounds(segments)
    assert bounds.dtype == torch.int32 and bounds[0] == 0 and bounds[-1] == segments.numel()
    assert (len(bounds) - 1).bit_count() == 1 and bool((bounds.diff() >= 0).all())
    queries, keys, values = (torch.randn(len(lengths), heads, tokens, 8) for heads in (4, key_heads, key_heads))
    with unittest.mock.patch("torch.nn.attention.varlen.varlen_attn", one_document_after_the_other):
        packed = attend(queries, keys, values, Packing(bounds, window))
    assert (packed - attend(queries, keys, values, segment_mask(segments, window))).abs().max() <= 1e-5


def test_the_kernel_for_packed_documents_takes_what_it_is_given():
    shapes = ((2, 4, 16, 64), (2, 2, 16, 64), (2, 2, 16, 64))
    parts = [torch.empty(shape, dtype=torch.bfloat16, device="meta", requires_grad=True) for shape in shapes]
    bounds = document_bounds(torch.zeros(2, 16, dtype=torch.long)).to("meta")
    mixed = attend(*parts, Packing(bounds, 5))
    mixed.sum().backward()
    assert mixed.shape == shapes[0] and all(part.grad.shape == part.shape for part in parts)


def test_packing_is_for_half_precision_on_a_gpu():
    assert not kernel_packs(torch.zeros(1, 2, 4, dtype=torch.bfloat16))
    on_gpu = SimpleNamespace(device=torch.device("cuda"), dtype=torch.bfloat16)
    assert kernel_packs(on_gpu) and not kernel_packs(SimpleNamespace(device=on_gpu.device, dtype=torch.float32))
