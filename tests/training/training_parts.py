"""What the tests of training share: a tiny model, batches that are a function of the step, settings."""

from types import SimpleNamespace

import numpy as np

from massivetext import LlamaForCausalLM
from massivetext.models.families.llama import LlamaConfig
from massivetext.training.settings import TrainSettings

VOCABULARY = 64


class CountingBatches:
    """Rows of two packed documents that count up; source "even" in steps of two, "odd" in steps of one."""

    sources = ("even", "odd")

    def __init__(self, rows=4, tokens=32):
        self.rows, self.tokens = rows, tokens
        self.tokens_per_pass = 10 * rows * tokens
        self.asked = []

    def batch(self, step):
        self.asked.append(step)
        generator = np.random.default_rng(step)
        sources = (np.arange(self.rows) % 2).astype(np.int32)
        here = np.arange(self.tokens + 1)
        cut = generator.integers(1, self.tokens, (self.rows, 1))
        begin = np.where(here < cut, *generator.integers(0, VOCABULARY, (2, self.rows, 1)))
        positions = np.where(here < cut, here, here - cut)
        ids = (begin + positions * (2 - sources[:, None])) % VOCABULARY
        return SimpleNamespace(
            input_ids=ids[:, :-1].copy(),
            labels=ids[:, 1:].copy(),
            positions=positions[:, :-1].copy(),
            segments=(here >= cut)[:, :-1].astype(np.int32),
            sources=sources,
        )


def tiny_model(seed=0, **fields):
    """Return a Llama of about 30,000 parameters."""
    shape = dict(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=2)
    return LlamaForCausalLM.from_config(LlamaConfig(**{**shape, **fields}), seed=seed)


def tiny_settings(**fields):
    """Return settings for a run of six steps on one thread, not compiled."""
    values = dict(context_tokens=32, batch_tokens=128, compile="off", threads=1, keep_checkpoints=None)
    length = {} if {"minutes", "tokens", "epochs"} & fields.keys() else {"steps": 6}
    return TrainSettings.parse({**values, **length, **fields})
