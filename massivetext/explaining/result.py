"""What an explanation of one text holds, and how one is asked for."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from massivetext.explaining.attribution import Attribution
from massivetext.explaining.lens import LogitLens
from massivetext.explaining.maps import AttentionMap
from massivetext.settings import Settings


class ExplainSettings(Settings):
    """What is explained, and how."""

    target_text: str | None = None
    """Encoder-decoders: what is written of the text; None: what the model writes itself."""
    target: int | str | None = None
    """The token or label to explain, by id or name; None: what stands at `place`, else the likeliest."""
    place: int | None = None
    """Number of the token to explain, from 0; None: the one behind the text, under the mask, or first written."""
    method: Literal["integrated_gradients", "gradient_times_input"] = "integrated_gradients"
    """How the tokens' shares are found: exactly along a path, or roughly in one pass."""
    steps: int = 64
    """Points of the path of integrated gradients."""
    top: int = 5
    """How many of the likeliest tokens each layer names."""
    layer: int = -1
    """Layer whose attention is drawn large, from 0; a negative number counts from the last."""
    head: int | None = None
    """Head whose attention is drawn large, from 0; None: the mean over the layer's heads."""


@dataclass(frozen=True)
class Explanation:
    """What `explain` found: attention maps by kind; lens and attribution, None where the model has none."""

    model: str
    text: str
    maps: dict[str, AttentionMap]
    lens: LogitLens | None
    attribution: Attribution | None
    settings: ExplainSettings

    def as_values(self) -> dict[str, Any]:
        """Return everything as numbers, texts and lists, for JSON; of the attention what is drawn large."""
        found: dict[str, Any] = {"model": self.model, "text": self.text, "attribution": None, "lens": None}
        if self.attribution is not None:
            names = ("target", "target_id", "score", "baseline_score", "unexplained", "rough", "method")
            found["attribution"] = {name: getattr(self.attribution, name) for name in names}
            pieces = [*self.attribution.pieces, *self.attribution.written]
            pairs = zip(pieces, self.attribution.values.tolist(), strict=True)
            found["attribution"]["tokens"] = [{"token": piece.label, "value": value} for piece, value in pairs]
        if self.lens is not None:
            lens = self.lens
            found["lens"] = {
                "tokens": [piece.label for piece in lens.pieces],
                "actual": [label or None for label in lens.actual_labels],
                "likeliest": [[[lens.labels[i] for i in place] for place in row] for row in lens.top_ids.tolist()],
                "probabilities": lens.top_probabilities.tolist(),
                "actual_probabilities": [[number(value) for value in row] for row in lens.actual_probabilities],
                "actual_ranks": lens.actual_ranks.tolist(),
            }
        found["attention"] = {kind: self._map(kind) for kind in self.maps}
        return found

    def _map(self, kind: str) -> dict[str, Any]:
        """Return the map that is drawn large."""
        maps, settings = self.maps[kind], self.settings
        return {
            "layer": settings.layer % len(maps.weights),
            "head": settings.head,
            "readers": [piece.label for piece in maps.readers],
            "read": [piece.label for piece in maps.read],
            "weights": np.round(maps.of(settings.layer, settings.head).astype(np.float64), 6).tolist(),
        }


def number(value: float) -> float | None:
    """Return a number as JSON knows it: None for NaN."""
    return None if math.isnan(value) else float(value)
