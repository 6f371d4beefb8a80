"""Attention maps: how much each token reads of each other, in every layer and head.

Legend: T tokens that read, S tokens that are read.
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from massivetext.explaining.pieces import TextPiece
from massivetext.explaining.reading import chosen, evaluating, read_text
from massivetext.models.model import Model
from massivetext.models.outputs import Record
from massivetext.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class AttentionMap:
    """The attention of all layers and heads: weights (layers, heads, T, S) float32, each row sums to one.

    readers: the tokens of the rows; read: those of the columns.
    """

    readers: list[TextPiece]
    read: list[TextPiece]
    weights: NDArray[np.float32]

    def of(self, layer: int, head: int | None = None) -> NDArray[np.float32]:
        """Return one head's map, (T, S), or the mean over the heads of a layer.

        Both count from 0, negative ones from the end; ConfigError names those there are.
        """
        layers, heads = self.weights.shape[:2]
        maps = self.weights[chosen("layer", layer, layers)]
        mean: NDArray[np.float32] = maps.mean(axis=0) if head is None else maps[chosen("head", head, heads)]
        return mean


@torch.no_grad()
def attention_maps(
    model: Model, tokenizer: Tokenizer, text: str, target_text: str | None = None
) -> dict[str, AttentionMap]:
    """Return how much each token reads of each other while `model` reads a text.

    Under "self" for models with one side; under "encoder", "decoder" and "cross" (the decoder's tokens reading the
    source) for encoder-decoders, where target_text is what is written, None for what the model writes itself (a
    classifier's decoder reads the text once more). Any head of the model is left out: attention stands below it.
    Raises DataError for a text that is empty or too long.
    """
    given = read_text(model, tokenizer, text, target_text)
    with evaluating(model):
        if model.reads_ahead:  # without the head, which may take other inputs
            record, reader = Record([], []), cast(Any, model)
            reader.hidden(reader.embed(given.input_ids, given.kinds), record=record)
            return {"self": AttentionMap(given.pieces, given.pieces, _array(tuple(record.weights or ())))}
        found = model(**given.inputs(), output_attentions=True)
    if given.decoder_ids is None:
        return {"self": AttentionMap(given.pieces, given.pieces, _array(found.attentions))}
    written = list(given.written)
    return {
        "encoder": AttentionMap(given.pieces, given.pieces, _array(found.encoder_attentions)),
        "decoder": AttentionMap(written, written, _array(found.decoder_attentions)),
        "cross": AttentionMap(written, given.pieces, _array(found.cross_attentions)),
    }


def _array(attentions: tuple[Tensor, ...]) -> NDArray[np.float32]:
    """Return the weights of all layers for one row, (layers, heads, T, S)."""
    found: NDArray[np.float32] = torch.cat(attentions).float().cpu().numpy()
    return found
