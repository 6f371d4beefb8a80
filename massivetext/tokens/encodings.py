"""What a tokenizer call returns: columns of lists or tensors, as Hugging Face users know it."""

from collections import UserDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from massivetext.errors import ConfigError, DataError, unknown_name

TENSOR_KINDS = ("pt", "np")
PADDINGS = ("True", "False", "longest", "max_length", "do_not_pad")
# What stands in the columns where a row is padded; other columns (labels, for one) are their collator's business.
PADDING_VALUES = {"attention_mask": 0, "token_type_ids": 0, "special_tokens_mask": 1, "assistant_masks": 0}


class Span(NamedTuple):
    """A stretch of characters or tokens: the first, and the one behind the last."""

    start: int
    end: int


class BatchEncoding(UserDict[str, Any]):
    """Columns (input_ids, attention_mask, ...) by name, also as attributes; `encodings` has the details of each row."""

    def __init__(self, columns: Mapping[str, Any], encodings: Sequence[Any] = ()) -> None:
        super().__init__(columns)
        self.encodings = list(encodings)

    def __getattr__(self, name: str) -> Any:
        if name in ("data", "encodings") or name not in self.data:
            raise AttributeError(name)
        return self.data[name]

    def to(self, device: Any) -> Self:
        """Return the same object with its PyTorch tensors moved to a device."""
        self.data = {name: value.to(device) if hasattr(value, "to") else value for name, value in self.data.items()}
        return self

    def __getitem__(self, key: Any) -> Any:
        """Return a column by name, or the details of one row by its number."""
        if isinstance(key, int):
            return self._row(key)
        if isinstance(key, slice):
            return {name: column[key] for name, column in self.data.items()}
        return self.data[key]

    def convert_to_tensors(self, tensor_type: str | None = None, prepend_batch_axis: bool = False) -> Self:
        """Turn the columns into tensors ("pt") or arrays ("np"), and return the same object."""
        rows = {name: [column] for name, column in self.data.items()} if prepend_batch_axis else self.data
        self.data = as_tensors(dict(rows), tensor_type)
        return self

    @property
    def is_fast(self) -> bool:
        """Whether the details of each row are known."""
        return bool(self.encodings)

    @property
    def n_sequences(self) -> int | None:
        """How many texts each row holds: 1, or 2 for pairs; None where it is not known."""
        return self.encodings[0].n_sequences if self.encodings else None

    def _row(self, number: int) -> Any:
        """Return the details of a row; raise DataError where they are not known."""
        if not self.encodings:
            raise DataError("these rows were not made of texts, so their characters and words are not known")
        if not -len(self.encodings) <= number < len(self.encodings):
            raise DataError(f"row {number} was asked for; there are {len(self.encodings)}, counted from 0")
        return self.encodings[number]

    def _placed(self, first: int, second: int | None) -> tuple[Any, int]:
        """Return the details of a row and a number in it, given as (row, number), or as a number of the first row."""
        return (self._row(0), first) if second is None else (self._row(first), second)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """Return the number of the token that holds a character, None where none does (a space)."""
        row, character = self._placed(batch_or_char_index, char_index)
        found: int | None = row.char_to_token(character, sequence_index)
        return found

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """Return the number of the word that holds a character, None where none does."""
        row, character = self._placed(batch_or_char_index, char_index)
        found: int | None = row.char_to_word(character, sequence_index)
        return found

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> Span | None:
        """Return where the characters of a token begin and end, None for special tokens."""
        row, token = self._placed(batch_or_token_index, token_index)
        found = row.token_to_chars(token)
        return None if found is None else Span(*found)

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """Return the number of a token's word, None for special tokens."""
        row, token = self._placed(batch_or_token_index, token_index)
        found: int | None = row.token_to_word(token)
        return found

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """Return 0 for a token of the first text, 1 for the second, None for special tokens."""
        row, token = self._placed(batch_or_token_index, token_index)
        found: int | None = row.token_to_sequence(token)
        return found

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> Span | None:
        """Return the first token of a word and the one behind its last, None for a word without tokens."""
        row, word = self._placed(batch_or_word_index, word_index)
        found = row.word_to_tokens(word, sequence_index)
        return None if found is None else Span(*found)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> Span | None:
        """Return where the characters of a word begin and end."""
        row, word = self._placed(batch_or_word_index, word_index)
        found = row.word_to_chars(word, sequence_index)
        return None if found is None else Span(*found)

    def tokens(self, batch_index: int = 0) -> list[str]:
        """Return the tokens of one row."""
        return list(self._row(batch_index).tokens)

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """Return for each token of a row the number of its word, None for special tokens."""
        return list(self._row(batch_index).word_ids)

    words = word_ids

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """Return for each token of a row 0 (first text), 1 (second text) or None (special)."""
        return list(self._row(batch_index).sequence_ids)


