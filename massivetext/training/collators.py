"""From rows of ids to a batch with labels, under Hugging Face's names. Legend: B rows, T tokens."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from massivetext.errors import ConfigError
from massivetext.layers.loss import IGNORED_LABEL

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
    ) -> None:
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
