"""The rows of a dataset, checked before training: what cannot be learned from is skipped and counted, mistakes stop.

One pass over the rows finds their digest, their lengths and what is wrong with them.
"""

import inspect
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from xxhash import xxh3_128

from massivetext.errors import ConfigError, DataError
from massivetext.progress import log
from massivetext.tokens.labels import IGNORED_LABEL
from massivetext.translations import tr

LABEL_COLUMNS = ("label", "labels", "label_ids")
"""Names under which datasets keep labels; models take the second."""


class ChosenRows:
    """Some rows of a dataset, and of each row some columns."""

    def __init__(self, dataset: Any, indices: np.ndarray, columns: frozenset[str] | None = None) -> None:
        """columns: those that are kept; None: all."""
        self.dataset, self.indices, self.columns = dataset, indices, columns

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return chosen_columns(self.dataset[int(self.indices[index])], self.columns)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))


@dataclass(frozen=True)
class Checked:
    """What the pass over the rows found."""

    rows: ChosenRows
    digest: str
    """Of the content of all rows that are used."""
    lengths: frozenset[int]
    """Lengths of input_ids; empty where rows have none."""


@dataclass(frozen=True)
class Limits:
    """What the model allows in a row; None: not known."""

    vocabulary: int | None = None
    """Ids are 0 to one below this."""
    labels: int | None = None
    """Labels are 0 to one below this, or -100."""
    label_per_token: bool = False
    """Whether a row has as many labels as input_ids."""


TASKS = {
    "ForCausalLM": "causal-lm", "ForMaskedLM": "masked-lm", "ForConditionalGeneration": "seq2seq-lm",
    "ForTokenClassification": "token-classification", "ForSequenceClassification": "sequence-classification",
}  # fmt: skip
"""What models of transformers call their loss (`loss_type`), and the task as models here say it."""


def task_of(model: nn.Module) -> str | None:
    """Return what a model says that its head is for; None: it has none, or does not say."""
    return getattr(model, "task", None) or TASKS.get(getattr(model, "loss_type", None) or "")


def limits_of(model: nn.Module) -> Limits:
    """Return what a model's configuration allows, by its task."""
    config, task = getattr(model, "config", None), task_of(model)
    vocabulary, count = getattr(config, "vocab_size", None), getattr(config, "num_labels", None)
    vocabulary = vocabulary if isinstance(vocabulary, int) else None
    if task in ("causal-lm", "masked-lm"):
        return Limits(vocabulary, vocabulary, True)
    if task == "seq2seq-lm":
        return Limits(vocabulary, vocabulary)
    if task == "token-classification":
        return Limits(vocabulary, count, True)
    single = getattr(config, "problem_type", None) in (None, "single_label_classification") and (count or 0) > 1
    return Limits(vocabulary, count if task == "sequence-classification" and single else None)


