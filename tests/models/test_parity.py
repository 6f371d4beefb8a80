"""Parity with transformers on tiny random weights, both directions, for every family."""

import pytest
import torch
import transformers

from massivetext.models.auto import AutoModelForCausalLM
from massivetext.models.families import CAUSAL_FAMILIES
from massivetext.models.folder import save_model_folder

from .conftest import tiny_config, tiny_model

FAMILIES = sorted(CAUSAL_FAMILIES)
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 32}
VARIANTS = [
    *[(family, {}) for family in FAMILIES],
    *[(family, {"tie_word_embeddings": not tiny_config(family).tie_word_embeddings}) for family in FAMILIES],
    ("llama", {"rope_scaling": LLAMA3, "rope_theta": 500000.0}),
    ("llama", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    ("llama", {"num_key_value_heads": 4, "attention_bias": True, "mlp_bias": True, "hidden_act": "gelu"}),
    ("llama", {"num_key_value_heads": 1, "head_dim": 16, "rms_norm_eps": 1e-3}),
    ("qwen3", {"rope_theta": 1000000.0, "head_dim": 16}),
    ("nanochat", {"final_logit_softcapping": None, "head_dim": None}),
]
VARIANTS = [
    (family, {"head_dim": None, **changes} if family == "nanochat" else changes) for family, changes in VARIANTS
]  # transformers' nanochat has no head_dim of its own


def ids(*shape):
    return torch.randint(0, 300, shape, generator=torch.Generator().manual_seed(1))


def peer_of(config):
    """A transformers model of the same configuration with random weights everywhere."""
    peer = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.for_model(**config.to_hugging_face()), attn_implementation="eager"
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in peer.parameters():
            parameter.normal_(0.0, 0.3)
    return peer.eval()


@pytest.mark.parametrize(("family", "changes"), VARIANTS)
def test_a_folder_written_by_transformers_gives_the_same_logits_here(family, changes, tmp_path):
    peer = peer_of(tiny_config(family, **changes))
    peer.save_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
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


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_that_of_transformers(family):
    peer = peer_of(tiny_config(family, head_dim=None))
    model = CAUSAL_FAMILIES[family](tiny_config(family, head_dim=None))
    model.load_weights(dict(peer.state_dict()))
    labels = ids(2, 20)
    labels[0, :5] = -100
    assert torch.allclose(model(ids(2, 20), labels=labels).loss, peer(ids(2, 20), labels=labels).loss, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_those_of_transformers(family):
    peer = peer_of(tiny_config(family, head_dim=None))
    model = CAUSAL_FAMILIES[family](tiny_config(family, head_dim=None))
    model.load_weights({name: tensor.clone() for name, tensor in peer.state_dict().items()})
    model(ids(2, 20), labels=ids(2, 20)).loss.backward()
    peer(ids(2, 20), labels=ids(2, 20)).loss.backward()
    theirs = dict(peer.named_parameters())
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter.grad, theirs[name].grad, atol=1e-5, rtol=1e-4), name


def test_padding_on_the_left_gives_what_transformers_gives():
    peer = peer_of(tiny_config("llama"))
    model = CAUSAL_FAMILIES["llama"](tiny_config("llama"))
    model.load_weights(dict(peer.state_dict()))
    mask = torch.ones(2, 12, dtype=torch.long)
    mask[0, :5] = 0
    with torch.no_grad():
        ours, theirs = model(ids(2, 12), attention_mask=mask), peer(ids(2, 12), attention_mask=mask)
    assert (ours.logits - theirs.logits)[mask.bool()].abs().max() <= 1e-5
