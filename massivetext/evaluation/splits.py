"""Scores of a model on a split of a run, beside the n-gram model and the compressors on the same bytes."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
import xxhash

from massivetext.corpus.settings import TOTAL
from massivetext.errors import ConfigError, DataError, StoreError
from massivetext.evaluation.bits_per_byte import (
    CausalModel,
    bits_per_byte,
    check_reversible,
    default_stride,
    perplexity,
    score_documents,
)
from massivetext.evaluation.compressors import gzip_bytes, primed_xz, read_chunks, xz_bytes
from massivetext.evaluation.settings import TASKS, EvaluateSettings
from massivetext.metrics.declarations import BITS_PER_BYTE, PERPLEXITY
from massivetext.metrics.score import DIGEST_CHARACTERS, MODEL, Score
from massivetext.progress import progress
from massivetext.storage import TEMPORARY_PREFIX
from massivetext.translations import tr

if TYPE_CHECKING:
    from massivetext.corpus.reading import Corpus
    from massivetext.tokens.store import TokenStore
    from massivetext.tokens.tokenizer import Tokenizer

CHECKED_DOCUMENTS = 64  # of each source, decoded again before anything is scored


@dataclass(frozen=True)
class Subject:
    """What a task scores: a model with the text that it is scored on, the training text and the settings."""

    model: CausalModel
    tokenizer: "Tokenizer"
    store: "TokenStore"
    corpus: "Corpus"
    settings: EvaluateSettings
    context_tokens: int
    split: str
    sources: Sequence[str]
    """The sources that have text in the split."""
    quiet: bool

    def task(self, source: str) -> str:
        """Return the name of the task for a source, or for "total"."""
        return self.split if source == TOTAL else f"{self.split}/{source}"

    def facts(self, **others: object) -> dict[str, object]:
        """Return what a signature says of any score on this text, after `others`."""
        return {**others, "corpus": self.corpus.digest[:DIGEST_CHARACTERS]}

    def token_facts(self, **others: object) -> dict[str, object]:
        """Return what a signature says of a score that depends on the tokens as well."""
        return self.facts(**others, tokenizer=self.store.tokenizer_digest[:DIGEST_CHARACTERS])


class Likelihoods:
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

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return (low, high) of each bits per byte: how far another test text of the same kind would move it (95 %).

        The documents are taken as the sample: the standard error of a ratio of sums (Cochran, Sampling Techniques,
        1977, section 6.4), times 1.96. It says nothing about another training run.
        """
        found = {}
        for name, (nats, size_bytes, _) in self.columns().items():
            value = bits_per_byte(float(nats.sum()), int(size_bytes.sum()))
            if len(nats) > 1:
                rest = nats / np.log(2) - value * size_bytes
                error = float(np.sqrt(len(rest) / (len(rest) - 1) * np.square(rest).sum()) / size_bytes.sum())
                found[name] = (value - 1.96 * error, value + 1.96 * error)
        return found

    def bits(self, subject: Subject, system: str, facts: Mapping[str, object]) -> list[Score]:
        """Return bits per byte, in total and by source, with their intervals."""
        intervals = self.intervals()
        return [
            BITS_PER_BYTE.score(
                subject.task(name), bits_per_byte(float(nats.sum()), int(size_bytes.sum())), int(size_bytes.sum()),
                system=system, interval=intervals.get(name), facts=facts,
            )
            for name, (nats, size_bytes, _) in self.columns().items()
        ]  # fmt: skip

    def perplexities(self, subject: Subject, facts: Mapping[str, object]) -> list[Score]:
        """Return perplexity per token, in total and by source."""
        return [
            PERPLEXITY.score(
                subject.task(name), perplexity(float(nats.sum()), int(tokens.sum())), int(tokens.sum()), facts=facts
            )
            for name, (nats, _, tokens) in self.columns().items()
        ]


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
) -> list[Score]:
    """Return the scores of a model on a split, task by task as the settings name them; the main score comes first.

    The task `bits_per_byte` gives the model's bits per byte and perplexity beside an n-gram model fitted on the store's
    training split, `gzip -9`, `xz -9e` and the primed `xz -9e`, all on the same documents and bytes.
    """
    sources = _scored_sources(tokenizer, store, corpus, split)
    subject = Subject(model, tokenizer, store, corpus, settings, context_tokens, split, sources, quiet)
    return [score for name in settings.tasks for score in scorer(name)(subject)]


