"""Scores of a model on a split of a run, beside the n-gram model and the compressors on the same bytes."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc
import xxhash

from massivetext.corpus.settings import TOTAL
from massivetext.errors import ConfigError, DataError, StoreError
from massivetext.evaluation.bits_per_byte import (
    CausalModel,
    bits_per_byte,
    check_reversible,
    perplexity,
    score_documents,
)
from massivetext.evaluation.compressors import gzip_bytes, primed_xz, read_chunks, xz_bytes
from massivetext.evaluation.settings import EvaluateSettings
from massivetext.progress import progress
from massivetext.storage import TEMPORARY_PREFIX
from massivetext.translations import tr

if TYPE_CHECKING:
    from massivetext.corpus.reading import Corpus
    from massivetext.tokens.store import TokenStore
    from massivetext.tokens.tokenizer import Tokenizer

FORMAT = "massivetext-evaluation/1"
CHECKED_DOCUMENTS = 64  # of each source, decoded again before anything is scored


class Scores:
    """Nats, bytes and tokens of the documents of each source; gives every number by source and in total."""

    def __init__(self) -> None:
        self.nats: dict[str, np.ndarray] = {}
        self.bytes: dict[str, np.ndarray] = {}
        self.tokens: dict[str, np.ndarray] = {}

    def add(self, source: str, nats: np.ndarray, size_bytes: np.ndarray, tokens: np.ndarray) -> None:
        """Hold the documents of one source, (documents,) each."""
        self.nats[source], self.bytes[source], self.tokens[source] = nats, size_bytes, tokens

    def columns(self) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return (nats, bytes, tokens) of each source and, under "total", of all."""
        parts = {name: (self.nats[name], self.bytes[name], self.tokens[name]) for name in self.nats}
        everything = tuple(np.concatenate([part[i] for part in parts.values()]) for i in range(3))
        return {TOTAL: (everything[0], everything[1], everything[2]), **parts}

    def bits_per_byte(self) -> dict[str, float]:
        """Return bits per byte, in total and by source."""
        return {name: bits_per_byte(float(n.sum()), int(b.sum())) for name, (n, b, _) in self.columns().items()}

    def perplexity(self) -> dict[str, float]:
        """Return perplexity per token, in total and by source."""
        return {name: perplexity(float(n.sum()), int(t.sum())) for name, (n, _, t) in self.columns().items()}

    def intervals(self) -> dict[str, list[float]]:
        """Return [low, high] of each bits per byte: how far another test text of the same kind would move it (95 %).

        The documents are taken as the sample: the standard error of a ratio of sums (Cochran, Sampling Techniques,
        1977, section 6.4), times 1.96. It says nothing about another training run.
        """
        found = {}
        for name, (nats, size_bytes, _) in self.columns().items():
            value = bits_per_byte(float(nats.sum()), int(size_bytes.sum()))
            if len(nats) > 1:
                rest = nats / np.log(2) - value * size_bytes
                error = float(np.sqrt(len(rest) / (len(rest) - 1) * np.square(rest).sum()) / size_bytes.sum())
                found[name] = [value - 1.96 * error, value + 1.96 * error]
        return found


