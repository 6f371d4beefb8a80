"""A learned classifier of quality: trained on two sets of examples, then the measure `classifier` on every document.

Features are n-grams of words (Han characters are words, see `massivetext.text.words`), hashed into buckets: log(1 +
count), scaled to length 1, so that long texts weigh no more than short ones. The classifier is a logistic regression,
both classes weighing the same. Everything is NumPy and SciPy; the same examples and seed give the same classifier.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash
from pydantic import Field

from massivetext.corpus.gathering import Passage, gather
from massivetext.corpus.lanes import Course, Lane
from massivetext.corpus.readers.finding import input_files
from massivetext.corpus.readers.records import make_reader
from massivetext.corpus.rows import schemas_of
from massivetext.corpus.settings import SourceSettings, SplitSettings
from massivetext.corpus.steps import Measure
from massivetext.corpus.steps.limits import LimitDecide, LimitSettings, Values
from massivetext.corpus.steps.table import make_steps
from massivetext.errors import ConfigError, DataError
from massivetext.settings import GivenPath, Settings
from massivetext.state import read_object, read_state, write_state
from massivetext.storage import clear_temporary, file_digest, locked_folder, temporary_path, value_digest
from massivetext.text.arrays import Offsets
from massivetext.text.compiling import kernel
from massivetext.text.minhash import MINHASH_VERSION, shingle
from massivetext.text.words import HAN_BIT, WORDS_VERSION, Hashes, hash_words
from massivetext.translations import tr

FORMAT = "massivetext-classifier/1"
LEAST_EXAMPLES = 10
"""Fewest examples of each class to train on, and fewest held out of both to score."""


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
        """SHA-256 over the settings and the weights."""
        return str(self.facts["digest"])

    def scores(self, texts: pa.Array) -> Values:
        """Return how likely each text is a good one, 0 to 1; nan for a null or a text without words."""
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
    """Write buckets and values of each document; scratch: one zero for each bucket, and so again at the end."""
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


def train_classifier(
    good: str | Path | Sequence[str],
    bad: str | Path | Sequence[str],
    folder: str | Path,
    *,
    settings: TrainingSettings | dict[str, Any] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return what a classifier that tells `good` texts from `bad` ones scores on held-out examples; it is in `folder`.

    good, bad: files, folders or patterns, in any format that a corpus reads. Equal texts count once, a text that is
    both is left out. Held out is what a hash of seed and text says. `held_out` has, for all texts and for those with
    mostly Han characters and the others apart: examples, accuracy (at 0.5), majority (what always saying the larger
    class scores), roc_auc; None where a class has no example there. Errors: DataError with too few examples,
    BusyError while another process writes the folder.
    """
    with locked_folder(Path(folder)):
        clear_temporary(Path(folder))
        return _train(good, bad, Path(folder), settings, seed)


def _train(
    good: str | Path | Sequence[str],
    bad: str | Path | Sequence[str],
    folder: Path,
    settings: TrainingSettings | dict[str, Any] | None,
    seed: int,
) -> dict[str, Any]:
    """Do what `train_classifier` does, in a folder that is locked."""
    if not isinstance(settings, TrainingSettings):
        settings = TrainingSettings.parse(settings or {}, "classifier")
    examples = {name: _examples(name, paths, settings, seed) for name, paths in (("good", good), ("bad", bad))}
    both = set(examples["good"]) & set(examples["bad"])
    texts = [text for found in examples.values() for text in found if text not in both]
    labels = np.array([name == "good" for name, found in examples.items() for text in found if text not in both])
    held = np.array([_draw(text, seed) < settings.held_out for text in texts], bool)
    for part, name in ((~held, "to train on"), (held, "held out")):
        least = min(int((labels & part).sum()), int((~labels & part).sum())) if len(labels) else 0
        if least < (LEAST_EXAMPLES if part is not held else 1):
            counts = ", ".join(f"{len(found)} {name}" for name, found in examples.items())
            raise DataError(
                f"too few examples {name}: {least} of one class, of {counts}, {len(both)} of them in both; give at "
                f"least {LEAST_EXAMPLES} of each to train on, or hold out another share"
            )
    found = features(pa.array(texts, pa.large_string()), settings)
    weights, bias = _fit(found[~held], labels[~held], settings.penalty)
    facts: dict[str, Any] = {
        "format": FORMAT,
        "words_version": WORDS_VERSION,
        "shingles_version": MINHASH_VERSION,
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "examples": {name: len(found) - len(both) for name, found in examples.items()},
        "in_both": len(both),
    }
    facts["digest"] = value_digest({**facts, "weights": weights.tobytes().hex(), "bias": bias})
    classifier = Classifier(facts, weights, bias)
    tested = [text for text, out in zip(texts, held.tolist()) if out]
    facts["held_out"] = _tested(classifier, tested, labels[held])
    _save(classifier, folder)
    return {"folder": str(folder), **facts}