def as_tensors(columns: dict[str, Any], kind: str | None) -> dict[str, Any]:
    """Return the columns as PyTorch tensors ("pt") or NumPy arrays ("np"), whole numbers as int64; None: unchanged."""
    if kind is None:
        return columns
    if kind not in TENSOR_KINDS:
        raise ConfigError(unknown_name("return_tensors", kind, TENSOR_KINDS))
    for name, rows in columns.items():
        lengths = {len(row) for row in rows if hasattr(row, "__len__")}
        if len(lengths) > 1:
            raise DataError(
                f"the rows of {name} have {min(lengths)} to {max(lengths)} entries, and a tensor needs one length: "
                f"give padding=True, and truncation=True with max_length where rows are too long"
            )
    arrays = {name: _array(name, rows) for name, rows in columns.items()}
    if kind == "np":
        return arrays
    import torch

    return {
        name: torch.from_numpy(array.astype(np.float32) if array.dtype == np.float64 else array)
        for name, array in arrays.items()
    }


def _array(name: str, rows: Any) -> np.ndarray:
    """Return a column as an array; raise DataError for one that holds no numbers."""
    array = np.asarray([as_list(row) for row in rows] if isinstance(rows, (list, tuple)) else rows)
    if array.dtype.kind in "iu" or not array.size:
        return array.astype(np.int64)
    if array.dtype.kind not in "bf":
        raise DataError(
            f"the column {name} holds no numbers and cannot be a tensor; leave it out, or keep it as a list"
        )
    return array


def as_list(ids: Any) -> Any:
    """Return ids given as a number, list, array or tensor as plain Python numbers and lists."""
    return ids.tolist() if hasattr(ids, "tolist") else ids


def padded_length(lengths: Sequence[int], padding: bool | str, max_length: int | None, multiple: int | None) -> int:
    """Return the length that rows are padded to, 0 for none.

    padding: True or "longest", "max_length" (needs max_length), False or "do_not_pad".
    """
    if padding in (False, "do_not_pad") or not lengths:
        return 0
    if padding in (True, "longest"):
        length = max(lengths)
    elif padding == "max_length":
        if max_length is None:
            raise ConfigError(
                "padding='max_length' needs max_length, and the tokenizer has no model_max_length: give it"
            )
        length = max_length
    else:
        raise ConfigError(unknown_name("padding", str(padding), PADDINGS))
    return -(-length // multiple) * multiple if multiple else length


def pad_columns(
    columns: Mapping[str, Sequence[Any]], length: int, pad_id: int, side: str, mask: bool = True
) -> dict[str, list[Any]]:
    """Return the columns with rows filled up to `length`; adds `attention_mask` (1 real, 0 padding) if asked to.

    side: "right" or "left". Columns whose padding value is not known here are returned unchanged.
    """
    check_side(side)
    rows = [as_list(row) for row in columns["input_ids"]]
    result: dict[str, list[Any]] = {name: [as_list(row) for row in column] for name, column in columns.items()}
    if mask and "attention_mask" not in result:
        result["attention_mask"] = [[1] * len(row) for row in rows]
    values = {"input_ids": pad_id, **PADDING_VALUES}
    for name in result:
        if name in values:
            result[name] = [fill(row, length, values[name], side) for row in result[name]]
    return result


def fill(row: list[Any], length: int, value: Any, side: str) -> list[Any]:
    """Return the row with `value` added on one side up to `length`."""
    extra = [value] * max(length - len(row), 0)
    return row + extra if side == "right" else extra + row


def check_side(side: str) -> str:
    """Return the side to pad or cut on; raise ConfigError unless it is "right" or "left"."""
    if side not in ("right", "left"):
        raise ConfigError(unknown_name("side", str(side), ("right", "left")))
    return side


def column(row: Any, name: str) -> Any:
    """Return one row's entry in a column from the backend's encoding."""
    if name == "length":
        return len(row)
    source = {"input_ids": "ids", "token_type_ids": "type_ids", "offset_mapping": "offsets"}
    return getattr(row, source.get(name, name))


def cut(strategy: bool | str, limit: int, added: int, stride: int, side: str) -> dict[str, Any]:
    """Return the backend's arguments for cutting rows to `limit` ids, `added` special ones among them.

    strategy: True or "longest_first" takes from the longer one until both are equal, then from both; "only_first" and
    "only_second" cut one. stride: how many ids the rest that is cut off repeats. Raises DataError where no id of the
    text is left, or where the rest could never end.
    """
    room = limit - added
    if room < 0:
        raise DataError(f"max_length is {limit}, and {added} special tokens leave no room for text; raise it")
    if not 0 <= stride < max(room, 1):
        raise DataError(
            f"stride is {stride} and a row has room for {room} ids of text; it must be at least 0 and below that: "
            f"raise max_length or lower stride"
        )
    name = "longest_first" if strategy is True else strategy
    return {"max_length": limit, "stride": stride, "strategy": name, "direction": check_side(side)}


def not_reversible(text: str, back: str, name: str) -> str:
    """Return the message for a text that its ids do not give back."""
    place = next((i for i, (a, b) in enumerate(zip(text, back, strict=False)) if a != b), min(len(text), len(back)))
    low = max(place - 10, 0)
    return (
        f"the tokenizer {name or ''!r} does not give the text back: {text[low : place + 20]!r} became "
        f"{back[low : place + 20]!r}. A token store needs one whose decode(encode(text)) is the text, or bits per byte "
        f"would be wrong; use a byte-level tokenizer without a normaliser, or train one (every kind but wordpiece is)"
    )
