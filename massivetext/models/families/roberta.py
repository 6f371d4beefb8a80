"""RoBERTa (arXiv:1907.11692) and XLM-R (arXiv:1911.02116): BERT's encoder; positions begin behind the padding id."""

from typing import ClassVar

from massivetext.models.families.bert import Bert, BertConfig


class RobertaConfig(BertConfig):
    """The shape of a RoBERTa model."""

    model_type: ClassVar[str] = "roberta"

    vocab_size: int = 50265
    """Rows of the embedding: at least the tokenizer's ids."""
    bos_token_id: int | None = 0
    """Id put before a text."""
    eos_token_id: int | list[int] | None = 2
    """Id after which a text ends."""
    pad_token_id: int | None = 1
    """Id that fills up short rows; the first position is the one behind it."""

    @property
    def most_tokens(self) -> int:
        """The most tokens that the model reads at once: the positions behind the padding id."""
        return self.max_position_embeddings - (self.pad_token_id or 0) - 1


class XLMRobertaConfig(RobertaConfig):
    """The shape of an XLM-R model: RoBERTa's, with a vocabulary of 100 languages."""

    model_type: ClassVar[str] = "xlm-roberta"

    vocab_size: int = 30522
    """Rows of the embedding: at least the tokenizer's ids."""


class Roberta(Bert):
    """RoBERTa's body."""

    prefixes = ("roberta.",)
    heads = ("lm_head.", "classifier.", "qa_outputs.")
    positions_behind_padding = True
