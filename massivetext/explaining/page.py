"""The page of an explanation: one HTML file that needs nothing but itself."""

import math
from typing import Any

import numpy as np

from massivetext import __version__
from massivetext.errors import ConfigError
from massivetext.explaining import pictures
from massivetext.explaining.attribution import Attribution
from massivetext.explaining.lens import LogitLens
from massivetext.explaining.pieces import TextPiece
from massivetext.explaining.result import Explanation
from massivetext.report.frame import render
from massivetext.report.quantities import MINUS, share_text
from massivetext.translations import tr


def page(explanation: Explanation) -> str:
    """Return the page in the language in use."""
    return render("explanation.html", "massivetext.explaining", **contents(explanation))


def picture(explanation: Explanation) -> str:
    """Return the one attention map that is drawn large, as an SVG file."""
    kinds = list(explanation.maps)
    if len(kinds) > 1:
        raise ConfigError(
            f"a picture shows one attention map, and this model has {len(kinds)} ({', '.join(kinds)}); write a page "
            f"(.html), which shows all"
        )
    return pictures.standalone(attention(explanation, kinds[0])["map"])


def contents(explanation: Explanation) -> dict[str, Any]:
    """Return all that the template places on the page."""
    answer, lens = explanation.attribution, explanation.lens
    return {
        "title": explanation.model,
        "missing": (),
        "version": __version__,
        "text": explanation.text,
        "answer": None if answer is None else answer_words(answer),
        "lens": None
        if lens is None
        else lens_table(lens) | {"explained": explained_column(explanation, len(lens.pieces))},
        "attention": [attention(explanation, kind) for kind in explanation.maps],
    }


def answer_words(answer: Attribution) -> dict[str, Any]:
    """Return the prediction in words, and the tokens of the text with their colours."""
    strongest = float(np.abs(answer.values).max()) or 1.0
    split = len(answer.pieces)
    sides = [(answer.pieces, answer.values[:split]), (answer.written, answer.values[split:])]
    return {
        "target": answer.target,
        "headline": answer.target.strip("␣") or answer.target,
        "share": share_text(math.exp(answer.score)) if answer.score <= 0 else "",
        "score": signed(answer.score),
        "baseline": signed(answer.baseline_score),
        "sum": signed(float(answer.values.sum())),
        "unexplained": signed(answer.unexplained),
        "rough": answer.rough,
        "method": answer.method,
        "sides": [coloured(pieces, values.tolist(), strongest) for pieces, values in sides if pieces],
    }


def coloured(pieces: list[TextPiece], values: list[float], strongest: float) -> list[dict[str, Any]]:
    """Return the words of a text with their colours: the tokens of one character share a word, a stripe for each."""
    words: list[dict[str, Any]] = []
    for piece, value in zip(pieces, values, strict=True):
        if piece.part == 1:
            shown = piece.text.strip(" ") or piece.text
            signs = piece._replace(text=shown, part=1, parts=1).label
            words.append({"text": signs, "spaced": piece.text.startswith(" "), "special": piece.special, "tokens": []})
        colour = "var(--model)" if value > 0 else "var(--c0)"
        depth = round(72 * (abs(value) / strongest) ** 0.7)
        words[-1]["tokens"].append(
            {"colour": f"color-mix(in srgb, {colour} {depth}%, transparent)", "value": signed(value), "id": piece.id}
        )
    for word in words:
        count = len(word["tokens"])
        stops = (
            f"{token['colour']} {100 * place / count:.1f}% {100 * (place + 1) / count:.1f}%"
            for place, token in enumerate(word["tokens"])
        )
        word["background"] = f"linear-gradient(90deg, {', '.join(stops)})"
    return words


def lens_table(lens: LogitLens) -> dict[str, Any]:
    """Return the rows of the lens, the model's own output first, and what really stands there."""
    rows = []
    for layer in reversed(range(len(lens.top_ids))):
        cells = []
        for place, truth in enumerate(lens.actual.tolist()):
            ids, shares = lens.top_ids[layer, place].tolist(), lens.top_probabilities[layer, place].tolist()
            told = [f"{lens.labels[number]}  {share_text(share)}" for number, share in zip(ids, shares, strict=True)]
            if truth >= 0:
                share = share_text(float(lens.actual_probabilities[layer, place]))
                rank, label = f"{lens.actual_ranks[layer, place]:,}", lens.actual_labels[place]
                told.append(tr("actual: {token}, rank {rank}, {share}", token=label, rank=rank, share=share))
            cells.append(
                {
                    "token": pictures.short(lens.labels[ids[0]]),
                    "depth": round(70 * shares[0] ** 0.7),
                    "hit": ids[0] == truth,
                    "told": "\n".join(told),
                }
            )
        last = layer == len(lens.top_ids) - 1
        rows.append({"name": tr("output") if last else str(layer) if layer else tr("embedding"), "cells": cells})
    actual = [pictures.short(label) for label in lens.actual_labels]
    return {"read": [pictures.short(piece.label) for piece in lens.pieces], "rows": rows, "actual": actual}


def explained_column(explanation: Explanation, columns: int) -> int:
    """Return the column of the lens whose prediction is explained: the page opens with it in sight."""
    place, answer = explanation.settings.place, explanation.attribution
    behind = len(answer.pieces) - 1 if answer is not None and len(answer.pieces) <= columns else columns - 1
    return min(behind if place is None else min(place, behind), columns - 1)


def attention(explanation: Explanation, kind: str) -> dict[str, Any]:
    """Return the pictures of one kind of attention and what the page's script needs to know of them."""
    found, settings = explanation.maps[kind], explanation.settings
    layers, heads, rows, columns = found.weights.shape
    layer = settings.layer % layers
    head = tr("mean of {n} heads", n=heads) if settings.head is None else tr("head {n}", n=settings.head % heads)
    titles = {
        "self": tr("Each token reads the text"),
        "encoder": tr("The source reads itself"),
        "decoder": tr("What is written reads itself"),
        "cross": tr("What is written reads the source"),
    }
    weights = found.of(settings.layer, settings.head)
    return {
        "title": titles[kind],
        "chosen": f"{tr('layer {n}', n=layer)}, {head}",
        "map": pictures.heat_map(weights, found.readers, found.read, titles[kind], found.weights.max(axis=(0, 1))),
        "sheet": pictures.sheet(found, titles[kind]),
        "gap": pictures.gap_of(rows, columns),
        "rows": rows,
        "columns": columns,
    }


def signed(value: float) -> str:
    """Return a number with its sign and the digits that matter: +0.52, −7.31."""
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", MINUS)  # adding 0.0 makes -0.0 a plain zero
