"""Masked language models. Legend: B rows, T tokens, D features, V vocabulary."""

from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from massivetext.layers.feedforward import activation
from massivetext.models.encoder import LabellingEncoder
from massivetext.models.heads.losses import token_loss


class WordsHead(NamedTuple):
    """The names of a family's language model head: projection, norm, bias; the last matrix is the word embedding.

    copies: what files call that matrix, and the bias, where they hold them a second time. act: None for the body's.
    """

    dense: str
    norm: str
    bias: str
    copies: str
    act: str | None = None


class MaskedLM(LabellingEncoder):
    """Predicts masked tokens, logits (B, T, V): project, activate, norm, and the word embedding as the last matrix."""

    task = "masked-lm"
    words_head: ClassVar[WordsHead]

    def build_head(self, config: Any) -> None:
        """Make projection, norm and bias."""
        head, features = self.words_head, config.hidden_size
        put(self, head.dense, nn.Linear(features, features))
        put(self, head.norm, nn.LayerNorm(features, config.layer_norm_eps))
        put(self, head.bias, nn.Parameter(torch.empty(config.vocab_size)))
        self.act = activation(head.act or config.hidden_act)

    @classmethod
    def tied_copies(cls) -> dict[str, str]:
        """Return the names of copies that files may hold, with the names of the originals."""
        head = cls.words_head
        copies = {f"{head.copies}.weight": "embeddings.word_embeddings.weight", f"{head.copies}.bias": head.bias}
        return {copy: original for copy, original in copies.items() if copy != original}

    def project(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., V) of hidden states (..., D)."""
        head = self.words_head
        inner = self.get_submodule(head.norm)(self.act(self.get_submodule(head.dense)(hidden)))
        words: Any = self.body.embeddings.word_embeddings
        return functional.linear(inner, words.weight, self.get_parameter(head.bias))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of labels (B, T) over those that are not -100."""
        return token_loss(logits, labels)


def put(module: nn.Module, path: str, part: nn.Module | nn.Parameter) -> None:
    """Put a module or parameter at a dotted path of a module, making what lies between."""
    *outer, name = path.split(".")
    for piece in outer:
        if not hasattr(module, piece):
            module.add_module(piece, nn.Module())
        module = cast(nn.Module, getattr(module, piece))
    setattr(module, name, part)
