"""A tiny causal model with a real dependence on context, and a tokenizer of bytes."""

import pytest
import torch
from torch import nn


class FadingMemory(nn.Module):
    """Each state is the sum of the embeddings before it in its segment, fading with distance; nothing is learnt."""

    def __init__(self, vocabulary=17, width=8):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.table = nn.Parameter(torch.randn(vocabulary, width, generator=generator))
        self.head = nn.Parameter(torch.randn(vocabulary, width, generator=generator))

    @property
    def head_weight(self):
        return self.head

    def embed(self, input_ids):
        return self.table[input_ids]

    def hidden(self, embeddings, positions, segments):
        length = embeddings.shape[1]
        distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        weights = (0.9 ** distance.clamp(min=0).float()) * (distance >= 0)
        weights = weights.expand(embeddings.shape[0], -1, -1)
        if segments is not None:
            weights = weights * (segments[:, :, None] == segments[:, None, :])
        return weights @ embeddings + 0.01 * positions[..., None]


class Bytes:
    """A reversible tokenizer: one id a byte, 0 is the start id."""

    bos_token_id = 0

    def encode_ordinary(self, text):
        return [value + 1 for value in text.encode()]

    def decode(self, ids, skip_special_tokens=False):
        return bytes(value - 1 for value in ids if value).decode()


class Lowercase(Bytes):
    """Not reversible: capitals are lost."""

    def encode_ordinary(self, text):
        return super().encode_ordinary(text.lower())


@pytest.fixture
def model():
    return FadingMemory()


@pytest.fixture
def byte_model():
    return FadingMemory(vocabulary=257)