def evaluate_store(
    model: CausalModel,
    tokenizer: "Tokenizer",
    store: "TokenStore",
    corpus: "Corpus",
    settings: EvaluateSettings,
    *,
    context_tokens: int,
    split: str = "test",
    quiet: bool = False,
) -> dict[str, Any]:
    """Return the evaluation of a model on a split, as written to evaluation.json (docs/formats.md).

    The model, the n-gram model fitted on the training split of the store, `gzip -9`, `xz -9e` and the primed `xz -9e`
    are all measured on the same documents and divided by the same bytes.
    """
    started_at = time.monotonic()
    sources = _scored_sources(tokenizer, store, corpus, split)
    yardsticks = _measure_yardsticks(tokenizer, store, corpus, settings, split, sources, quiet)
    # The model comes last, when it has the processor for itself: its threads wait for each other.
    scores = _score_store(model, store, sources, split, context_tokens, settings.stride_tokens, quiet)
    columns = scores.columns()
    return {
        "format": FORMAT,
        "split": split,
        "bits_per_byte": scores.bits_per_byte(),
        "bits_per_byte_interval": scores.intervals(),
        "perplexity": scores.perplexity(),
        **yardsticks,
        "bytes": {name: int(sizes.sum()) for name, (_, sizes, _) in columns.items()},
        "tokens": {name: int(tokens.sum()) for name, (_, _, tokens) in columns.items()},
        "documents": {name: len(tokens) for name, (_, _, tokens) in columns.items()},
        "context_tokens": context_tokens,
        "stride_tokens": settings.stride_tokens or max(1, context_tokens // 2),
        "ngram_order": settings.ngram_order,
        "corpus_digest": corpus.digest,
        "elapsed_seconds": round(time.monotonic() - started_at, 3),
    }


def _scored_sources(tokenizer: "Tokenizer", store: "TokenStore", corpus: "Corpus", split: str) -> list[str]:
    """Return the sources with text in the split, once it is sure that corpus, tokenizer and store belong together."""
    if store.manifest["corpus"] != corpus.digest:
        raise StoreError(
            f"the token store was built from corpus {store.manifest['corpus']}, this corpus is {corpus.digest}: "
            f"build the store again, or evaluate with the corpus that belongs to it"
        )
    store.check_tokenizer(tokenizer)
    if split not in store.splits:
        raise DataError(f"the corpus has no {split} split; set corpus.split.{split} to a share above 0, e.g. 0.02")
    sources = [name for name in store.sources(split) if store.counts(split, name)["text_bytes"]]
    if TOTAL in sources:
        raise ConfigError(
            f"a source is named {TOTAL!r}, which stands for all sources together: rename it in the recipe"
        )
    if not sources:
        raise DataError(f"the {split} split holds no documents; enlarge corpus.split.{split}")
    return sources


def _measure_yardsticks(
    tokenizer: "Tokenizer",
    store: "TokenStore",
    corpus: "Corpus",
    settings: EvaluateSettings,
    split: str,
    sources: Sequence[str],
    quiet: bool,
) -> dict[str, Any]:
    """Return what the compressors and the n-gram model make of the split; the primed xz runs beside the others."""
    # In the store's folder: what a killed process leaves there is removed by the next run, and goes with the run.
    with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY_PREFIX}evaluation-", dir=store.folder) as name:
        texts = {source: Path(name) / str(number) for number, source in enumerate(sources)}
        for source, path in texts.items():
            _write_texts(corpus, split, source, path, tokenizer)
            _check_size(source, path.stat().st_size, store.counts(split, source)["text_bytes"])
        parts = {TOTAL: list(texts.values()), **{source: [path] for source, path in texts.items()}}
        sizes = {name: sum(path.stat().st_size for path in paths) for name, paths in parts.items()}
        seen = SeenText(corpus, settings.xz_primed_bytes)
        primed_parts = list(parts.values()) if settings.xz_primed_bytes else []
        with primed_xz(seen, primed_parts, Path(name)) as primed_sizes:
            with progress(tr("Compressing the test text"), quiet=quiet):
                gzip = {name: 8 * gzip_bytes(read_chunks(*paths)) / sizes[name] for name, paths in parts.items()}
                xz = {name: 8 * xz_bytes(read_chunks(*paths)) / sizes[name] for name, paths in parts.items()}
            ngram = _ngram_scores(store, sources, split, settings.ngram_order, quiet)
            with progress(tr("Compressing with the training text as a start"), quiet=quiet):
                primed = {name: 8 * size / sizes[name] for name, size in zip(parts, primed_sizes())}
    return {
        "gzip_bits_per_byte": gzip,
        "xz_bits_per_byte": xz,
        "xz_primed_bits_per_byte": primed,
        "ngram_bits_per_byte": ngram.bits_per_byte() if ngram.nats else {},
        "xz_primed_training_bytes": seen.seen_bytes,
        "training_bytes": seen.total_bytes,
    }


