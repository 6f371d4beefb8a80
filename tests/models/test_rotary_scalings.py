"""Rotary scalings: frequencies and logits of transformers, short texts and texts past the first context; bad ones."""

import json

import pytest
import torch
import transformers
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

import massivetext as mt
from massivetext.errors import ConfigError, ModelError
from massivetext.layers.rotary import RopeScaling, inverse_frequencies
from massivetext.models.auto import AutoModelForCausalLM
from massivetext.models.files.folder import save_model_folder

from .conftest import peer_of, take, tiny_config, tiny_model

SHORT, LONG = [1.0, 1.1, 1.3, 1.5], [1.0, 2.0, 4.0, 8.0]
SCALINGS = {
    "linear": {"rope_type": "linear", "factor": 2.0},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0},
    "llama3": {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 16},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
    "yarn of Qwen's README": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32},
    "yarn, bounds": {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "beta_fast": 8.0, "beta_slow": 2.0
    },
    "yarn, magnitude": {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "attention_factor": 0.7
    },
    "yarn, DeepSeek's": {
        "rope_type": "yarn", "factor": 40.0, "original_max_position_embeddings": 32, "mscale": 1.0,
        "mscale_all_dim": 0.5,
    },
    "yarn, not truncated": {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "truncate": False
    },
    "longrope": {
        "rope_type": "longrope", "original_max_position_embeddings": 16, "short_factor": SHORT, "long_factor": LONG
    },
    "longrope, factor": {
        "rope_type": "longrope", "original_max_position_embeddings": 16, "short_factor": SHORT, "long_factor": LONG,
        "factor": 2.0, "attention_factor": 1.25,
    },
}  # fmt: skip


def plain(scaling):
    return {"rope_type" if key == "type" else key: value for key, value in scaling.items()}


@pytest.mark.parametrize("head_dim", [8, 64])
@pytest.mark.parametrize("tokens", [8, 100, 5000])
@pytest.mark.parametrize("name", [name for name in SCALINGS if SCALINGS[name].get("rope_type") not in ("linear",)])
def test_frequencies_and_magnitude_are_those_of_transformers(name, tokens, head_dim):
    scaling = plain(SCALINGS[name])
    if "short_factor" in scaling:
        scaling |= {key: scaling[key] * (head_dim // 8) for key in ("short_factor", "long_factor")}
    values = {**tiny_config("llama", head_dim=head_dim, num_attention_heads=2).to_hugging_face(), "rope_scaling": None}
    values["rope_parameters"] = {"low_freq_factor": 1.0, "high_freq_factor": 4.0} | {"rope_theta": 10000.0, **scaling}
    config = transformers.AutoConfig.for_model(**values)
    expected, magnitude = ROPE_INIT_FUNCTIONS[scaling["rope_type"]](config, "cpu", seq_len=tokens)
    parsed = RopeScaling.model_validate(scaling)
    found = inverse_frequencies(head_dim, 10000.0, parsed, 128, tokens)
    assert torch.allclose(found, expected, rtol=1e-6, atol=0)
    assert parsed.magnitude(128) == pytest.approx(magnitude, rel=1e-12)


@pytest.mark.parametrize("tokens", [12, 40, 150])
@pytest.mark.parametrize("name", SCALINGS)
def test_a_folder_of_transformers_gives_the_same_logits_for_short_and_long_texts(name, tokens, tmp_path):
    config = tiny_config("llama", rope_scaling=plain(SCALINGS[name]), max_position_embeddings=128)
    peer = peer_of(config)
    peer.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    del written["rope_parameters"]
    (tmp_path / "config.json").write_text(json.dumps({**written, "rope_scaling": SCALINGS[name]}))
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    row = torch.randint(0, 300, (2, tokens), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert (model(row).logits - peer(row).logits).abs().max() <= 2e-5
        assert (model(row[:, :9]).logits - peer(row[:, :9]).logits).abs().max() <= 1e-5  # and short again


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "mistral", "gpt_neox"])
@pytest.mark.parametrize("name", ["dynamic", "yarn", "longrope"])
def test_a_folder_written_here_gives_the_same_logits_in_transformers(family, name, tmp_path):
    scaling = plain(SCALINGS[name])
    if family == "gpt_neox" and name == "longrope":
        scaling |= {"short_factor": [1.1, 1.2], "long_factor": [2.0, 3.0]}
    changes = {"rotary_pct": 0.5} if family == "gpt_neox" else {}
    model = tiny_model(family, rope_scaling=scaling, **changes)
    save_model_folder(model, None, tmp_path)
    peer = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    row = torch.randint(0, 300, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert (model(row).logits - peer(row).logits).abs().max() <= 1e-5


@pytest.mark.parametrize("name", ["yarn", "yarn, magnitude", "longrope", "dynamic"])
def test_greedy_ids_are_those_of_transformers(name):
    config = tiny_config("llama", rope_scaling=plain(SCALINGS[name]), eos_token_id=None, bos_token_id=None)
    peer, model = peer_of(config), AutoModelForCausalLM.from_config(config)
    take(model, dict(peer.state_dict()))
    row = torch.randint(0, 300, (2, 6), generator=torch.Generator().manual_seed(1))
    found = model.eval().generate(row, max_new_tokens=25)
    assert found.tolist() == peer.generate(row, max_new_tokens=25, do_sample=False, pad_token_id=0).tolist()


REFUSED = [
    ({"rope_type": "linear"}, "needs a factor"),
    ({"rope_type": "linear", "factor": 0.0}, "factor: Input should be greater than 0"),
    ({"rope_type": "yarn", "factor": float("nan")}, "finite"),
    ({"rope_type": "longrope", "factor": 2.0}, "needs short_factor and long_factor"),
    ({"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [-1.0] * 4}, "above 0"),
    ({"rope_type": "linear", "factor": 2.0, "beta_fast": 3.0}, "'linear' does not use it"),
    ({"rope_type": "llama3", "factor": 2.0, "high_freq_factor": 0.5}, "crossed"),
    ({"rope_type": "yarm", "factor": 2.0}, "yarm"),
]


@pytest.mark.parametrize(("scaling", "message"), REFUSED)
def test_a_scaling_that_cannot_be_computed_is_refused(scaling, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        mt.AutoConfig.for_model("llama", rope_scaling=scaling)
    values = {**tiny_config("llama").to_hugging_face(), "rope_scaling": scaling}
    del values["rope_parameters"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=message):
        mt.AutoConfig.from_pretrained(tmp_path)


def test_divisors_that_are_not_one_for_each_frequency_are_refused():
    scaling = {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}
    with pytest.raises(ConfigError, match="short_factor has 1 divisors; allowed: 4"):
        tiny_config("llama", rope_scaling=scaling)
