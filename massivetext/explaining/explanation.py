"""`explain`: everything that is known of why a model says what it says of one text, as values and as a page."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from massivetext.errors import ConfigError, DataError
from massivetext.explaining.attribution import Attribution, attribute_tokens
from massivetext.explaining.lens import LogitLens, logit_lens
from massivetext.explaining.maps import AttentionMap, attention_maps
from massivetext.models.model import Model
from massivetext.settings import Settings
from massivetext.storage import write_text
from massivetext.tokens.tokenizer import Tokenizer
from massivetext.translations import tr

MOST_SHOWN = 96  # tokens that a picture has room for
FILES = (".html", ".svg")


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


def explain(
    model: Model, tokenizer: Tokenizer, text: str, out: str | Path | None = None, **options: Any
) -> Explanation:
    """Return why `model` says what it says of a text: attention maps, logit lens, attribution, as far as it has them.

    out: also write a page (.html) that shows all three, or the one attention map (.svg). options: the fields of
    `ExplainSettings`. Raises DataError for a text that is empty, too long for the model or for a picture; ConfigError
    for a layer or head that the model does not have.
    """
    settings = ExplainSettings.parse(options, where="explain")
    path = None if out is None else Path(out)
    if path is not None and path.suffix not in FILES:
        raise ConfigError(f"out is {path}; allowed: a name that ends in {' or '.join(FILES)}")
    maps = attention_maps(model, tokenizer, text, settings.target_text)
    for found in maps.values():
        found.of(settings.layer, settings.head)
        if path is not None and max(len(found.readers), len(found.read)) > MOST_SHOWN:
            raise DataError(
                f"the text has {max(len(found.readers), len(found.read)):,} tokens and a picture has room for "
                f"{MOST_SHOWN}; explain a shorter piece, or leave `out` away and use the numbers"
            )
    lens = attribution = None
    if model.predicts_tokens:
        lens = logit_lens(model, tokenizer, text, settings.target_text, settings.top)
    asked = model.predicts_tokens or model.task == "sequence-classification"
    if model.task == "masked-lm":
        asked = settings.place is not None or str(tokenizer.mask_token) in text
    if asked:
        names = ("target", "target_text", "place", "method", "steps")
        attribution = attribute_tokens(model, tokenizer, text, **{name: getattr(settings, name) for name in names})
    name = tokenizer.name_or_path or type(model).__name__
    explanation = Explanation(name, text, maps, lens, attribution, settings)
    if path is not None:
        from massivetext.explaining.page import page, picture

        write_text(path, page(explanation) if path.suffix == ".html" else picture(explanation))
    return explanation


def explanation_text(found: dict[str, Any]) -> str:
    """Return the result of `Explanation.as_values` as lines to read."""
    lines = []
    if found["attribution"] is not None:
        answer = found["attribution"]
        lines.append(
            tr(
                "{target}: {score} nats; from a text that says nothing {baseline}",
                target=answer["target"],
                score=f"{answer['score']:+.3f}",
                baseline=f"{answer['baseline_score']:+.3f}",
            )
        )
        lines += [f"  {token['value']:+8.3f}  {token['token']}" for token in answer["tokens"]]
        lines.append(f"  {answer['unexplained']:+8.3f}  {tr('(unexplained)')}")
        if answer["rough"]:
            lines.append(tr("The numbers are rough: more than a tenth is unexplained. More steps may help."))
    if found["lens"] is not None:
        lens = found["lens"]
        asked = next((i for i, actual in enumerate(lens["actual"]) if actual is None), -1)  # the end, or a mask
        lines.append(tr("each layer's likeliest token at “{token}”", token=lens["tokens"][asked]))
        lines += [
            f"  {layer:>3}  {100 * lens['probabilities'][layer][asked][0]:5.1f} %  {row[asked][0]}"
            for layer, row in enumerate(lens["likeliest"])
        ]
    for kind, attention in found["attention"].items():
        strongest = tr("what each token reads most: {kind}, layer {layer}", kind=kind, layer=attention["layer"])
        lines.append(strongest)
        for reader, row in zip(attention["readers"], attention["weights"], strict=True):
            place = int(np.argmax(row))
            lines.append(f"  {reader} ← {attention['read'][place]}  {row[place]:.3f}")
    return "\n".join(lines)


def number(value: float) -> float | None:
    """Return a number as JSON knows it: None for NaN."""
    return None if math.isnan(value) else float(value)
