"""RoBERTa (arXiv:1907.11692) and XLM-R (arXiv:1911.02116): BERT's encoder; positions begin behind the padding id."""

from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from massivetext.models.encoder import EncoderConfig, EncoderModel
from massivetext.models.heads import labelling as heads
from massivetext.models.model import PretrainedModel
from massivetext.models.outputs import EncoderOutput

HEADS = ("lm_head.", "classifier.", "qa_outputs.")


class RobertaConfig(EncoderConfig):
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


class Roberta(PretrainedModel):
    """What all RoBERTa classes share."""

    config_class: ClassVar[Any] = RobertaConfig
    body = "roberta"
    bodies = ("roberta",)
    heads = HEADS
    inner_heads = ("pooler.",)


class RobertaModel(Roberta, EncoderModel):
    """RoBERTa without a head."""

    body = ""

    def default_positions(self, input_ids: Tensor) -> Tensor:
        """Return the row of the position embedding for each token, (B, T); padding, told by its id, has its own."""
        padding = self.config.pad_token_id or 0
        real = input_ids != padding
        return real.cumsum(dim=1) * real + padding


class LanguageHead(nn.Module):
    """The language model's head without its matrix, which is the word embedding."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.layer_norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.bias = nn.Parameter(torch.empty(config.vocab_size))


class RobertaForMaskedLM(Roberta, heads.MaskedLM):
    """RoBERTa that predicts masked tokens."""

    model_class: ClassVar[type[EncoderModel]] = RobertaModel
    tied: ClassVar[dict[str, str]] = {
        "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    }

    def build_head(self, config: EncoderConfig) -> None:
        """Make the head."""
        self.lm_head = LanguageHead(config)

    def predict(self, encoded: EncoderOutput) -> Tensor:
        """Return the logits (B, T, V)."""
        inner = self.lm_head.layer_norm(functional.gelu(self.lm_head.dense(encoded.last_hidden_state)))
        return functional.linear(inner, self.words, self.lm_head.bias)


class RobertaForSequenceClassification(Roberta, heads.SequenceClassification):
    """RoBERTa that labels texts, by the first token."""

    model_class: ClassVar[type[EncoderModel]] = RobertaModel

    def build_head(self, config: EncoderConfig) -> None:
        """Make the classifier."""
        self.classifier = heads.TwoLayerClassifier(config.hidden_size, config.num_labels, self.classifier_dropout)

    def predict(self, encoded: EncoderOutput) -> Tensor:
        """Return the logits (B, L)."""
        return cast(Tensor, self.classifier(encoded.last_hidden_state[:, 0]))


class RobertaForTokenClassification(Roberta, heads.TokenClassification):
    """RoBERTa that labels tokens."""

    model_class: ClassVar[type[EncoderModel]] = RobertaModel


class RobertaForQuestionAnswering(Roberta, heads.QuestionAnswering):
    """RoBERTa that finds answers inside a text."""

    model_class: ClassVar[type[EncoderModel]] = RobertaModel


class RobertaForMultipleChoice(Roberta, heads.MultipleChoice):
    """RoBERTa that chooses one of several continuations."""

    model_class: ClassVar[type[EncoderModel]] = RobertaModel


class XLMRobertaModel(RobertaModel):
    """XLM-R without a head."""

    config_class = XLMRobertaConfig


class XLMRobertaForMaskedLM(RobertaForMaskedLM):
    """XLM-R that predicts masked tokens."""

    config_class, model_class = XLMRobertaConfig, XLMRobertaModel


class XLMRobertaForSequenceClassification(RobertaForSequenceClassification):
    """XLM-R that labels texts."""

    config_class, model_class = XLMRobertaConfig, XLMRobertaModel


class XLMRobertaForTokenClassification(RobertaForTokenClassification):
    """XLM-R that labels tokens."""

    config_class, model_class = XLMRobertaConfig, XLMRobertaModel


class XLMRobertaForQuestionAnswering(RobertaForQuestionAnswering):
    """XLM-R that finds answers inside a text."""

    config_class, model_class = XLMRobertaConfig, XLMRobertaModel


class XLMRobertaForMultipleChoice(RobertaForMultipleChoice):
    """XLM-R that chooses one of several continuations."""

    config_class, model_class = XLMRobertaConfig, XLMRobertaModel
