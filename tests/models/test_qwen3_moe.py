"""Qwen3-MoE: its experts against a plain sum, their gradients and files, its configuration."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import massivetext as mt
from massivetext.errors import ConfigError, ModelError
from massivetext.models.decoder import run_block
from massivetext.models.families.qwen3_moe import Experts, grouped_linear
from massivetext.models.presets import parameter_count
from massivetext.training.machine import prepare_compiler
from massivetext.training.utilisation import matmul_parameters

from .conftest import peer_of, tiny_config, tiny_model

ROWS = torch.randint(0, 300, (2, 30), generator=torch.Generator().manual_seed(1))
REFUSED = [
    ({"output_router_logits": True}, "output_router_logits = True"),
    ({"use_sliding_window": True}, "use_sliding_window = True"),
    ({"num_experts_per_tok": 7}, "num_experts_per_tok is 7 and num_experts 6"),
    ({"num_experts": 0}, "num_experts"),
    ({"mlp_only_layers": [99]}, "mlp_only_layers has the block 99"),
    ({"mlp_only_layers": [-1]}, "mlp_only_layers has the block -1"),
]


def random_experts(**changes):
    experts = Experts(tiny_config("qwen3_moe", **changes))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in experts.parameters():
            parameter.normal_(0.0, 0.3)
    return experts


def plain_sum(experts, hidden):
    """Return what every expert gives, times its weight, which is zero for experts that a token does not use."""
    shares = experts.gate(hidden).softmax(-1)
    kept = shares >= shares.sort(-1, descending=True).values[..., experts.used - 1 : experts.used]
    weights = shares * kept
    if experts.normed:
        weights = weights / weights.sum(-1, keepdim=True)
    return sum(weights[..., number, None] * expert(hidden) for number, expert in enumerate(experts.experts))


@pytest.mark.parametrize("changes", [{}, {"norm_topk_prob": False}, {"num_experts_per_tok": 6}, {"hidden_act": "gelu"}])
@pytest.mark.parametrize("tokens", [1, 50])
def test_experts_give_the_plain_sum_and_its_gradients(changes, tokens):
    experts, hidden = random_experts(**changes), torch.randn(2, tokens, 32)
    found = []
    for function in (experts, lambda values: plain_sum(experts, values)):
        values = hidden.clone().requires_grad_()
        output = function(values)
        gradients = torch.autograd.grad(output.square().sum(), [values, *experts.parameters()], allow_unused=True)
        found.append([output, *gradients])
    for ours, plain in zip(*found, strict=True):
        assert (ours - plain).abs().max() <= 1e-4 * max(1.0, float(plain.detach().abs().max()))


def test_an_expert_that_no_token_uses_has_a_gradient_of_zero():
    experts = random_experts()
    with torch.no_grad():
        experts.gate.weight.zero_()
        experts.gate.weight[:2, 0] = 5.0
    hidden = torch.ones(1, 4, 32)
    experts(hidden).sum().backward()
    used = [bool(expert.down_proj.weight.grad.any()) for expert in experts.experts]
    assert used == [True, True, False, False, False, False]


def test_the_operation_of_experts_is_one_that_torch_accepts():
    rows, counts = torch.randn(7, 8, requires_grad=True), torch.tensor([3, 0, 4])
    matrices = [torch.randn(5, 8, requires_grad=True) for _ in counts]
    torch.library.opcheck(grouped_linear, (rows, counts, matrices))
    assert torch.autograd.gradcheck(
        lambda given, *parts: grouped_linear(given, counts, list(parts)),
        [part.detach().double().requires_grad_() for part in (rows, *matrices)],
    )


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_blocks_give_the_same_gradients(backend):
    prepare_compiler()
    torch.compiler.reset()
    found = []
    for run in (run_block, torch.compile(run_block, backend=backend, dynamic=False, fullgraph=True)):
        model = tiny_model("qwen3_moe").train()
        model.project(model.hidden(model.embed(ROWS), run_block=run)).square().mean().backward()
        found.append({name: parameter.grad for name, parameter in model.named_parameters()})
    for name, gradient in found[0].items():
        assert (gradient - found[1][name]).abs().max() <= 1e-4 * max(1.0, float(gradient.abs().max())), name


def test_under_autocast_experts_compute_in_its_number_format():
    experts, hidden = random_experts(), torch.randn(1, 9, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = experts(hidden)
    assert output.dtype == torch.bfloat16
    assert (output.float() - plain_sum(experts, hidden)).abs().max() <= 0.1


def test_files_that_hold_all_experts_in_one_tensor_are_read_and_written_one_by_one(tmp_path):
    peer = peer_of(tiny_config("qwen3_moe"))
    peer.save_pretrained(tmp_path)
    one_by_one = set(load_file(tmp_path / "model.safetensors"))
    save_file({name: part.clone() for name, part in peer.state_dict().items()}, tmp_path / "model.safetensors")
    assert "model.layers.0.mlp.experts.gate_up_proj" in load_file(tmp_path / "model.safetensors")
    model = mt.AutoModelForCausalLM.from_pretrained(tmp_path)
    with torch.no_grad():
        assert (model(ROWS).logits - peer(ROWS).logits).abs().max() <= 1e-5
    model.save_pretrained(tmp_path / "again")
    assert set(load_file(tmp_path / "again" / "model.safetensors")) == one_by_one


@pytest.mark.parametrize(("changes", "named"), REFUSED)
def test_what_would_change_the_numbers_is_refused_by_name(changes, named, tmp_path):
    values = {**tiny_config("qwen3_moe").to_hugging_face(), **changes}
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=named):
        mt.AutoConfig.from_pretrained(tmp_path)


def test_a_token_cannot_use_more_experts_than_there_are():
    with pytest.raises(ConfigError, match="lower num_experts_per_tok"):
        mt.AutoConfig.for_model("qwen3_moe", num_experts=2, num_experts_per_tok=3)


@pytest.mark.parametrize("changes", [{}, {"mlp_only_layers": [0]}, {"decoder_sparse_step": 2}])
def test_parameters_are_counted_where_blocks_differ(changes):
    config = tiny_config("qwen3_moe", **changes)
    model = tiny_model("qwen3_moe", **changes)
    assert parameter_count(config) == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("changes", [{}, {"mlp_only_layers": [0]}])
def test_a_token_is_multiplied_by_its_experts_alone(changes):
    few, one = (tiny_model("qwen3_moe", num_experts=number, **changes) for number in (6, 2))
    routers = sum(block.mlp.gate.weight.numel() for block in few.body.layers if hasattr(block.mlp, "gate"))
    assert matmul_parameters(few) - routers == matmul_parameters(one) - routers * 2 // 6


def test_a_vocabulary_is_resized_head_and_all():
    model = tiny_model("qwen3_moe")
    with torch.no_grad():
        before = model(ROWS).logits
        model.resize_token_embeddings(310)
        assert torch.allclose(model(ROWS).logits[..., :300], before, atol=1e-6)
