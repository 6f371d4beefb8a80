"""`train_classifier`: train a quality classifier on two sets of examples, for the step `classifier`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from massivetext.corpus.gathering import Passage, gather
from massivetext.corpus.lanes import Course, Lane
from massivetext.corpus.readers.finding import input_files
from massivetext.corpus.readers.records import make_reader
from massivetext.corpus.rows import schemas_of
from massivetext.corpus.settings import SourceSettings, SplitSettings
from massivetext.corpus.steps import Measure
from massivetext.corpus.steps.classifier import FORMAT, Classifier, TrainingSettings, features
from massivetext.corpus.steps.limits import Values
from massivetext.corpus.steps.table import make_steps
from massivetext.errors import DataError
from massivetext.state import write_state
from massivetext.storage import clear_temporary, file_digest, locked_folder, temporary_path, value_digest
from massivetext.text.minhash import MINHASH_VERSION
from massivetext.text.words import HAN_BIT, WORDS_VERSION, hash_words
from massivetext.translations import tr

LEAST_EXAMPLES = 10
"""Minimum number of examples of each class for training, and of held-out examples of both for scoring."""


def train_classifier(
    good: str | Path | Sequence[str],
    bad: str | Path | Sequence[str],
    folder: str | Path,
    *,
    settings: TrainingSettings | dict[str, Any] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Train a classifier of `good` and `bad` texts, write it to `folder`, and return its scores on held-out examples.

    good, bad: files, folders or patterns, in any format that a corpus reads. Equal texts count once; a text that is in
    both classes is left out. A hash of seed and text decides which examples are held out. `held_out` has separate
    scores for all texts, for texts with mostly Han characters, and for the others: examples, accuracy (at 0.5),
    majority (the accuracy of always predicting the larger class) and roc_auc; None if a class has no example there.
    Raises DataError for too few examples, BusyError while another process is writing the folder.
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
    """Do the work of `train_classifier` in a folder that is already locked."""
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
    """Return the different texts of a class, in reading order."""
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
    """Return weights and bias that minimise mean loss plus penalty, with equal weight for both classes."""
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
    """Return the scores on held-out texts: all, those with mostly Han characters, and the others."""
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
    """Return accuracy, that of always predicting the larger class, and area under the ROC curve (ties count 1/2)."""
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
    """Write the classifier; `classifier.json` is written last."""
    from safetensors.numpy import save_file

    (folder / "classifier.json").unlink(missing_ok=True)
    with temporary_path(folder / "weights.safetensors") as path:
        tensors = {"weights": classifier.weights, "bias": np.array([classifier.bias], np.float32)}
        save_file(tensors, path, metadata={"format": "pt"})
    digest = file_digest(folder / "weights.safetensors")
    write_state(folder / "classifier.json", classifier.facts | {"weights": digest})


def classifier_text(values: dict[str, Any]) -> str:
    """Return the result of `train_classifier` as text for a terminal."""
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
