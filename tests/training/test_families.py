"""Families whose positions are learned, or whose parts stand side by side, learn as Llama does."""

import shutil

import pytest
import torch
from training_parts import VOCABULARY, CountingBatches, tiny_settings

from massivetext.models.auto import AutoConfig, AutoModelForCausalLM
from massivetext.training.loop import train
from massivetext.training.metrics import read_rows
from massivetext.training.objectives.causal import CausalObjective

SHAPE = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
FAMILIES = ["gemma3_text", "gpt2", "gpt_neox", "openai-gpt", "opt", "palm", "qwen3_moe"]


def fresh(family, **fields):
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **SHAPE, **fields))


@pytest.mark.parametrize("family", ["gemma3_text", "gpt2", "gpt_neox", "qwen3_moe"])
def test_the_loss_falls(family, tmp_path):
    train(fresh(family), CountingBatches(), tiny_settings(steps=40), tmp_path, quiet=True)
    rows = [row["loss"] for row in read_rows(tmp_path / "metrics.jsonl") if "loss" in row]
    assert rows[-1] < 0.75 * rows[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_leak_probe_finds_nothing(family):
    CausalObjective(fresh(family), tiny_settings()).check(CountingBatches().batch(0))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_document_is_predicted_as_if_it_were_alone(family):
    objective, batch = CausalObjective(fresh(family).eval(), tiny_settings()), CountingBatches().batch(0)
    cut = int((batch.segments[0] == 0).sum())
    with torch.no_grad():
        packed = objective.hidden_states(batch.input_ids[:1], batch.positions[:1], batch.segments[:1])[:, cut:]
        alone = objective.model.hidden(objective.model.embed(torch.from_numpy(batch.input_ids[:1, cut:])))
    assert (packed - alone).abs().max() <= 1e-5


@pytest.mark.parametrize("family", ["gemma3_text", "qwen3_moe"])
def test_a_resumed_run_ends_with_the_same_bytes(family, tmp_path):
    settings, ends = tiny_settings(steps=6, checkpoint_every_steps=3), []
    last = tmp_path / "checkpoints" / "step-00000006"
    for _ in range(2):
        train(fresh(family), CountingBatches(), settings, tmp_path, quiet=True)
        ends.append([(last / f"{part}.safetensors").read_bytes() for part in ("model", "optimizer")])
        shutil.rmtree(last)
    assert ends[0] == ends[1]


def test_dropout_is_repeatable(tmp_path):
    ends = []
    for name in ("one", "two"):
        model = fresh("gpt2", resid_pdrop=0.1, embd_pdrop=0.1, attn_pdrop=0.1)
        torch.rand(len(ends) * 7)  # what was drawn before does not matter
        train(model, CountingBatches(), tiny_settings(steps=4), tmp_path / name, quiet=True)
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.slow
def test_compiled_training_with_learned_positions_ends_with_the_same_bits(tmp_path):
    ends = []
    for name in ("one", "two", "three"):
        model = fresh("gpt2")
        settings = tiny_settings(steps=6, compile="on", threads=2, batch_tokens=512)
        train(model, CountingBatches(rows=16), settings, tmp_path / name, quiet=True)
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][name], end[name]) for end in ends for name in ends[0])
