"""Padding of rows of ids to one length."""

from collections.abc import Mapping, Sequence
from typing import Any

from massivetext.errors import ConfigError, DataError, unknown_name
from massivetext.tokens import encodings
from massivetext.tokens.encodings import BatchEncoding
from massivetext.tokens.special import Vocabulary

NO_LENGTH_LIMIT = int(1e30)  # Hugging Face's number for "the tokenizer knows no limit"


class Padding(Vocabulary):
    """Add the padding of short rows to a tokenizer."""

    model_max_length: int
    model_input_names: list[str]
    padding_side: str

    def _known_limit(self) -> int | None:
        """Return the tokenizer's own length limit, None if it has none."""
        return self.model_max_length if self.model_max_length < NO_LENGTH_LIMIT // 2 else None

    def _pad_rows(self, rows: list[Any], length: int, side: str) -> None:
        """Pad the encodings in place."""
        pad_id, pad_token = self._padding()
        for row in rows:
            row.pad(length, direction=encodings.check_side(side), pad_id=pad_id, pad_token=pad_token)

    def _padding(self) -> tuple[int, str]:
        """Return the padding id and token; raise ConfigError if there is no pad_token."""
        if "pad_token" not in self.specials:
            raise ConfigError(
                "padding is asked for, but the tokenizer has no pad_token; set tokenizer.pad_token = "
                "tokenizer.eos_token, or add one with tokenizer.add_special_tokens({'pad_token': '[PAD]'})"
            )
        token = self.specials["pad_token"]
        return self._require(token, "pad_token"), token

    def pad(
        self,
        encoded_inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Return encoded rows (a mapping of columns, or a list of rows) padded to one length."""
        if not isinstance(encoded_inputs, Mapping):
            names = encoded_inputs[0].keys() if encoded_inputs else ()
            encoded_inputs = {name: [row[name] for row in encoded_inputs] for name in names}
        if "input_ids" not in encoded_inputs:
            raise DataError(unknown_name("column to pad:", "input_ids", encoded_inputs))
        single = bool(len(encoded_inputs["input_ids"])) and not hasattr(encoded_inputs["input_ids"][0], "__len__")
        columns = {name: [value] if single else value for name, value in encoded_inputs.items()}
        lengths = [len(row) for row in columns["input_ids"]]
        length = encodings.padded_length(lengths, padding, max_length or self._known_limit(), pad_to_multiple_of)
        pad_id = self._padding()[0] if any(size < length for size in lengths) else 0
        mask = "attention_mask" in self.model_input_names if return_attention_mask is None else return_attention_mask
        padded = encodings.pad_columns(columns, length, pad_id, padding_side or self.padding_side, mask)
        if single and return_tensors is None:
            return BatchEncoding({name: column[0] for name, column in padded.items()})
        return BatchEncoding(encodings.as_tensors(padded, return_tensors))
