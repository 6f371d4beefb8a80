"""BERT (arXiv:1810.04805): learned positions, two kinds of tokens, norm after each half of a block, a pooler."""

from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from massivetext.layers.feedforward import activation
from massivetext.models.encoder import EncoderConfig, EncoderModel
from massivetext.models.heads import labelling as heads
from massivetext.models.model import PretrainedModel
from massivetext.models.outputs import EncoderOutput

HEADS = ("cls.predictions.", "cls.seq_relationship.", "classifier.", "qa_outputs.")
WORDS = "bert.embeddings.word_embeddings.weight"


class BertConfig(EncoderConfig):
    """The shape of a BERT model."""

    model_type: ClassVar[str] = "bert"


class Bert(PretrainedModel):
    """What all BERT classes share."""

    config_class: ClassVar[Any] = BertConfig
    body = "bert"
    bodies = ("bert",)
    heads = HEADS
    inner_heads = ("pooler.",)


class BertModel(Bert, EncoderModel):
    """BERT without a head."""

    body = ""


class Transform(nn.Module):
    """Project, activate, norm: what stands before the vocabulary's matrix."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.act = activation(config.hidden_act)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (..., D) for hidden states (..., D)."""
        return cast(Tensor, self.LayerNorm(self.act(self.dense(hidden))))


class Predictions(nn.Module):
    """The language model's head without its matrix, which is the word embedding."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.transform = Transform(config)
        self.bias = nn.Parameter(torch.empty(config.vocab_size))


class BertForMaskedLM(Bert, heads.MaskedLM):
    """BERT that predicts masked tokens."""

    model_class = BertModel
    tied: ClassVar[dict[str, str]] = {
        "cls.predictions.decoder.weight": WORDS,
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }

    def build_head(self, config: EncoderConfig) -> None:
        """Make the head."""
        self.cls = nn.ModuleDict({"predictions": Predictions(config)})

    def predict(self, encoded: EncoderOutput) -> Tensor:
        """Return the logits (B, T, V)."""
        head = cast(Predictions, self.cls["predictions"])
        return functional.linear(head.transform(encoded.last_hidden_state), self.words, head.bias)


class BertForSequenceClassification(Bert, heads.SequenceClassification):
    """BERT that labels texts, by the pooler's output."""

    model_class = BertModel
    pooled = True

    def build_head(self, config: EncoderConfig) -> None:
        """Make the classifier."""
        self.dropout = nn.Dropout(self.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)

    def predict(self, encoded: EncoderOutput) -> Tensor:
        """Return the logits (B, L)."""
        return cast(Tensor, self.classifier(self.dropout(encoded.pooler_output)))


class BertForTokenClassification(Bert, heads.TokenClassification):
    """BERT that labels tokens."""

    model_class = BertModel


class BertForQuestionAnswering(Bert, heads.QuestionAnswering):
    """BERT that finds answers inside a text."""

    model_class = BertModel


class BertForMultipleChoice(Bert, heads.MultipleChoice):
    """BERT that chooses one of several continuations."""

    model_class = BertModel
