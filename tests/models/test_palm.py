"""PaLM against a plain reading of arXiv:2204.02311, section 2: there is no model of it in transformers."""

import math

import pytest
import torch

from massivetext.models.auto import AutoModelForCausalLM
from massivetext.models.files.folder import save_model_folder

from .conftest import tiny_model


def layer_norm(values, scale, epsilon=1e-6):
    centred = values - values.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + epsilon).sqrt() * scale


def turned(vector, position):
    """The rotary turn of one head's vector, pair by pair (i, i + half), in plain arithmetic."""
    half = len(vector) // 2
    result = vector.clone()
    for pair in range(half):
        angle = position * 10000.0 ** (-pair / half)
        cosine, sine = math.cos(angle), math.sin(angle)
        result[pair] = vector[pair] * cosine - vector[pair + half] * sine
        result[pair + half] = vector[pair + half] * cosine + vector[pair] * sine
    return result


def slow_logits(weights, ids, heads, layers):
    """Logits (T, V) of one row, token by token and head by head."""
    embedding = weights["model.embed_tokens.weight"]
    hidden = [embedding[token] for token in ids]
    for layer in range(layers):
        part = {name.split(f"layers.{layer}.")[1]: w for name, w in weights.items() if f".layers.{layer}." in name}
        normed = [layer_norm(vector, part["input_layernorm.weight"]) for vector in hidden]
        keys = [turned(part["self_attn.k_proj.weight"] @ vector, at) for at, vector in enumerate(normed)]
        values = [part["self_attn.v_proj.weight"] @ vector for vector in normed]
        following = []
        for at, vector in enumerate(normed):
            mixed = []
            for query in (part["self_attn.q_proj.weight"] @ vector).chunk(heads):
                query = turned(query, at)
                scores = torch.stack([query @ key for key in keys[: at + 1]]) / math.sqrt(len(query))
                shares = scores.exp() / scores.exp().sum()
                mixed.append(sum(share * value for share, value in zip(shares, values[: at + 1], strict=True)))
            gathered = part["self_attn.o_proj.weight"] @ torch.cat(mixed)
            gate = part["mlp.gate_proj.weight"] @ vector
            inner = gate * gate.sigmoid() * (part["mlp.up_proj.weight"] @ vector)
            following.append(hidden[at] + gathered + part["mlp.down_proj.weight"] @ inner)
        hidden = following
    final = torch.stack([layer_norm(vector, weights["model.norm.weight"]) for vector in hidden])
    return final @ weights.get("lm_head.weight", embedding).t() / math.sqrt(embedding.shape[1])


@pytest.mark.parametrize("tied", [True, False])
def test_the_model_equals_the_paper_written_plainly(tied):
    model = tiny_model("palm", tie_word_embeddings=tied)
    row = torch.randint(0, 300, (1, 11), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        slow = slow_logits(model.state_dict(), row[0], 4, 3)
        assert (model(row).logits[0] - slow).abs().max() <= 1e-5


def test_no_part_has_a_bias_and_keys_have_one_head():
    model = tiny_model("palm")
    assert not [name for name, _ in model.named_parameters() if name.endswith("bias")]
    assert model.model.layers[0].self_attn.k_proj.weight.shape == (8, 32)


def test_greedy_continuations_with_and_without_cache_are_the_same():
    model = tiny_model("palm", eos_token_id=None)
    row = torch.randint(0, 300, (2, 9), generator=torch.Generator().manual_seed(2))
    found = model.generate(row, max_new_tokens=8)
    with torch.no_grad():
        for _ in range(8):
            row = torch.cat([row, model(row).logits[:, -1:].argmax(-1)], 1)
    assert torch.equal(found, row)


def test_a_folder_keeps_every_weight_and_field(tmp_path):
    model = tiny_model("palm", rope_theta=500.0)
    save_model_folder(model, None, tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loaded.config == model.config
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), model.parameters(), strict=True))
