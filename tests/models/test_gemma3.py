"""Gemma 3: what its blocks read, its configuration, first weights and number formats."""

import json

import pytest
import torch

import massivetext as mt
from massivetext.errors import ConfigError, ModelError
from massivetext.layers.masks import narrowed
from massivetext.layers.packing import Packing

from .conftest import take, tiny_config, tiny_model, twins

ROWS = torch.randint(0, 300, (2, 30), generator=torch.Generator().manual_seed(1))
REFUSED = [
    ({"attn_logit_softcapping": 50.0}, "attn_logit_softcapping = 50.0"),
    ({"use_bidirectional_attention": True}, "use_bidirectional_attention = True"),
    ({"rope_local_base_freq": 5.0}, r"rope_local_base_freq = 5.0 and rope_parameters.sliding_attention.rope_theta"),
    ({"rope_theta": 5.0}, "rope_theta = 5.0 and rope_parameters.rope_theta"),
    ({"rope_parameters": {"rope_theta": 5.0}}, "rope_parameters for rope_theta; allowed: sliding_attention, full_att"),
    (
        {"rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2.0}}},
        "scales the positions of blocks with a window",
    ),
    ({"layer_types": ["full_attention"]}, "layer_types has 1 entries and num_hidden_layers is 3"),
    ({"layer_types": ["chunked_attention"] * 3}, "layer_types"),
    ({"sliding_window": 0}, "sliding_window"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "named"), REFUSED)
def test_what_would_change_the_numbers_is_refused_by_name(changes, named, tmp_path):
    values = {**tiny_config("gemma3_text").to_hugging_face(), **changes}
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=named):
        mt.AutoConfig.from_pretrained(tmp_path)


def test_every_sixth_block_reads_all_of_the_past_unless_the_configuration_says_else():
    kinds = mt.AutoConfig.for_model("gemma3_text", num_hidden_layers=13).kinds
    assert [number for number, kind in enumerate(kinds, 1) if kind == "full_attention"] == [6, 12]
    named = ["full_attention", "sliding_attention"]
    assert mt.AutoConfig.for_model("gemma3_text", num_hidden_layers=2, layer_types=named).kinds == named
    with pytest.raises(ConfigError, match="give one entry for each block"):
        mt.AutoConfig.for_model("gemma3_text", num_hidden_layers=3, layer_types=named)


def test_a_block_with_full_attention_reads_beyond_the_window():
    other = ROWS.clone()
    other[:, 0] = (ROWS[:, 0] + 1) % 300
    with torch.no_grad():
        for kind, reaches in (("full_attention", True), ("sliding_attention", False)):
            model = tiny_model("gemma3_text", num_hidden_layers=1, layer_types=[kind])
            moved = (model(ROWS).logits - model(other).logits).abs().amax((0, 2))
            assert bool(moved[6] > 1e-3) and bool((moved[7:] > 1e-4).any()) == reaches


@pytest.mark.parametrize("kind", ["none", "boolean", "numbers"])
def test_a_narrowed_mask_lets_a_token_read_so_many_at_most(kind):
    lets = torch.tensor([[True, True, False, False], [True, True, True, False], [True, True, True, True]])[None, None]
    numbers = torch.zeros(lets.shape).masked_fill(~lets, -torch.inf)
    mask = {"none": None, "boolean": lets, "numbers": numbers}[kind]
    slots, expected = torch.tensor([1, 2, 3]), [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    found = narrowed(mask, slots, 4, 2)
    assert (found == 0 if kind == "numbers" else found)[0, 0].int().tolist() == expected
    assert narrowed(mask, slots, 4, 4) is mask


def test_a_kernel_for_packed_rows_gets_the_window():
    packing = Packing(torch.tensor([0, 3, 9]))
    assert narrowed(packing, torch.arange(9), 9, 4).window == 4


def test_norms_start_at_one_which_is_a_weight_of_zero():
    model = mt.AutoModelForCausalLM.from_config(tiny_config("gemma3_text"))
    norms = [parameter for name, parameter in model.named_parameters() if name.endswith("norm.weight")]
    assert len(norms) == 3 * 6 + 1 and not any(parameter.any() for parameter in norms)
    with torch.no_grad():
        hidden = model.hidden(model.embed(ROWS))
    assert float(hidden.square().mean()) == pytest.approx(1.0, rel=0.05)


def test_in_half_precision_the_scale_of_embeddings_is_rounded_as_in_transformers():
    peer, model = twins("gemma3_text", hidden_size=36)
    peer, model = peer.to(torch.bfloat16), model.to(torch.bfloat16)
    with torch.no_grad():
        assert torch.equal(model.embed(ROWS), peer.model.embed_tokens(ROWS))
        ours, theirs = model(ROWS).logits.float(), peer(ROWS).logits.float()
    assert (ours - theirs).abs().max() <= 0.02 * theirs.abs().max()


def test_embeddings_that_are_given_are_not_scaled_a_second_time():
    peer, model = twins("gemma3_text")
    with torch.no_grad():
        given = model.embed(ROWS)
        ours, theirs = model(inputs_embeds=given).logits, peer(inputs_embeds=given).logits
        assert torch.equal(ours, model(ROWS).logits)
    assert (ours - theirs).abs().max() <= 1e-5


def test_a_vocabulary_is_resized_head_and_all():
    model = tiny_model("gemma3_text")
    with torch.no_grad():
        before = model(ROWS).logits
        model.resize_token_embeddings(310)
        assert torch.allclose(model(ROWS).logits[..., :300], before, atol=1e-6)
    assert model.config.vocab_size == 310


def test_the_weights_of_a_peer_in_one_family_do_not_fit_the_other():
    peer, _ = twins("gemma3_text")
    with pytest.raises(ModelError, match=r"not expected: .*post_feedforward_layernorm"):
        take(tiny_model("qwen3", tie_word_embeddings=True), dict(peer.state_dict()))
