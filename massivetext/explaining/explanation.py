"""`explain`: everything that is known of why a model says what it says of one text, as values and as a page."""

from pathlib import Path
from typing import Any

import numpy as np

from massivetext.errors import ConfigError, DataError
from massivetext.explaining.attribution import attribute_tokens
from massivetext.explaining.lens import logit_lens
from massivetext.explaining.maps import attention_maps
from massivetext.explaining.page import page, picture
from massivetext.explaining.result import ExplainSettings, Explanation
from massivetext.models.model import Model
from massivetext.storage import write_text
from massivetext.tokens.tokenizer import Tokenizer
from massivetext.translations import tr

MOST_SHOWN = 96  # tokens that a picture has room for
FILES = (".html", ".svg")


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
