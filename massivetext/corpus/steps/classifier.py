"""A trained quality classifier: it learns from two sets of examples; the measure `classifier` applies it to documents.

Features are n-grams of words (each Han character is a word, see `massivetext.text.words`), hashed into buckets: log(1 +
count), scaled to length 1, so that long texts weigh no more than short ones. The model is a logistic regression with
equal weight for both classes. It uses only NumPy and SciPy; the same examples and seed give the same classifier.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from massivetext.corpus.steps import Measure
from massivetext.corpus.steps.limits import LimitDecide, LimitSettings, Values
from massivetext.errors import ConfigError
from massivetext.settings import GivenPath, Settings
from massivetext.state import read_object, read_state
from massivetext.storage import file_digest
from massivetext.text.arrays import Offsets
from massivetext.text.compiling import kernel
from massivetext.text.minhash import MINHASH_VERSION, shingle
from massivetext.text.words import HAN_BIT, WORDS_VERSION, Hashes, hash_words

FORMAT = "massivetext-classifier/1"


class TrainingSettings(Settings):
    """How a classifier is trained."""

    steps: tuple[str | dict[str, Any], ...] = ("html_to_text", "normalise")
    """What is done to the examples first, as in a recipe; what these steps drop is no example."""
    buckets: int = Field(2**18, ge=2**8, le=2**24)
    """Features that n-grams are hashed into."""
    ngram: int = Field(2, ge=1, le=5)
    """Longest n-gram of words."""
    han_ngram: int = Field(3, ge=1, le=8)
    """Longest n-gram that begins with a Han character."""
    penalty: float = Field(1e-4, gt=0)
    """Weight of the squared weights beside the mean loss: larger fits the examples less closely."""
    held_out: float = Field(0.2, gt=0, lt=1)
    """Share of the examples that are only scored, a fraction."""


class Classifier:
    """A trained classifier; `train_classifier` makes one, `load_classifier` opens one."""

    def __init__(self, facts: dict[str, Any], weights: npt.NDArray[np.float32], bias: float) -> None:
        self.facts, self.weights, self.bias = facts, weights, bias
        self.settings = TrainingSettings.parse(facts["settings"], "classifier.json")

    @property
    def digest(self) -> str:
        """SHA-256 of the settings and the weights."""
        return str(self.facts["digest"])

    def scores(self, texts: pa.Array) -> Values:
        """Return the probability that each text is a good one; nan for a null or a text without words."""
        found = features(texts, self.settings)
        values: Values = 1.0 / (1.0 + np.exp(-(found @ self.weights.astype(np.float64) + self.bias)))
        values[np.diff(found.indptr) == 0] = np.nan
        return values


def features(texts: pa.Array, settings: TrainingSettings) -> Any:
    """Return the features of texts, a sparse matrix (texts, buckets) of float64."""
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped, unused-ignore]

    words = hash_words(texts)
    most = len(words.hashes) * max(settings.ngram, settings.han_ngram)
    buckets, values = np.empty(most, np.int32), np.empty(most, np.float64)
    bounds = np.zeros(len(texts) + 1, np.int64)
    scratch = np.zeros(settings.buckets, np.int64)
    _count(words.hashes, words.offsets, settings.ngram, settings.han_ngram, scratch, buckets, values, bounds)
    return csr_matrix((values[: bounds[-1]], buckets[: bounds[-1]], bounds), shape=(len(texts), settings.buckets))


@kernel
def _count(
    hashes: Hashes,
    offsets: Offsets,
    ngram: int,
    han_ngram: int,
    scratch: npt.NDArray[np.int64],
    buckets: npt.NDArray[np.int32],
    values: Values,
    bounds: Offsets,
) -> None:
    """Write buckets and values of each document. scratch: a zero for each bucket, on entry and on return."""
    out = 0
    for document in range(len(offsets) - 1):
        begin, end = out, offsets[document + 1]
        for at in range(offsets[document], end):
            longest = han_ngram if hashes[at] & HAN_BIT else ngram
            for size in range(1, min(longest, end - at) + 1):
                bucket = np.int64(shingle(hashes, at, at + size) % np.uint64(len(scratch)))
                if scratch[bucket] == 0:
                    buckets[out] = bucket
                    out += 1
                scratch[bucket] += 1
        length = 0.0
        for place in range(begin, out):
            values[place] = np.log1p(scratch[buckets[place]])
            length += values[place] ** 2
            scratch[buckets[place]] = 0
        for place in range(begin, out):
            values[place] /= np.sqrt(length)
        bounds[document + 1] = out


def load_classifier(folder: str | Path) -> Classifier:
    """Return the classifier in a folder; raise ConfigError if there is none, or it is unknown, changed or too new."""
    from safetensors.numpy import load_file

    path = Path(folder) / "classifier.json"
    if not path.is_file():
        raise ConfigError(
            f"{folder} holds no classifier (no classifier.json); train one with "
            f"`massivetext corpus classifier GOOD BAD --out {folder}`"
        )
    remedy = f"Train the classifier again with `massivetext corpus classifier GOOD BAD --out {folder}`"
    facts = read_object(path, ["format"], remedy, ConfigError)
    known = {"format": FORMAT, "words_version": WORDS_VERSION, "shingles_version": MINHASH_VERSION}
    found = {name: facts.get(name) for name in known}
    if found != known:
        raise ConfigError(
            f"{path} was trained with {found}, and this version reads {known}; train the classifier again"
        )
    facts = read_state(path, ["weights"], remedy, ConfigError)
    weights = path.with_name("weights.safetensors")
    if not weights.is_file() or file_digest(weights) != facts["weights"]:
        raise ConfigError(f"{weights} is missing or not the file that was trained; train the classifier again")
    tensors = load_file(weights)
    return Classifier(facts, tensors["weights"], float(tensors["bias"][0]))


class ClassifierSettings(Settings):
    """Which classifier to use."""

    path: GivenPath
    """Folder that `massivetext corpus classifier` wrote."""


class ClassifierScore(Measure):
    """Scores each document with a trained classifier, 0 (bad) to 1 (good)."""

    name = "classifier"
    version = 1
    settings_type = ClassifierSettings

    @cached_property
    def classifier(self) -> Classifier:
        """The classifier, opened on first use."""
        return load_classifier(self.settings.path)

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The column of scores."""
        return {"classifier__score": pa.float64()}

    def check(self) -> None:
        """Raise an error if the classifier is missing or cannot be used."""
        _ = self.classifier

    def describe(self) -> dict[str, Any]:
        """Return also the classifier's digest, because another classifier makes another step."""
        return {**super().describe(), "classifier": self.classifier.digest}

    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return the scores; null for a text without words."""
        return {"classifier__score": pa.array(self.classifier.scores(batch.column("text")), from_pandas=True)}


class ClassifierLimitSettings(LimitSettings):
    """Minimum score of the classifier."""

    min_score: float | None = Field(0.5, ge=0, le=1)
    """Minimum score, a fraction; null for no limit."""


class ClassifierLimit(LimitDecide):
    """Drops documents with a low score from a trained classifier; needs the measure `classifier` before it."""

    name = "classifier_score"
    version = 1
    settings_type = ClassifierLimitSettings
    needs = ("classifier",)