def _examples(name: str, paths: str | Path | Sequence[str], settings: TrainingSettings, seed: int) -> list[str]:
    """Return the different texts of a class, in the order in which they are read."""
    source = SourceSettings(
        name=name, path=[str(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    )
    files = tuple(input_files(source))
    readers = {kind: make_reader(kind, source) for kind in sorted({file.format for file in files})}
    for kind, reader in readers.items():
        reader.check([file for file in files if file.format == kind])
    lane = Lane(name, tuple(make_steps(settings.steps, "steps")), SplitSettings(), seed)
    course = Course(lane, files, readers)
    pieces = [piece for file in files for piece in readers[file.format].pieces(file, 2**62)]
    measures = {key: kind for step in lane.steps if isinstance(step, Measure) for key, kind in step.columns.items()}
    passage = Passage(lane, schemas_of(measures))
    texts: dict[str, None] = {}
    for records in gather(course, pieces):
        for text in passage.take(records).column("text").to_pylist():
            texts[text] = None
        passage.dropped.clear()
    return list(texts)


def _draw(text: str, seed: int) -> float:
    """Return a number from 0 to 1 that depends on seed and text."""
    return xxhash.xxh3_64_intdigest(f"{seed}\0held out\0{text}".encode(errors="surrogateescape")) / 2.0**64


def _fit(found: Any, labels: npt.NDArray[np.bool_], penalty: float) -> tuple[npt.NDArray[np.float32], float]:
    """Return weights and bias with the least mean loss, both classes weighing the same, and penalty."""
    from scipy.optimize import minimize  # type: ignore[import-untyped, unused-ignore]

    signs = np.where(labels, 1.0, -1.0)
    shares = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    transposed = found.T.tocsr()

    def loss(parameters: Values) -> tuple[float, Values]:
        weights, bias = parameters[:-1], parameters[-1]
        margins = signs * (found @ weights + bias)
        slopes = -signs * shares / (1.0 + np.exp(np.clip(margins, -500, 500)))
        value = float((shares * np.logaddexp(0.0, -margins)).sum() + 0.5 * penalty * (weights @ weights))
        return value, np.append(transposed @ slopes + penalty * weights, slopes.sum())

    best = minimize(loss, np.zeros(found.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return best[:-1].astype(np.float32), float(np.float32(best[-1]))


def _tested(classifier: Classifier, texts: list[str], labels: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return the scores on held-out texts: all, those with mostly Han characters, the others."""
    array = pa.array(texts, pa.large_string())
    words = hash_words(array)
    han = np.array(
        [(words.hashes[start:end] & HAN_BIT).mean() > 0.5 if end > start else False
         for start, end in zip(words.offsets, words.offsets[1:])], bool
    )  # fmt: skip
    scores = np.nan_to_num(classifier.scores(array), nan=0.5)
    parts = {"all": np.ones(len(texts), bool), "han": han, "other": ~han}
    return {name: _measured(scores[part], labels[part]) for name, part in parts.items() if part.any()}


def _measured(scores: Values, labels: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return accuracy, that of always saying the larger class, and the area under the ROC curve (ties count half)."""
    from scipy.stats import rankdata  # type: ignore[import-untyped, unused-ignore]

    good, bad = int(labels.sum()), int((~labels).sum())
    area = None
    if good and bad:
        area = float((rankdata(scores)[labels].sum() - good * (good + 1) / 2) / (good * bad))
    return {
        "examples": len(labels),
        "accuracy": float(((scores >= 0.5) == labels).mean()),
        "majority": max(good, bad) / len(labels),
        "roc_auc": area,
    }


def _save(classifier: Classifier, folder: Path) -> None:
    """Write the classifier; `classifier.json` comes last."""
    from safetensors.numpy import save_file

    (folder / "classifier.json").unlink(missing_ok=True)
    with temporary_path(folder / "weights.safetensors") as path:
        tensors = {"weights": classifier.weights, "bias": np.array([classifier.bias], np.float32)}
        save_file(tensors, path, metadata={"format": "pt"})
    digest = file_digest(folder / "weights.safetensors")
    write_state(folder / "classifier.json", classifier.facts | {"weights": digest})


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
    """Which classifier."""

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
        """Raise an error if the classifier is not there or cannot be used."""
        _ = self.classifier

    def describe(self) -> dict[str, Any]:
        """Return also the classifier's digest: another classifier is another step."""
        return {**super().describe(), "classifier": self.classifier.digest}

    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return the scores; null for a text without words."""
        return {"classifier__score": pa.array(self.classifier.scores(batch.column("text")), from_pandas=True)}


class ClassifierLimitSettings(LimitSettings):
    """What the classifier must say."""

    min_score: float | None = Field(0.5, ge=0, le=1)
    """Minimum score, a fraction; null for no limit."""


class ClassifierLimit(LimitDecide):
    """Drops documents that a trained classifier scores low; the measure `classifier` comes before it."""

    name = "classifier_score"
    version = 1
    settings_type = ClassifierLimitSettings
    needs = ("classifier",)


def classifier_text(values: dict[str, Any]) -> str:
    """Return what `train_classifier` gave as text for a terminal."""
    counts = values["examples"]
    lines = [tr("{folder}: {good} good and {bad} bad examples", folder=values["folder"], **counts)]
    for name, entry in values["held_out"].items():
        area = "" if entry["roc_auc"] is None else f", ROC AUC {entry['roc_auc']:.4f}"
        words = tr(
            "held out, {part}: {examples} examples, accuracy {accuracy} (larger class {majority})", part=tr(name),
            examples=entry["examples"], accuracy=f"{entry['accuracy']:.4f}", majority=f"{entry['majority']:.4f}",
        )  # fmt: skip
        lines.append(words + area)
    return "\n".join(lines)
