"""The causal families without their language model's head: the bare decoder, and with another head.

Legend: B rows, T tokens, D features, L labels.

Inside is the family's causal model with a tied head, which has no weights of its own, so that the way through it and
the names of its weights are said once. The classes of the families are in decoder_families.py.
"""

from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from massivetext.errors import ModelError
from massivetext.models.decoder import CausalDecoder
from massivetext.models.heads.labelling import answered, sequence_loss, token_loss
from massivetext.models.model import PretrainedModel
from massivetext.models.outputs import EncoderOutput, HeadOutput, Record, SpanOutput

INSIDE = "decoder."
TRANSFORMER = "transformer."  # what some families' question answerers call the decoder in their files


class DecoderModel(PretrainedModel):
    """A causal family's decoder without a head. Base of the families, not used by itself."""

    decoder_class: ClassVar[type[CausalDecoder]]
    heads = ("score.", "lm_head.", "embed_out.", "classifier.", "qa_outputs.")

    def __init_subclass__(cls, of: type[CausalDecoder] | None = None) -> None:
        """Note whose decoder it is."""
        if of is not None:
            cls.decoder_class, cls.config_class = of, of.config_class

    def build(self, config: Any) -> None:
        """Make the decoder."""
        with torch.device("cpu"):  # rotary frequencies follow from the configuration: they are numbers from the start
            self.decoder = self.decoder_class(config.changed(tie_word_embeddings=True), None)

    def initialise(self, seed: int) -> Self:
        """Give every parameter its first value, the decoder's as its family does, and return the model."""
        self.decoder.initialise(seed)
        body = {name: tensor for name, tensor in self.state_dict().items() if name.startswith(INSIDE)}
        others = {name: value for name, value in self.state_dict(keep_vars=True).items() if name not in body}
        self.load_weights(body | self.fresh(seed, others))
        return self.train()

    def stored_weights(self) -> dict[str, Tensor]:
        """Return the weights under the names and in the layout of the family's files of the bare model."""
        base = self.decoder.stored_base
        return {name.removeprefix(base): tensor for name, tensor in self.decoder.stored_weights().items()}

    def take(self, weights: dict[str, Tensor], where: str, seed: int = 0) -> None:
        """Take over the tensors of a file; see `PretrainedModel.take`."""
        apart = {name: tensor for name, tensor in weights.items() if name.startswith(self.heads)}
        body = {name.removeprefix(TRANSFORMER): weights[name] for name in weights if name not in apart}
        body = self.decoder.tidy(body, where)
        inside = self.decoder.from_stored(body, where)
        super().take({**apart, **{INSIDE + name: tensor for name, tensor in inside.items()}}, where, seed)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> EncoderOutput:
        """Return last_hidden_state (B, T, D), behind the final norm; arguments as for `CausalDecoder.forward`."""
        self.decoder.check_ids(input_ids)
        record = Record.asked(output_hidden_states, output_attentions)
        hidden = self.decoder.read(input_ids, attention_mask, position_ids, record=record)
        return EncoderOutput(hidden, None, *Record.shown(record, hidden, output_hidden_states))


class DecoderWithHead(DecoderModel):
    """A causal family's decoder with one matrix, and perhaps a bias, behind it."""

    head: ClassVar[str]
    """The head's name."""
    bias: ClassVar[bool] = True
    stored_base: ClassVar[str | None] = None
    """How the names of the decoder's weights begin in files; None: as with the language model's head."""

    def build(self, config: Any) -> None:
        """Make the decoder and the head."""
        super().build(config)
        features = self.decoder.model.embed_tokens.embedding_dim
        self.add_module(self.head, nn.Linear(features, self.outputs(config), self.bias))

    def outputs(self, config: Any) -> int:
        """Return how many numbers the head gives."""
        return int(config.num_labels)

    def stored_weights(self) -> dict[str, Tensor]:
        """Return the weights under the names and in the layout of the family's files."""
        base, stored = self.decoder.stored_base, self.decoder.stored_weights()
        if self.stored_base is not None:
            stored = {self.stored_base + name.removeprefix(base): tensor for name, tensor in stored.items()}
        return stored | {name: tensor for name, tensor in self.state_dict().items() if not name.startswith(INSIDE)}

    def score_of(self, hidden: Tensor) -> Tensor:
        """Return what the head gives, (..., L), for hidden states (..., D)."""
        return cast(Tensor, getattr(self, self.head)(hidden))


class DecoderLabelling(DecoderWithHead):
    """A causal family's decoder whose head gives logits, and whose labels give one loss."""

    def predict(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return the logits for hidden states (B, T, D) of ids (B, T)."""
        raise NotImplementedError

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss."""
        raise NotImplementedError

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> HeadOutput:
        """Return the logits and, with labels, the mean loss; other arguments as for `CausalDecoder.forward`."""
        read = super().forward(input_ids, attention_mask, position_ids, output_hidden_states, output_attentions)
        logits = self.predict(read.last_hidden_state, input_ids)
        loss = None if labels is None else self.loss(logits, labels)
        return HeadOutput(loss, logits, read.hidden_states, read.attentions)


class DecoderForSequenceClassification(DecoderLabelling):
    """A causal family's decoder that labels texts, logits (B, L), by the last token that is no padding."""

    head, bias = "score", False

    def predict(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return the logits (B, L)."""
        rows = torch.arange(input_ids.shape[0], device=input_ids.device)
        return self.score_of(hidden[rows, self.last_tokens(input_ids)])

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss that `problem_type` says (see `sequence_loss`)."""
        return sequence_loss(logits, labels, self.config)

    def last_tokens(self, input_ids: Tensor) -> Tensor:
        """Return the place of each row's last token that is not the padding id, (B,), whichever side is padded."""
        padding, (batch, tokens) = self.config.pad_token_id, input_ids.shape
        if padding is None and batch > 1:
            raise ModelError(
                f"{batch} texts are to be labelled by their last token, and the configuration has no pad_token_id that "
                f"tells where a text ends; load the model with pad_token_id=tokenizer.pad_token_id, or give one text "
                f"at a time"
            )
        places = torch.arange(tokens, device=input_ids.device).expand(batch, tokens)
        return places[:, -1] if padding is None else (places * (input_ids != padding)).argmax(dim=1)


class DecoderForTokenClassification(DecoderLabelling):
    """A causal family's decoder that labels tokens, logits (B, T, L), by what stands before them and themselves."""

    head = "score"

    def build(self, config: Any) -> None:
        """Make the decoder, the dropout and the classifier."""
        super().build(config)
        share = config.classifier_dropout
        self.dropout = nn.Dropout(0.1 if share is None else share)

    def predict(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return the logits (B, T, L)."""
        return self.score_of(self.dropout(hidden))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of labels (B, T) over those that are not -100."""
        return token_loss(logits, labels)


class DecoderForQuestionAnswering(DecoderWithHead):
    """A causal family's decoder that finds the answer to a question inside a text: its first and last token."""

    head = "qa_outputs"

    def outputs(self, config: Any) -> int:
        """Return two: the scores of the first and of the last token."""
        return 2

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> SpanOutput:
        """Return start_logits and end_logits (B, T); with both positions (B,) the mean loss, see `answered`."""
        read = super().forward(input_ids, attention_mask, position_ids, output_hidden_states, output_attentions)
        spans = answered(self.score_of(read.last_hidden_state), start_positions, end_positions)
        return SpanOutput(*spans, read.hidden_states, read.attentions)
