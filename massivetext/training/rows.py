"""Training data as programs have it (texts, columns of ids, rows with labels) as the batches of a run.

Texts and unlabelled ids are packed: a stream of documents cut into rows, nothing padded (`packed_batches`). Rows with
labels of their own, or a collator of the user's, stay rows (`RowBatches`). Legend: B rows, T tokens.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from xxhash import xxh3_64_intdigest, xxh3_128_hexdigest

from massivetext.errors import ConfigError, DataError
from massivetext.tokens.labels import IGNORED_LABEL
from massivetext.tokens.order import TrainingOrder
from massivetext.tokens.store import Documents, Shard
from massivetext.training.checking import named_labels, report_skipped

if TYPE_CHECKING:
    from massivetext.tokens.tokenizer import Tokenizer

TEXTS_AT_ONCE = 1000
MOST_PACKED_CONTEXT = 1024
Collator = Callable[[list[Any]], Mapping[str, Any]]


def chosen_split(dataset: Any, names: Sequence[str]) -> Any:
    """Return the first split of `names` that a DatasetDict (or a mapping of splits) has; anything else as it is."""
    if isinstance(dataset, Mapping) and dataset and all(hasattr(split, "features") for split in dataset.values()):
        for name in names:
            if name in dataset:
                return dataset[name]
        raise DataError(f"the dataset has the splits {', '.join(dataset)}; needed: {' or '.join(names)}")
    return dataset


def as_rows(dataset: Any) -> Any:
    """Return a dataset as a sequence of rows: a mapping of columns (a tokenizer's output) is turned; others stay."""
    if isinstance(dataset, Mapping):
        columns = {name: column for name, column in dataset.items() if hasattr(column, "__len__")}
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1:
            raise DataError(f"the columns {', '.join(map(str, dataset))} differ in length; give as many values in each")
        return [{name: columns[name][row] for name in columns} for row in range(lengths.pop())]
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise DataError(
            f"train_dataset is a {type(dataset).__name__}, which has no length or cannot be asked for its n-th row; "
            f"give a datasets.Dataset, a DatasetDict, a list of rows, or a tokenizer's output"
        )
    if not len(dataset):
        raise DataError("train_dataset is empty; give at least one row")
    return dataset


def first_rows(dataset: Any, most: int = TEXTS_AT_ONCE) -> list[Any]:
    """Return the first rows of a dataset, which tell what its rows are."""
    return [dataset[index] for index in range(min(len(dataset), most))]


def text_column(rows: Sequence[Any]) -> str | None:
    """Return which column holds the text of raw rows: "text", else the only one of strings; None if there is none.

    Rows that are strings themselves have the column "". Of several rows the first that is not empty decides.
    """
    row = next((row for row in rows if isinstance(row, str) or _has_text(row)), rows[0])
    if isinstance(row, str):
        return ""
    if not isinstance(row, Mapping) or "input_ids" in row:
        return None
    strings = [name for name, value in row.items() if isinstance(value, str)]
    if "text" in strings:
        return "text"
    if len(strings) > 1:
        raise DataError(
            f"the rows have several columns of text ({', '.join(strings)}) and none is called 'text'; rename the one "
            f"to train on, e.g. dataset.rename_column({strings[0]!r}, 'text')"
        )
    return strings[0] if strings else None


def _has_text(row: Any) -> bool:
    return isinstance(row, Mapping) and any(isinstance(value, str) for value in row.values())


def texts_of(rows: Any, column: str) -> list[str]:
    """Return the texts of raw rows; those that are None or empty are left out and counted in the log."""
    texts: list[str] = []
    skipped = Counter[str]()
    for number in range(len(rows)):
        row = rows[number]
        text = row if column == "" or row is None else row.get(column)
        if text is None or text == "":
            skipped["the text is None" if text is None else "the text is empty"] += 1
        elif not isinstance(text, str):
            where = f"column {column!r}" if column else "the row"
            raise DataError(f"row {number}: {where} holds a {type(text).__name__}; every text must be a str")
        else:
            texts.append(text)
    report_skipped(skipped, len(rows))
    return texts


class DocumentsInMemory:
    """Encoded documents with the interface of a token store that `TrainingOrder` reads: one split, one source."""

    folder = Path("the dataset")
    source = "data"

    def __init__(self, ids: np.ndarray, offsets: np.ndarray, start_id: int) -> None:
        self.start_id = start_id
        self._documents = Documents([Shard(self.folder, ids, offsets)])
        self.digest = xxh3_128_hexdigest(ids.tobytes() + offsets.tobytes())

    def sources(self, split: str) -> list[str]:
        """Return the only source."""
        return [self.source]

    def documents(self, split: str, source: str) -> Documents:
        """Return the documents."""
        return self._documents


def encode_rows(rows: Any, column: str | None, tokenizer: "Tokenizer", start_id: int) -> DocumentsInMemory:
    """Return the documents of raw texts (in `column`), or of rows that have input_ids already (column None).

    Padding is dropped, and so is a leading start id (each document gets its own in the stream).
    """
    parts: list[np.ndarray] = []
    lengths: list[int] = []
    found: Any = rows if column is None else texts_of(rows, column)
    for begin in range(0, len(found), TEXTS_AT_ONCE):
        some = [found[index] for index in range(begin, min(begin + TEXTS_AT_ONCE, len(found)))]
        if column is None:
            encoded: Iterable[Any] = [_real_ids(row, start_id) for row in some]
        else:
            encoded = tokenizer.encode_ordinary_batch(some)
        for ids in encoded:
            if len(ids):
                parts.append(np.asarray(ids, dtype=np.uint32))
                lengths.append(len(ids))
    if not parts:
        raise DataError("train_dataset holds no text: every row is empty; give rows with text")
    offsets = np.cumsum([0, *lengths]).astype(np.uint64)
    return DocumentsInMemory(np.concatenate(parts), offsets, start_id)


def _real_ids(row: Mapping[str, Any], start_id: int) -> np.ndarray:
    ids = np.asarray(row["input_ids"])
    if row.get("attention_mask") is not None:
        ids = ids[np.asarray(row["attention_mask"]) != 0]
    return ids[1:] if len(ids) and ids[0] == start_id else ids


def packed_batches(documents: DocumentsInMemory, most_context: int, rows: int, seed: int) -> TrainingOrder:
    """Return batches of `rows` packed rows, as long as the model's context, 1024 tokens, or the text: the least."""
    everything = documents.documents("train", DocumentsInMemory.source)
    context = min(most_context, MOST_PACKED_CONTEXT, everything.tokens + len(everything))
    store: Any = documents
    return TrainingOrder(store, "train", None, max(context, 2), rows, seed)


@dataclass(frozen=True, kw_only=True)
class RowBatch:
    """Rows with labels as arrays (B, T), in the form of `tokens.order.Batch`."""

    input_ids: np.ndarray
    labels: np.ndarray
    positions: np.ndarray
    segments: np.ndarray
    sources: np.ndarray


class RowBatches:
    """A dataset's own rows in batches, permuted anew each pass; the last batch of a pass may be smaller."""

    sources = ("data",)

    def __init__(self, dataset: Any, collate: Collator, rows: int, seed: int | None, parts: int = 1) -> None:
        self.dataset, self.collate, self.rows, self.seed, self.parts = dataset, collate, rows, seed, parts
        self.steps_per_pass = math.ceil(len(dataset) / rows)
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def _permutation(self, number: int) -> np.ndarray:
        """Return the order of the rows in a pass; that of the dataset itself where there is no seed."""
        if self.seed is None:
            return np.arange(len(self.dataset))
        if self._order[0] != number:
            key = xxh3_64_intdigest(f"{self.seed}/order of rows/{number}".encode())
            self._order = (number, np.random.Generator(np.random.Philox(key)).permutation(len(self.dataset)))
        return self._order[1]

    def batch(self, step: int) -> list[Mapping[str, Any]]:
        """Return the rows of a step, collated in as many parts as they are computed in."""
        number, index = divmod(step, self.steps_per_pass)
        chosen = self._permutation(number)[index * self.rows : (index + 1) * self.rows]
        examples = [self.dataset[int(row)] for row in chosen]
        part = -(-len(examples) // self.parts)
        with torch.random.fork_rng(devices=[]):  # a collator that masks draws the same lots
            torch.manual_seed(xxh3_64_intdigest(f"{self.seed}/collate/{step}".encode()) >> 1)
            return [dict(self.collate(examples[begin : begin + part])) for begin in range(0, len(examples), part)]


class CausalRowBatches:
    """Collated rows with labels in the form of packed rows: each row one document, padding a segment of its own."""

    def __init__(self, inner: RowBatches) -> None:
        self.inner, self.sources, self.steps_per_pass = inner, inner.sources, inner.steps_per_pass

    def batch(self, step: int) -> RowBatch:
        """Return the rows of a step; labels are shifted by one here, as in `tokens.order.Batch`."""
        (collated,) = self.inner.batch(step)
        ids = torch.as_tensor(collated["input_ids"])
        mask = torch.as_tensor(collated.get("attention_mask", torch.ones_like(ids))).long()
        labels = torch.full_like(ids, IGNORED_LABEL)
        found = collated.get("labels")
        if found is None or np.shape(found) != tuple(ids.shape):
            raise DataError(
                f"a batch has input_ids {tuple(ids.shape)} and labels {None if found is None else np.shape(found)}; a "
                f"causal model needs one label for each token: pass a data_collator that pads both alike, such as "
                f"DataCollatorForLanguageModeling(tokenizer, mlm=False)"
            )
        labels[:, :-1] = torch.as_tensor(collated["labels"])[:, 1:]
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        return RowBatch(
            input_ids=ids.numpy(),
            labels=labels.numpy(),
            positions=positions.numpy(),
            segments=mask.numpy().astype(np.int32),
            sources=np.zeros(len(ids), np.int32),
        )


def stack_rows(rows: Sequence[Any]) -> dict[str, Tensor]:
    """Return the columns of rows as tensors: the collator of rows that need no padding. Labels are called "labels"."""
    if not isinstance(rows[0], Mapping):
        raise ConfigError(
            f"a row of the dataset is a {type(rows[0]).__name__}; give rows as mappings from argument names of the "
            f"model to values, or pass a data_collator that makes such a mapping of a list of rows"
        )
    names = [name for name, value in rows[0].items() if not isinstance(value, str)]
    columns = {name: [torch.as_tensor(row[name]) for row in rows] for name in names}
    uneven = [name for name, column in columns.items() if len({value.shape for value in column}) > 1]
    if uneven:
        raise DataError(f"rows differ in the shape of {', '.join(uneven)}; pass a data_collator that pads them")
    return named_labels({name: torch.stack(column) for name, column in columns.items()})
