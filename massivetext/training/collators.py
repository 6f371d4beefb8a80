"""From rows of ids to a batch with labels, under Hugging Face's names. Legend: B rows, T tokens."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from massivetext.errors import ConfigError
from massivetext.hugging_face import checked_options
from massivetext.tokens.encodings import as_list, as_tensors, fill
from massivetext.tokens.labels import IGNORED_LABEL
from massivetext.training.checking import named_labels
from massivetext.training.rows import stack_rows

if TYPE_CHECKING:
    from massivetext.tokens.tokenizer import Tokenizer

MASKED_SHARE = 0.8
RANDOM_SHARE = 0.1


class DataCollatorForLanguageModeling:
    """Pads rows to one length and makes labels: of every token (mlm=False), or of masked ones (BERT, arXiv:1810.04805).

    Labels are not shifted: the model does that. Padding has the label -100, told by the attention mask; a real token
    that happens to be the padding token (often the end of text) keeps its label, unlike in Hugging Face's.
    """

    def __init__(
        self,
        tokenizer: "Tokenizer",
        mlm: bool = True,
        mlm_probability: float = 0.15,
        pad_to_multiple_of: int | None = None,
        return_tensors: str = "pt",
        **options: Any,
    ) -> None:
        name = "DataCollatorForLanguageModeling"
        checked_options(name, options, ("mlm", "mlm_probability", "pad_to_multiple_of", "return_tensors"))
        if mlm and getattr(tokenizer, "mask_token", None) is None:
            raise ConfigError(
                "mlm=True needs a tokenizer with a mask token, and this one has none; pass mlm=False to learn each "
                "next token, or use the tokenizer of a masked model"
            )
        if not 0 < mlm_probability <= 1:
            raise ConfigError(f"mlm_probability is {mlm_probability}; it is a share above 0 and at most 1, e.g. 0.15")
        if return_tensors != "pt":
            raise ConfigError(f"return_tensors is {return_tensors!r}; allowed: 'pt'")
        self.tokenizer, self.mlm, self.mlm_probability = tokenizer, mlm, mlm_probability
        self.pad_to_multiple_of = pad_to_multiple_of

    def __call__(self, examples: Sequence[Any]) -> dict[str, Tensor]:
        """Return input_ids, attention_mask and labels, each (B, T) int64, of rows given as mappings or lists of ids."""
        kept = ("input_ids", "attention_mask", "token_type_ids")
        rows = [
            {name: row[name] for name in kept if name in row} if isinstance(row, Mapping) else {"input_ids": row}
            for row in examples
        ]
        rows = [{"attention_mask": [1] * len(row["input_ids"]), **row} for row in rows]
        batch = dict(self.tokenizer.pad(rows, pad_to_multiple_of=self.pad_to_multiple_of, return_tensors="pt"))
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED_LABEL)
        if self.mlm:
            batch["input_ids"], labels = self.mask_tokens(batch["input_ids"], labels)
        return {**batch, "labels": labels}

    def mask_tokens(self, input_ids: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs with some tokens hidden, and labels of those only, both (B, T); drawn from PyTorch's generator.

        Of the chosen tokens 80 % become the mask token, 10 % a random one, 10 % stay. Special tokens are never chosen.
        """
        special = torch.isin(input_ids, torch.tensor(sorted(self.tokenizer.all_special_ids)))
        may = (labels != IGNORED_LABEL) & ~special
        chosen = may & (torch.rand(input_ids.shape) < self.mlm_probability)
        lot = torch.rand(input_ids.shape)
        hidden = chosen & (lot < MASKED_SHARE)
        replaced = chosen & (lot >= MASKED_SHARE) & (lot < MASKED_SHARE + RANDOM_SHARE)
        inputs = torch.where(hidden, int(self.tokenizer.mask_token_id), input_ids)
        inputs = torch.where(replaced, torch.randint(len(self.tokenizer), input_ids.shape), inputs)
        return inputs, torch.where(chosen, labels, IGNORED_LABEL)


class DataCollatorWithPadding:
    """Pads rows to one length; "label" and "label_ids" are called labels."""

    def __init__(
        self,
        tokenizer: "Tokenizer",
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        return_tensors: str = "pt",
    ) -> None:
        self.tokenizer, self.padding, self.max_length = tokenizer, padding, max_length
        self.pad_to_multiple_of, self.return_tensors = pad_to_multiple_of, return_tensors

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the columns of rows as tensors (B, T)."""
        return self._padded([named_labels(row) for row in features])

    def _padded(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the columns of rows, those of the tokenizer padded."""
        return dict(
            self.tokenizer.pad(
                rows,
                padding=self.padding,
                max_length=self.max_length,
                pad_to_multiple_of=self.pad_to_multiple_of,
                return_tensors=self.return_tensors,
            )
        )


class DataCollatorForTokenClassification(DataCollatorWithPadding):
    """Pads rows and their labels, one for each token, to one length."""

    def __init__(
        self,
        tokenizer: "Tokenizer",
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        label_pad_token_id: int = IGNORED_LABEL,
        return_tensors: str = "pt",
    ) -> None:
        super().__init__(tokenizer, padding, max_length, pad_to_multiple_of, return_tensors)
        self.label_pad_token_id = label_pad_token_id

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the columns of rows as tensors (B, T); labels are padded on the side of the ids."""
        rows = [named_labels(row) for row in features]
        labels = [row.pop("labels") for row in rows if "labels" in row]
        batch = self._padded(rows)
        if labels:
            batch["labels"] = self._padded_labels(labels, batch["input_ids"].shape[1])
        return batch

    def _padded_labels(self, labels: list[Any], length: int) -> Any:
        """Return labels as a tensor (B, length)."""
        side = self.tokenizer.padding_side
        rows = [fill(list(as_list(row)), length, self.label_pad_token_id, side) for row in labels]
        return as_tensors({"labels": rows}, self.return_tensors)["labels"]


class DataCollatorForSeq2Seq(DataCollatorForTokenClassification):
    """Pads sources and labels, each to a length of its own; model: makes decoder_input_ids of the labels."""

    def __init__(
        self,
        tokenizer: "Tokenizer",
        model: Any = None,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        label_pad_token_id: int = IGNORED_LABEL,
        return_tensors: str = "pt",
    ) -> None:
        super().__init__(tokenizer, padding, max_length, pad_to_multiple_of, label_pad_token_id, return_tensors)
        self.model = model

    def __call__(self, features: Sequence[Mapping[str, Any]], return_tensors: str | None = None) -> dict[str, Any]:
        """Return the columns of rows as tensors: sources (B, S), labels and decoder_input_ids (B, T)."""
        batch = super().__call__(features)
        if "labels" in batch and hasattr(self.model, "shifted"):
            batch["decoder_input_ids"] = self.model.shifted(batch["labels"])
        return batch

    def _padded_labels(self, labels: list[Any], length: int) -> Any:
        """Return labels as a tensor (B, T), T the longest of them."""
        longest = max(len(row) for row in labels)
        if self.padding == "max_length" and self.max_length is not None:
            longest = self.max_length
        multiple = self.pad_to_multiple_of or 1
        return super()._padded_labels(labels, -(-longest // multiple) * multiple)


def default_data_collator(features: Sequence[Any], return_tensors: str = "pt") -> dict[str, Any]:
    """Return the columns of rows as tensors; rows of one length. "label" and "label_ids" are called labels."""
    if return_tensors != "pt":
        raise ConfigError(f"return_tensors is {return_tensors!r}; allowed: 'pt'")
    return stack_rows(features)