def scorer(task: str) -> Callable[[Subject], list[Score]]:
    """Return the function that scores a subject on a task of `settings.TASKS`."""
    module, _, name = TASKS[task].partition(":")
    found: Callable[[Subject], list[Score]] = getattr(import_module(module), name)
    return found


def score_test_text(subject: Subject) -> list[Score]:
    """Return bits per byte and perplexity of a model on the text of a split, and what the peers need for it."""
    peers = _score_peers(subject)
    # The model comes last, when it has the processor for itself: its threads wait for each other.
    found = _score_model(subject)
    stride = subject.settings.stride_tokens or default_stride(subject.context_tokens)
    facts = subject.token_facts(context_tokens=subject.context_tokens, stride_tokens=stride)
    return [*found.bits(subject, MODEL, facts), *peers, *found.perplexities(subject, facts)]


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


def _score_peers(subject: Subject) -> list[Score]:
    """Return the bits per byte of the n-gram model and the compressors; the primed xz runs beside the others."""
    corpus, store, settings, quiet = subject.corpus, subject.store, subject.settings, subject.quiet
    # In the store's folder: what a killed process leaves there is removed by the next run, and goes with the run.
    with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY_PREFIX}evaluation-", dir=store.folder) as name:
        texts = {source: Path(name) / str(number) for number, source in enumerate(subject.sources)}
        for source, path in texts.items():
            _write_texts(corpus, subject.split, source, path, subject.tokenizer)
            _check_size(source, path.stat().st_size, store.counts(subject.split, source)["text_bytes"])
        parts = {TOTAL: list(texts.values()), **{source: [path] for source, path in texts.items()}}
        sizes = {name: sum(path.stat().st_size for path in paths) for name, paths in parts.items()}
        seen = SeenText(corpus, settings.xz_primed_bytes)
        primed_parts = list(parts.values()) if settings.xz_primed_bytes else []
        with primed_xz(seen, primed_parts, Path(name)) as primed_sizes:
            with progress(tr("Compressing the test text"), quiet=quiet):
                gzip = {name: gzip_bytes(read_chunks(*paths)) for name, paths in parts.items()}
                xz = {name: xz_bytes(read_chunks(*paths)) for name, paths in parts.items()}
            ngram = _score_ngram(subject)
            with progress(tr("Compressing with the training text as a start"), quiet=quiet):
                primed = dict(zip(parts, primed_sizes()))
    compressed = [
        ("xz_primed", primed, {"seen_bytes": seen.seen_bytes, "training_bytes": seen.total_bytes}),
        ("xz", xz, {}),
        ("gzip", gzip, {}),
    ]
    return ngram + [
        BITS_PER_BYTE.score(
            subject.task(name), 8 * size / sizes[name], sizes[name], system=system, facts=subject.facts(**facts)
        )
        for system, found, facts in compressed
        for name, size in found.items()
    ]


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


def _score_model(subject: Subject) -> Likelihoods:
    """Return the likelihoods that the model gives to the documents of the split."""
    found, store = Likelihoods(), subject.store
    total = sum(store.counts(subject.split, source)["tokens"] for source in subject.sources)
    with progress(tr("Scoring the test text"), total, tr("tokens"), subject.quiet) as task:
        for source in subject.sources:
            documents = store.documents(subject.split, source)
            nats = score_documents(
                subject.model, documents, start_id=store.start_id, context_tokens=subject.context_tokens,
                stride=subject.settings.stride_tokens, advance=task.advance,
            )  # fmt: skip
            found.add(source, nats, documents.text_bytes, np.diff(documents.offsets))
    return found


def _score_ngram(subject: Subject) -> list[Score]:
    """Return the bits per byte of a Kneser-Ney model fitted on the whole training split; none for order 0."""
    order, store = subject.settings.ngram_order, subject.store
    if not order:
        return []
    from massivetext.tokens.ngram import fit

    with progress(tr("Fitting the n-gram model"), quiet=subject.quiet):
        training = (ids for source in store.sources("train") for ids in store.documents("train", source))
        model = fit(training, order=order, start_id=store.start_id, vocab_size=store.vocab_size)
    found = Likelihoods()
    for source in subject.sources:
        documents = store.documents(subject.split, source)
        nats = np.array([float(model.nll(ids).sum()) for ids in documents])
        found.add(source, nats, documents.text_bytes, np.diff(documents.offsets))
    return found.bits(subject, "ngram", subject.token_facts(order=order))
