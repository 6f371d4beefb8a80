"""Sequence classification: one row of scores per text. Legend: B rows, T tokens, D features, L labels."""

from typing import Any, ClassVar

from torch import Tensor

from massivetext.models.heads.losses import sequence_loss
from massivetext.models.heads.scorers import Scorer
from massivetext.models.model import Model


class SequenceClassification(Model):
    """Labels texts: logits (B, L) from the hidden state that represents the whole text (see `Model.summary`)."""

    task = "sequence-classification"
    scorer: ClassVar[Scorer]

    def build_head(self, config: Any) -> None:
        """Make the classifier."""
        self.scorer.build(self, self.width, config.num_labels, config.dropout_before(self.task))

    def project(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., L) for hidden states (..., D)."""
        return self.scorer.scores(self, hidden)

    def predict(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return the logits (B, L) for hidden states (B, T, D)."""
        return self.project(self.summary(hidden, input_ids))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss, which depends on `problem_type` (see `sequence_loss`)."""
        return sequence_loss(logits, labels, self.config)

    def probe_inputs(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return the probe as a complete text (see `Model.ended`)."""
        return {"input_ids": self.ended(input_ids)}
