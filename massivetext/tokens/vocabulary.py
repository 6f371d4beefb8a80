"""Training of a vocabulary on a bounded, deterministic sample of text; `kinds.py` implements the kinds."""

import heapq
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_64_intdigest

from massivetext.errors import ConfigError, DataError
from massivetext.progress import log, progress
from massivetext.storage import write_json
from massivetext.tokens.auto import AutoTokenizer
from massivetext.tokens.kinds import LEARNERS
from massivetext.tokens.settings import TokenizerSettings
from massivetext.tokens.tokenizer import Tokenizer
from massivetext.translations import tr

if TYPE_CHECKING:
    from massivetext.corpus.reading import Corpus

FORMAT = "massivetext-tokenizer/1"
PIECE_CHARACTERS = 65536  # long documents are sampled in pieces, so that one book cannot fill the sample
RUN_CHARACTERS = 256
LONG_RUN = re.compile(
    rf"\w{{{RUN_CHARACTERS}}}(?=\w)|[^\w\s]{{{RUN_CHARACTERS}}}(?=[^\w\s])|\s{{{RUN_CHARACTERS}}}(?=\s)"
)
"""A run without a break that is longer than any word; training time is quadratic in the length of a word."""


class Sample:
    """Collect the texts with the lowest hashes, about `limit` UTF-8 bytes, independent of the order of the texts."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = self.seen = self.seen_bytes = 0
        self._heap: list[tuple[int, str]] = []

    def add(self, text: str) -> None:
        """Split one text into pieces and consider each for the sample."""
        for start in range(0, len(text), PIECE_CHARACTERS):
            piece = text[start : start + PIECE_CHARACTERS]
            encoded = piece.encode("utf-8", "replace")
            self.seen += 1
            self.seen_bytes += len(encoded)
            entry = (-xxh3_64_intdigest(encoded), piece)
            if self.bytes < self.limit or entry > self._heap[0]:
                heapq.heappush(self._heap, entry)
                self.bytes += len(encoded)
                while self.bytes - len(self._heap[0][1].encode("utf-8", "replace")) >= self.limit:
                    self.bytes -= len(heapq.heappop(self._heap)[1].encode("utf-8", "replace"))

    def texts(self) -> list[str]:
        """Return the sampled pieces in ascending order of hash."""
        return [text for _, text in sorted(self._heap, reverse=True)]


def train_tokenizer(
    texts: "Corpus | Iterable[str]",
    settings: TokenizerSettings | None = None,
    folder: str | Path | None = None,
    *,
    quiet: bool = False,
    **options: Any,
) -> Tokenizer:
    """Return a tokenizer whose vocabulary is learned from a corpus (its train split only) or from texts.

    The default kind is `bpe`: byte-level, with GPT-2's pattern and one special token, `<|endoftext|>` (start, end and
    padding, id 0, put before the text by a call). The same texts give the same vocabulary. If settings.from_ is given,
    that tokenizer is used and nothing is trained. folder: where to save the tokenizer, with a `manifest.json` that
    records what it was trained on. options: fields of the settings (kind, vocab_size, ...) instead of an object. Raises
    ConfigError for invalid settings, DataError if there is no text.
    """
    if settings is not None and options:
        raise ConfigError(f"settings and {', '.join(options)} are both given; put all of them into one of the two")
    settings = settings or TokenizerSettings.parse(options, where="tokenizer")
    origin: dict[str, Any] = {}
    if settings.from_ is not None:
        tokenizer = AutoTokenizer.from_pretrained(settings.from_)
    else:
        sample = Sample(settings.vocab_size * settings.sample_bytes_per_entry)
        with progress(tr("training the vocabulary"), unit="B", quiet=quiet) as task:
            for text in _texts(texts):
                sample.add(text)
            sampled = list(cut_runs(sample.texts()))
            if not any(sampled):
                raise DataError(
                    "there is no text to learn a vocabulary from; give at least one document that is not empty"
                )
            tokenizer = LEARNERS[settings.kind](sampled, settings)
            task.advance(sample.bytes)
        origin = {"sample_bytes": sample.bytes, "of_bytes": sample.seen_bytes}
        if len(tokenizer) < settings.vocab_size and not quiet:
            message = "the text gave only {found} entries of the {wanted} asked for in vocab_size"
            log(tr(message, found=len(tokenizer), wanted=settings.vocab_size))
    if folder is not None:
        tokenizer.save_pretrained(folder)
        manifest = {
            "format": FORMAT,
            "settings": settings.model_dump(mode="json", by_alias=True),
            "corpus": getattr(texts, "digest", None),
            "learned_from": origin,
            "vocab_size": len(tokenizer),
            "digest": tokenizer.digest,
        }
        write_json(Path(folder) / "manifest.json", manifest)
        tokenizer.name_or_path = str(folder)
    return tokenizer


def cut_runs(texts: Iterable[str]) -> Iterator[str]:
    """Yield the texts, split inside runs of more than RUN_CHARACTERS characters without a break."""
    for text in texts:
        start = 0
        for found in LONG_RUN.finditer(text):
            yield text[start : found.end()]
            start = found.end()
        yield text[start:]


def _texts(texts: "Corpus | Iterable[str]") -> Iterator[str]:
    """Yield the texts of a corpus's train split, or the given texts; raise DataError for anything that is not text."""
    if hasattr(texts, "documents"):
        for batch in texts.documents("train", columns=("text",)):
            yield from batch["text"].to_pylist()
        return
    if isinstance(texts, str):
        raise DataError("texts is one str, whose characters would each be a text; give a list of str or a corpus")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"text {position} is a {type(text).__name__}; every text must be a str")
        yield text