def taken_columns(model: nn.Module) -> frozenset[str] | None:
    """Return the columns that a model's forward takes, and those of labels; None: it takes any."""
    parameters = inspect.signature(model.forward).parameters
    named = [name for name, one in parameters.items() if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
    return frozenset([*named, *LABEL_COLUMNS]) if named else None


def check_rows(dataset: Any, model: nn.Module, remove_unused: bool, strict: bool) -> Checked:
    """Return the rows that can be learned from; log how many are skipped and why, and which columns are dropped.

    remove_unused: drop the columns that the model's forward does not take. strict: raise ConfigError for such columns
    otherwise, because nothing else would use them. Raises DataError for ids, labels and lengths that do not fit the
    model, naming the row.
    """
    columns = _kept_columns(dataset[0], model, remove_unused, strict)
    limits, kept, lengths, skipped = limits_of(model), [], set(), Counter[str]()
    digest = xxh3_128()
    for number, row in enumerate(_each(dataset)):
        row = chosen_columns(row, columns)
        reason = _unusable(row, limits)
        if reason is not None:
            skipped[reason] += 1
            continue
        if isinstance(row, Mapping):
            _check_fit(row, number, limits)
            if "input_ids" in row and hasattr(row["input_ids"], "__len__"):
                lengths.add(len(row["input_ids"]))
        kept.append(number)
        feed(digest, row)
    report_skipped(skipped, len(dataset))
    return Checked(ChosenRows(dataset, np.asarray(kept), columns), digest.hexdigest(), frozenset(lengths))


def report_skipped(skipped: Mapping[str, int], total: int) -> None:
    """Log how many rows are skipped and why; raise DataError where none is left."""
    if not skipped:
        return
    reasons = ", ".join(f"{reason} ({count:,})" for reason, count in sorted(skipped.items()))
    if sum(skipped.values()) == total:
        raise DataError(f"none of the {total:,} rows can be learned from: {reasons}; give rows with text and labels")
    log(
        tr(
            "{count} of {total} rows are skipped: {reasons}",
            count=f"{sum(skipped.values()):,}",
            total=f"{total:,}",
            reasons=reasons,
        )
    )


def _each(dataset: Any) -> Iterator[Any]:
    """Yield the rows; a `datasets.Dataset` is read in batches, anything else row by row."""
    return iter(dataset) if hasattr(dataset, "features") else (dataset[index] for index in range(len(dataset)))


def chosen_columns(row: Any, columns: frozenset[str] | None) -> Any:
    """Return a row with only these columns; a row that is no mapping stays as it is."""
    if columns is None or not isinstance(row, Mapping):
        return row
    return {name: value for name, value in row.items() if name in columns}


def named_labels(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row, or a batch, with its labels under the name that models take."""
    return {"labels" if name in LABEL_COLUMNS else name: value for name, value in row.items()}


def _kept_columns(row: Any, model: nn.Module, remove_unused: bool, strict: bool) -> frozenset[str] | None:
    """Return the columns to keep, None for all; see `check_rows`."""
    taken = taken_columns(model) if isinstance(row, Mapping) else None
    unused = [] if taken is None else [str(name) for name in row if name not in taken]
    if not unused:
        return taken if remove_unused else None
    names, class_name = ", ".join(unused), type(model).__name__
    assert taken is not None
    if remove_unused and len(unused) == len(row):
        raise ConfigError(
            f"the rows have the columns {names}, and {class_name}.forward takes none of them "
            f"({', '.join(sorted(taken))}); rename the columns, or set remove_unused_columns=False where a "
            f"data_collator makes others of them"
        )
    if remove_unused:
        log(tr("columns that {model} does not take are left out: {names}", model=class_name, names=names))
        return taken
    if strict:
        raise ConfigError(
            f"the rows have the columns {names}, which {class_name}.forward does not take; leave "
            f"remove_unused_columns at True, or pass a data_collator that uses them"
        )
    return None


def _unusable(row: Any, limits: Limits) -> str | None:
    """Return why nothing can be learned from a row, or None."""
    if row is None:
        return "the row is None"
    if not isinstance(row, Mapping):
        return None
    for name, value in row.items():
        if value is None:
            return f"{name} is None"
    ids, labels = row.get("input_ids"), named_labels(row).get("labels")
    if ids is not None and hasattr(ids, "__len__") and not len(ids):
        return "input_ids is empty"
    if limits.labels is None or not isinstance(labels, (list, tuple, np.ndarray, Tensor)) or np.ndim(labels) != 1:
        return None
    return "every label is -100" if all(int(label) == IGNORED_LABEL for label in labels) else None


def _check_fit(row: Mapping[str, Any], number: int, limits: Limits) -> None:
    """Raise DataError where ids or labels of a row do not fit the model."""
    ids, labels = row.get("input_ids"), named_labels(row).get("labels")
    if ids is not None and limits.vocabulary is not None:
        _check_range(ids, "input_ids", number, limits.vocabulary, "vocab_size")
    if labels is None:
        return
    per_token = limits.label_per_token and "labels" in row
    if per_token and ids is not None and np.shape(labels) != np.shape(ids):
        raise DataError(
            f"row {number} has {_size(labels)} labels and {_size(ids)} input_ids; give one label for each token, "
            f"{IGNORED_LABEL} where there is none"
        )
    if limits.labels is not None:
        what = "vocab_size" if limits.labels == limits.vocabulary else "num_labels"
        _check_range(labels, "labels", number, limits.labels, what)


def _size(values: Any) -> str:
    return str(len(values)) if np.ndim(values) == 1 else f"shape {np.shape(values)} of"


def _check_range(values: Any, name: str, number: int, count: int, what: str) -> None:
    """Raise DataError for a value outside 0 ... count - 1 that is not the ignored label."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        if array.dtype.kind in "fb" and name == "labels":  # the model decides what such labels mean
            return
        raise DataError(f"row {number}: {name} holds {array.dtype}; allowed: whole numbers")
    wrong = (array < 0) | (array >= count)
    if name == "labels":
        wrong &= array != IGNORED_LABEL
    if wrong.any():
        also = f", and {IGNORED_LABEL} for none" if name == "labels" else ""
        remedy = "load the model with num_labels=..." if what == "num_labels" else "use the model's own tokenizer"
        raise DataError(
            f"row {number}: {name} holds {int(array[wrong].flat[0])}; allowed: 0 to {count - 1} ({what} {count}){also}"
            f"; {remedy}"
        )


def feed(digest: Any, value: Any) -> None:
    """Add a value to a digest: equal contents give equal digests, whatever holds them (list, array or tensor)."""
    if isinstance(value, Mapping):
        for name in sorted(value, key=str):
            feed(digest, str(name))
            feed(digest, value[name])
        return
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], (int, float)):
        array = np.asarray(value) if all(isinstance(entry, (int, float)) for entry in value) else None
        value = value if array is None else array
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biuf":
        wide = np.asarray(value, dtype=np.float64 if value.dtype.kind == "f" else np.int64)
        data = str(wide.shape).encode() + wide.tobytes()
    elif isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
    elif isinstance(value, (list, tuple, np.ndarray)):
        digest.update(f"[{len(value)}".encode())
        for entry in value:
            feed(digest, entry)
        return
    elif value is None or isinstance(value, (int, float)):
        data = repr(value).encode()
    else:
        data = _pickled(value)
    digest.update(f"{type(value).__name__ if isinstance(value, str) else ''}{len(data)}:".encode() + data)


def _pickled(value: Any) -> bytes:
    """Return an object of another kind as bytes; its type's name where it cannot be pickled."""
    try:
        return pickle.dumps(value)
    except Exception:
        return type(value).__name__.encode()
