"""A small corpus, a tokenizer trained on it, and the store of both."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from corpus_in_memory import small_corpus

from massivetext.tokens.settings import TokenizerSettings
from massivetext.tokens.store import build_store
from massivetext.tokens.vocabulary import train_tokenizer


@pytest.fixture(scope="session")
def corpus():
    return small_corpus()


@pytest.fixture(scope="session")
def trained(corpus):
    """The tokenizer that tests only read."""
    return train_tokenizer(corpus, TokenizerSettings(vocab_size=400), quiet=True)


@pytest.fixture
def tokenizer(trained, tmp_path):
    """A tokenizer of the test's own, which it may change."""
    from massivetext.tokens.auto import AutoTokenizer

    trained.save_pretrained(tmp_path / "tokenizer")
    return AutoTokenizer.from_pretrained(tmp_path / "tokenizer")


@pytest.fixture(scope="session")
def store(corpus, trained, tmp_path_factory):
    return build_store(corpus, trained, tmp_path_factory.mktemp("store") / "tokens", seed=3, quiet=True)
