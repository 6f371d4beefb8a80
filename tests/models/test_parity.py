"""Parity with transformers on tiny random weights, both directions, for every family that it has."""

import pytest
import torch
import transformers

from massivetext.models.auto import AutoModelForCausalLM
from massivetext.models.files.folder import save_model_folder
from massivetext.models.files.naming import to_stored

from .conftest import TRANSFORMERS_FAMILIES, peer_of, stored_name, take, tiny_config, tiny_model, twins

LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 32}
VARIANTS = [
    *[(family, {}) for family in TRANSFORMERS_FAMILIES],
    *[(name, {"tie_word_embeddings": not tiny_config(name).tie_word_embeddings}) for name in TRANSFORMERS_FAMILIES],
    ("llama", {"rope_scaling": LLAMA3, "rope_theta": 500000.0}),
    ("llama", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    ("llama", {"num_key_value_heads": 4, "attention_bias": True, "mlp_bias": True, "hidden_act": "gelu"}),
    ("llama", {"num_key_value_heads": 1, "head_dim": 16, "rms_norm_eps": 1e-3}),
    ("qwen3", {"rope_theta": 1000000.0, "head_dim": 16}),
    ("qwen2", {"rope_theta": 1000000.0, "num_key_value_heads": 1}),
    ("mistral", {"sliding_window": 7}),
    ("mistral", {"sliding_window": 1, "head_dim": 16}),
    ("nanochat", {"final_logit_softcapping": None}),
    ("gpt2", {"intermediate_size": None, "hidden_act": "relu", "layer_norm_epsilon": 1e-3}),
    ("gpt2", {"resid_pdrop": 0.1, "embd_pdrop": 0.1, "attn_pdrop": 0.1}),
    ("gpt_neox", {"use_parallel_residual": False, "rotary_pct": 1.0}),
    ("gpt_neox", {"rotary_pct": 0.5, "rope_theta": 500.0, "hidden_dropout": 0.1, "layer_norm_eps": 1e-3}),
    ("gpt_neox", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    ("opt", {"do_layer_norm_before": False}),
    ("opt", {"do_layer_norm_before": False, "word_embed_proj_dim": 16}),
    ("opt", {"word_embed_proj_dim": 16, "tie_word_embeddings": False, "hidden_act": "gelu", "dropout": 0.1}),
    ("openai-gpt", {"hidden_act": "silu"}),
]  # fmt: skip


def ids(*shape):
    return torch.randint(0, 300, shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("family", "changes"), VARIANTS)
def test_a_folder_written_by_transformers_gives_the_same_logits_here(family, changes, tmp_path):
    peer = peer_of(tiny_config(family, **changes))
    peer.save_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert model.config.to_hugging_face() == tiny_config(family, **changes).to_hugging_face()
    with torch.no_grad():
        ours, theirs = model(ids(2, 40)), peer(ids(2, 40))
    assert (ours.logits - theirs.logits).abs().max() <= 1e-5


@pytest.mark.parametrize(("family", "changes"), VARIANTS)
def test_a_folder_written_here_gives_the_same_logits_in_transformers(family, changes, tmp_path):
    model = tiny_model(family, **changes)
    save_model_folder(model, None, tmp_path)
    peer, report = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, output_loading_info=True, attn_implementation="eager"
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    with torch.no_grad():
        ours, theirs = model(ids(2, 40)), peer.eval()(ids(2, 40))
    assert (ours.logits - theirs.logits).abs().max() <= 1e-5


@pytest.mark.parametrize("family", TRANSFORMERS_FAMILIES)
def test_hidden_states_are_those_of_transformers_layer_by_layer(family):
    peer, model = twins(family)
    found = []
    for block in model.model.layers:
        block.register_forward_hook(lambda module, inputs, output: found.append(output))
    with torch.no_grad():
        final = model.hidden(model.embed(ids(2, 20)))
        theirs = peer(ids(2, 20), output_hidden_states=True).hidden_states
    for ours, expected in zip([*found[:-1], final], theirs[1:], strict=True):  # the last one has been normed
        assert (ours - expected).abs().max() <= 1e-5 * max(1.0, float(expected.abs().max()) / 10)


@pytest.mark.parametrize("family", TRANSFORMERS_FAMILIES)
def test_the_loss_is_that_of_transformers(family):
    peer, model = twins(family)
    labels = ids(2, 20)
    labels[0, :5] = -100
    assert torch.allclose(model(ids(2, 20), labels=labels).loss, peer(ids(2, 20), labels=labels).loss, atol=1e-5)


@pytest.mark.parametrize("family", TRANSFORMERS_FAMILIES)
def test_gradients_are_those_of_transformers(family):
    peer, model = twins(family)
    model(ids(2, 20), labels=ids(2, 20)).loss.backward()
    peer(ids(2, 20), labels=ids(2, 20)).loss.backward()
    ours = to_stored({name: parameter.grad for name, parameter in model.named_parameters()}, model.places())
    theirs = {stored_name(model, name): parameter.grad for name, parameter in peer.named_parameters()}
    assert set(ours) == set(theirs)
    whole = torch.cat([gradient.flatten() for gradient in theirs.values()]).norm()
    for name, gradient in ours.items():
        assert (gradient - theirs[name]).norm() <= 1e-5 * whole, name


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", TRANSFORMERS_FAMILIES)
def test_padding_gives_what_transformers_gives(family, side):
    peer, model = twins(family)
    mask = torch.ones(2, 12, dtype=torch.long)
    mask[0, :5] = 0
    if side == "right":
        mask = mask.flip(1)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)  # transformers' forward counts padding, its generate does not
    with torch.no_grad():
        ours, theirs = (
            model(ids(2, 12), attention_mask=mask),
            peer(ids(2, 12), attention_mask=mask, position_ids=positions),
        )
    assert (ours.logits - theirs.logits)[mask.bool()].abs().max() <= 1e-5


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize(
    ("family", "changes"), [*[(family, {}) for family in TRANSFORMERS_FAMILIES], ("mistral", {"sliding_window": 5})]
)
def test_greedy_continuations_are_those_of_transformers(family, changes, cached):
    peer, model = twins(family, eos_token_id=None, **changes)
    mask = torch.ones(2, 9, dtype=torch.long)
    mask[0, :4] = 0
    options = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    if family == "openai-gpt":
        options["use_cache"] = False  # transformers' has none
    elif not cached:
        options["use_cache"] = False
    for attention_mask in (None, mask):
        if attention_mask is not None and family == "openai-gpt":
            continue  # transformers' generate gives this family positions that count padding
        theirs = peer.generate(ids(2, 9), attention_mask=attention_mask, **options)
        if cached:
            ours = model.generate(ids(2, 9), attention_mask=attention_mask, max_new_tokens=12, pad_token_id=0)
        else:
            ours = without_cache(model, ids(2, 9), attention_mask, 12)
        assert torch.equal(ours, theirs)


@torch.no_grad()
def without_cache(model, row, attention_mask, steps):
    for _ in range(steps):
        row = torch.cat([row, model(row, attention_mask=attention_mask).logits[:, -1:].argmax(-1)], 1)
        if attention_mask is not None:
            attention_mask = torch.cat([attention_mask, attention_mask.new_ones(2, 1)], 1)
    return row


@pytest.mark.parametrize("family", ["gpt2", "opt", "openai-gpt", "qwen2"])
def test_files_of_the_model_without_its_head_are_read(family):
    peer, model = twins(family, tie_word_embeddings=True)
    base = {name.removeprefix(model.stored_prefix): part for name, part in peer.state_dict().items()}
    base = {name: part.clone() for name, part in base.items() if name != model.stored_name("lm_head.weight")}
    take(model, base)
    with torch.no_grad():
        assert (model(ids(1, 9)).logits - peer(ids(1, 9)).logits).abs().max() <= 1e-5


def test_masks_that_old_gpt2_files_hold_are_passed_over():
    peer, model = twins("gpt2")
    old = {**peer.state_dict(), "transformer.h.0.attn.bias": torch.ones(1, 1, 8, 8)}
    old["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
    assert set(model.tidy(old, model.config)[0]) == set(model.stored_weights())
