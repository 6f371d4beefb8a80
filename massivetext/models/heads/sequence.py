"""Labelling texts: one row of scores for each text. Legend: B rows, D features, L labels."""

from typing import Any, ClassVar

from torch import Tensor

from massivetext.models.heads.losses import sequence_loss
from massivetext.models.heads.scorers import Scorer
from massivetext.models.model import Model


class SequenceClassification(Model):
    """Labels texts, logits (B, L), by what their body takes for a whole text (see `Model.summary`)."""

    task = "sequence-classification"
    scorer: ClassVar[Scorer]

    def build_head(self, config: Any) -> None:
        """Make the classifier."""
        self.scorer.build(self, self.width, config.num_labels, config.dropout_before(self.task))

    def project(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., L) of hidden states (..., D)."""
        return self.scorer.scores(self, hidden)

    def predict(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return the logits (B, L) of hidden states (B, T, D)."""
        return self.project(self.summary(hidden, input_ids))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss that `problem_type` says (see `sequence_loss`)."""
        return sequence_loss(logits, labels, self.config)

    def probe_inputs(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return the probe as a whole text."""
        return {"input_ids": self.ended(input_ids)}
