"""Labelling tokens. Legend: B rows, T tokens, D features, L labels."""

from typing import Any, ClassVar

from torch import Tensor

from massivetext.layers.attention import Weights
from massivetext.models.encoder_decoder import EncoderDecoderModel
from massivetext.models.heads.losses import token_loss
from massivetext.models.heads.scorers import Scorer
from massivetext.models.model import Model
from massivetext.models.outputs import HeadOutput


class TokenClassification(Model):
    """Labels tokens, logits (B, T, L)."""

    task = "token-classification"
    scorer: ClassVar[Scorer]

    def build_head(self, config: Any) -> None:
        """Make the classifier."""
        self.scorer.build(self, self.width, config.num_labels, config.dropout_before(self.task))

    def project(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., L) of hidden states (..., D)."""
        return self.scorer.scores(self, hidden)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of labels (B, T) over those that are not -100."""
        return token_loss(logits, labels)


class SourceTokenClassification(TokenClassification, EncoderDecoderModel):
    """The encoder of an encoder-decoder that labels tokens."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> HeadOutput:
        """Return logits (B, S, L) and, with labels (B, S), the mean loss over those that are not -100."""
        kept: Weights = [] if output_attentions else None
        memory = self.encode(input_ids, attention_mask, kept)
        logits = self.project(memory.hidden)
        loss = None if labels is None else self.loss(logits, labels)
        shown = memory.states if output_hidden_states else None
        return HeadOutput(loss, logits, shown, None if kept is None else tuple(kept))

    def probe_inputs(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return the probe."""
        return {"input_ids": input_ids}
