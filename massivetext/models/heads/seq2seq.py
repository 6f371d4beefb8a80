"""Language models that read one text and write another. Legend: B rows, T tokens, D features, V vocabulary."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from massivetext.errors import ModelError
from massivetext.layers.loss import mean_loss
from massivetext.models.encoder_decoder import LabellingEncoderDecoder
from massivetext.models.heads.losses import check_labels
from massivetext.models.writing import write

FINAL_BIAS = "final_logits_bias"


class Seq2SeqLM(LabellingEncoderDecoder):
    """Writes a text after reading another, logits (B, T, V); the head's matrix is the embedding, or one of its own."""

    task = "seq2seq-lm"

    def build_head(self, config: Any) -> None:
        """Make the matrix where it is not tied, and the bias where the family has one."""
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if self.body.final_bias:
            self.register_buffer(FINAL_BIAS, torch.zeros(1, config.vocab_size))

    @property
    def head_matrix(self) -> Tensor:
        """The matrix (V, D) that turns hidden states into logits."""
        return self.body.words if self.config.tie_word_embeddings else self.lm_head.weight

    def project(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., V) of hidden states (..., D)."""
        logits = functional.linear(self.body.scale(hidden), self.head_matrix)
        return logits + self.get_buffer(FINAL_BIAS) if self.body.final_bias else logits

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of labels (B, T) over those that are not -100."""
        return mean_loss(logits, labels)

    def written(self, input_ids: Tensor, decoder_input_ids: Tensor | None, labels: Tensor | None) -> Tensor:
        """Return what the decoder reads: ids that were given, or the labels, one place to the right."""
        if decoder_input_ids is not None:
            return decoder_input_ids
        if labels is None:
            raise ModelError(
                "an encoder-decoder needs decoder_input_ids or labels; to write text, call generate(input_ids)"
            )
        check_labels(labels, self.config.vocab_size)
        return self.shifted(labels)

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor | Mapping[str, Tensor],
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """Return the decoder's ids, (B * num_return_sequences, 1 + new tokens) int64; see `models.writing.write`."""
        return write(self, input_ids, attention_mask, decoder_input_ids, **options)
