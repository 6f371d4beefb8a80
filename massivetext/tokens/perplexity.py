"""The corpus steps `perplexity` (a measure) and `max_perplexity` (a decision): how a text surprises an n-gram model.

The model is Kneser-Ney (`ngram.py`), fitted on the token store of a run: text like that run's scores low. CCNet (Wenzek
et al. 2020, arXiv:1911.00359) keeps web pages by their perplexity under such a model of Wikipedia.

These steps stand here and not among the corpus's, because they need tokens; a recipe names them like all others.
"""

from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from massivetext.corpus.steps import Measure
from massivetext.corpus.steps.limits import LimitDecide, LimitSettings
from massivetext.errors import ConfigError
from massivetext.settings import GivenPath, Settings
from massivetext.tokens.ngram import KneserNey, fit
from massivetext.tokens.store import TokenStore, open_store
from massivetext.tokens.tokenizer import AutoTokenizer, Tokenizer

_fitting = Lock()


class PerplexitySettings(Settings):
    """Which text the model knows, and how well."""

    path: GivenPath
    """A run folder with `tokenizer` and `tokens`, as `massivetext run` makes it."""
    order: int = Field(5, ge=1, le=6)
    """Longest n-gram, in tokens."""
    max_tokens: int = Field(10_000_000, ge=1, le=10**12)
    """Most tokens of the training split to fit on, the sources in proportion; fitting takes about 160 bytes each."""


class Perplexity(Measure):
    """Measures how well an n-gram model of a run's text predicts a document."""

    name = "perplexity"
    version = 1
    settings_type = PerplexitySettings

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """Perplexity a token, and bits per byte, which can be compared between tokenizers."""
        return {"perplexity__per_token": pa.float64(), "perplexity__bits_per_byte": pa.float64()}

    def check(self) -> None:
        """Raise ConfigError if there is no text to fit the model on."""
        _ = self._store

    def describe(self) -> dict[str, Any]:
        """Return also the digest of the text that the model is fitted on."""
        return {**super().describe(), "store": self._store.digest}

    @cached_property
    def _store(self) -> TokenStore:
        folder = self.settings.path / "tokens"
        if not (folder / "manifest.json").is_file():
            raise ConfigError(
                f"perplexity.path: {self.settings.path} holds no finished token store; give a run folder, as "
                "`massivetext run RECIPE --out FOLDER` makes it"
            )
        return open_store(folder)

    @cached_property
    def _model(self) -> tuple[Tokenizer, KneserNey]:
        store = self._store
        tokenizer = AutoTokenizer.from_pretrained(self.settings.path / "tokenizer")
        store.check_tokenizer(tokenizer)
        total = store.counts("train")["tokens"]
        share = min(1.0, self.settings.max_tokens / max(total, 1))
        documents = []
        for source in store.sources("train"):
            found = store.documents("train", source)
            # The store's order is that of hashes of the ids: the first documents are a sample.
            last = np.searchsorted(found.offsets, share * found.tokens, side="left") if share < 1 else len(found)
            documents += [found[at] for at in range(int(last))]
        model = fit(documents, order=self.settings.order, start_id=store.start_id, vocab_size=store.vocab_size)
        return tokenizer, model

    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return perplexity and bits per byte of each text; null where it is null or empty."""
        with _fitting:
            tokenizer, model = self._model
        texts = batch.column("text")
        sizes = pc.binary_length(texts).fill_null(0).to_numpy(zero_copy_only=False)
        ids, bounds = tokenizer.encode_flat(pc.fill_null(texts, ""))
        per_token, per_byte = np.full(len(texts), np.nan), np.full(len(texts), np.nan)
        for row in np.flatnonzero(sizes).tolist():
            own = ids[bounds[row] : bounds[row + 1]]
            nats = float(model.nll(own).sum())
            per_token[row], per_byte[row] = np.exp(min(nats / len(own), 700.0)), nats / np.log(2) / sizes[row]
        values = zip(self.columns, (per_token, per_byte))
        return {name: pa.array(found, from_pandas=True) for name, found in values}


class MaxPerplexitySettings(LimitSettings):
    """How surprising a document may be; null is no limit."""

    max_per_token: float | None = None
    """Maximum perplexity per token."""
    max_bits_per_byte: float | None = None
    """Maximum bits per byte."""
    min_bits_per_byte: float | None = None
    """Minimum bits per byte: text that the model predicts too well is repetition, or its own training text."""


class MaxPerplexity(LimitDecide):
    """Drops documents by their perplexity; the measure `perplexity` comes before it."""

    name = "max_perplexity"
    version = 1
    settings_type = MaxPerplexitySettings
    needs = ("perplexity",)