class SeenText:
    """The training text that the primed `xz` sees: all of it, or about `limit` bytes of whole documents, by their id.

    Iterate over it for the UTF-8 bytes; `seen_bytes` and `total_bytes` are counted by then.
    """

    def __init__(self, corpus: "Corpus", limit: int) -> None:
        self.corpus, self.limit = corpus, limit
        self.seen_bytes = 0
        sums = (pc.sum(b.column("text_bytes")).as_py() for b in corpus.documents("train", columns=("text_bytes",)))
        self.total_bytes = int(sum(part or 0 for part in sums))

    def __iter__(self) -> Iterator[bytes]:
        threshold = int(min(1.0, self.limit / max(self.total_bytes, 1)) * 2**64)
        self.seen_bytes = 0
        if not self.limit:
            return
        for batch in self.corpus.documents("train", columns=("id", "text")):
            for name, text in zip(batch.column("id").to_pylist(), batch.column("text").to_pylist()):
                if xxhash.xxh3_64_intdigest(name.encode()) < threshold:
                    data = text.encode()
                    self.seen_bytes += len(data)
                    yield data


def _write_texts(corpus: "Corpus", split: str, source: str, path: Path, tokenizer: "Tokenizer") -> None:
    """Write the documents of one source one after the other; the first ones must come back through the tokenizer."""
    checked = 0
    with open(path, "wb") as stream:
        for batch in corpus.documents(split, source=source, columns=("id", "text")):
            for name, text in zip(batch.column("id").to_pylist(), batch.column("text").to_pylist()):
                if checked < CHECKED_DOCUMENTS:
                    check_reversible(tokenizer, text, f"document {name} of {source}")
                    checked += 1
                stream.write(text.encode())


def _check_size(source: str, corpus_bytes: int, store_bytes: int) -> None:
    if corpus_bytes != store_bytes:
        raise StoreError(
            f"source {source} has {corpus_bytes} bytes in the corpus and {store_bytes} in the token store: they do not "
            f"belong together; build the store again"
        )


def _score_store(
    model: CausalModel,
    store: "TokenStore",
    sources: Sequence[str],
    split: str,
    context_tokens: int,
    stride: int | None,
    quiet: bool,
) -> Scores:
    """Return the model's scores on the documents of a split."""
    scores = Scores()
    total = sum(store.counts(split, source)["tokens"] for source in sources)
    with progress(tr("Scoring the test text"), total, tr("tokens"), quiet) as task:
        for source in sources:
            documents = store.documents(split, source)
            nats = score_documents(
                model, documents, start_id=store.start_id, context_tokens=context_tokens, stride=stride,
                advance=task.advance,
            )  # fmt: skip
            scores.add(source, nats, documents.text_bytes, np.diff(documents.offsets))
    return scores


def _ngram_scores(store: "TokenStore", sources: Sequence[str], split: str, order: int, quiet: bool) -> Scores:
    """Return the scores of a Kneser-Ney model fitted on the whole training split; empty for order 0."""
    scores = Scores()
    if not order:
        return scores
    from massivetext.tokens.ngram import fit

    with progress(tr("Fitting the n-gram model"), quiet=quiet):
        training = (ids for source in store.sources("train") for ids in store.documents("train", source))
        model = fit(training, order=order, start_id=store.start_id, vocab_size=store.vocab_size)
    for source in sources:
        documents = store.documents(split, source)
        nats = np.array([float(model.nll(ids).sum()) for ids in documents])
        scores.add(source, nats, documents.text_bytes, np.diff(documents.offsets))
    return scores
