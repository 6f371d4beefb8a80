"""Choosing one of several continuations. Legend: B rows, C choices, T tokens, D features."""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from massivetext.errors import ModelError
from massivetext.layers.loss import precise
from massivetext.models.encoder import LabellingEncoder
from massivetext.models.heads.losses import check_labels
from massivetext.models.heads.scorers import Scorer
from massivetext.models.outputs import HeadOutput, Record


class MultipleChoice(LabellingEncoder):
    """Chooses one of several continuations: logits (B, C) for inputs (B, C, T)."""

    task = "multiple-choice"
    scorer: ClassVar[Scorer]

    def build_head(self, config: Any) -> None:
        """Make the score."""
        self.scorer.build(self, self.width, 1, config.dropout_before(self.task))

    def project(self, hidden: Tensor) -> Tensor:
        """Return the scores (...) of hidden states (..., D)."""
        return self.scorer.scores(self, hidden)[..., 0]

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross entropy of labels (B,)."""
        check_labels(labels, logits.shape[1])
        return functional.cross_entropy(precise(logits), labels)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> HeadOutput:
        """Return the logits (B, C) and, with labels (B,), the mean loss; inputs are (B, C, T)."""
        if input_ids.ndim != 3:
            raise ModelError(f"input_ids is {tuple(input_ids.shape)}; multiple choice needs (rows, choices, tokens)")
        given = (input_ids, attention_mask, token_type_ids, position_ids)
        ids, mask, kinds, positions = (None if part is None else part.flatten(0, 1) for part in given)
        assert ids is not None
        wanted = output_hidden_states or output_attentions
        record = Record([], [] if output_attentions else None) if wanted else None
        hidden = self.hidden(self.embed(ids, kinds, positions), mask, record)  # (B * C, T, D)
        logits = self.project(torch.unflatten(self.summary(hidden, ids), 0, input_ids.shape[:2]))
        loss = None if labels is None else self.loss(logits, labels)
        shown = () if record is None else record.shown(hidden, output_hidden_states)
        return HeadOutput(loss, logits, *shown)

    def probe_inputs(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return one choice."""
        return {"input_ids": input_ids[None]}
