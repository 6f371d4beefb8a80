"""Encoders: the way through a bidirectional body, and what every model on one has.

Legend: B rows, T tokens, D features. A family (families/bert.py, families/distilbert.py) gives embeddings and blocks.
"""

from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from massivetext.errors import ModelError
from massivetext.layers.attention import Weights, readable_mask
from massivetext.models.body import Body
from massivetext.models.ids import INTEGERS, refuse_ids
from massivetext.models.model import Model
from massivetext.models.outputs import HeadOutput, Record


class Encoder(Body):
    """Embeddings, blocks and perhaps a pooler, under Hugging Face's names."""

    inner_heads: ClassVar[tuple[str, ...]] = ("pooler.",)
    positions_behind_padding: ClassVar[bool] = False
    """Whether the first position is the one behind the padding id, and padding has the id's own."""
    config: Any
    embeddings: nn.Module
    pooler: nn.Module | None

    @property
    def blocks(self) -> nn.ModuleList:
        """The blocks, first to last."""
        raise NotImplementedError

    def embed(self, input_ids: Tensor, kinds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Return what the first block reads, (B, T, D), of ids, kinds and positions (B, T)."""
        if kinds is None:
            kinds = torch.zeros_like(input_ids)
        else:
            self.check_kinds(kinds)
        if positions is None:
            positions = self.default_positions(input_ids)
        return cast(Tensor, self.embeddings(input_ids, kinds, positions))

    def build(self, config: Any) -> None:
        """Note the configuration; a family makes the modules."""
        self.config, self.limit = config, config.most_tokens

    def default_positions(self, input_ids: Tensor) -> Tensor:
        """Return the row of the position embedding for each token, (B or 1, T): 0, 1, 2, ... or behind the padding."""
        if not self.positions_behind_padding:
            return torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        padding = self.config.pad_token_id or 0
        real = input_ids != padding
        return real.cumsum(dim=1) * real + padding

    def check_kinds(self, token_type_ids: Tensor) -> None:
        """Raise ModelError for a kind of token that the model has no row for."""
        if not torch.compiler.is_compiling() and int(token_type_ids.max()) >= self.config.type_vocab_size:
            raise ModelError(
                f"token_type_ids has the kind {int(token_type_ids.max())}, and the model knows "
                f"{self.config.type_vocab_size} (type_vocab_size); leave token_type_ids out, or use the model's "
                f"tokenizer"
            )

    def run(self, hidden: Tensor, mask: Tensor | None, record: Record | None = None) -> Tensor:
        """Return the last hidden states (B, T, D) of what the first block reads. mask: see `readable_mask`."""
        weights: Weights = None if record is None else record.weights
        states = [] if record is None else record.states
        states.append(hidden)
        for block in self.blocks:
            hidden = block(hidden, mask, weights)
            states.append(hidden)
        return hidden


class EncoderModel(Model):
    """What every model on an encoder's body has."""

    reads_ahead = True
    pooled: bool = False
    """Whether there is a pooler, where the family has one."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the model; return_dict=False gives a tuple, arguments that it does not take are refused by name."""
        if options.keys() <= self.forward_names:
            return super().__call__(*arguments, **options)
        return self.call_with(arguments, options)

    def build_body(self, config: Any) -> None:
        """Make the body, without a pooler where none is wanted."""
        super().build_body(config)
        if not self.pooled:
            self.body.pooler = None

    @property
    def body(self) -> Encoder:
        """The model without its head."""
        return cast(Encoder, getattr(self, self.body_name) if self.body_name else self)

    @property
    def width(self) -> int:
        """Features of what the head reads."""
        return int(self.config.hidden_size)

    def embed(
        self, input_ids: Tensor, token_type_ids: Tensor | None = None, position_ids: Tensor | None = None
    ) -> Tensor:
        """Return what the first block reads, (B, T, D), of ids, kinds and positions (B, T)."""
        body: Any = self.body  # which is this object, where it has no head: so its class is named
        if not torch.compiler.is_compiling():  # what ids are there is not known while code is compiled
            sound = input_ids.ndim == 2 and input_ids.numel() > 0 and input_ids.dtype in INTEGERS
            sound = sound and input_ids.shape[1] <= body.limit and int(input_ids.min()) >= 0
            if not sound or int(input_ids.max()) >= self.config.vocab_size:
                refuse_ids(input_ids, self.config.vocab_size, body.limit)
        return cast(Tensor, self.body_class.embed(body, input_ids, token_type_ids, position_ids))

    def look_up(self, input_ids: Tensor) -> Tensor:
        """Return the word embeddings (B, T, D) of ids (B, T)."""
        words: Any = self.body.embeddings
        return cast(Tensor, words.word_embeddings(input_ids))

    def hidden(self, embeddings: Tensor, attention_mask: Tensor | None = None, record: Record | None = None) -> Tensor:
        """Return the last hidden states (B, T, D) of what `embed` gives. record: gets what the layers did."""
        return self.body.run(embeddings, readable_mask(attention_mask), record)

    def summary(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return what a text is labelled by, (B, D): the pooler's output, or the first token."""
        return hidden[:, 0] if self.body.pooler is None else cast(Tensor, self.body.pooler(hidden))


class LabellingEncoder(EncoderModel):
    """An encoder whose head gives logits, and whose labels give one loss."""

    def predict(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """Return the logits that the labels of a batch are compared with: of every token, unless a head says else."""
        return self.project(hidden)

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
        """Return the logits and, with labels, the mean loss; inputs are (B, T)."""
        wanted = output_hidden_states or output_attentions
        record = Record([], [] if output_attentions else None) if wanted else None
        hidden = self.hidden(self.embed(input_ids, token_type_ids, position_ids), attention_mask, record)
        logits = self.predict(hidden, input_ids)
        loss = None if labels is None else self.loss(logits, labels)
        shown = () if record is None else record.shown(hidden, output_hidden_states)
        return HeadOutput(loss, logits, *shown)
