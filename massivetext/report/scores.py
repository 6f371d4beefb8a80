"""The scores of a run in words, pictures and a table: bits per byte beside the n-gram model and the compressors."""

from typing import Any

from massivetext.report.figures import NARROW, WIDE, Bar, bits_chart
from massivetext.report.gathering import RunFacts
from massivetext.report.quantities import bytes_text, change_text, joined, share_text
from massivetext.translations import tr

TOTAL = "total"
METHODS = ("bits_per_byte", "ngram_bits_per_byte", "xz_primed_bits_per_byte", "xz_bits_per_byte", "gzip_bits_per_byte")


def method_names(facts: RunFacts) -> dict[str, str]:
    """Return what each row of scores is called."""
    order = facts.evaluation.get("ngram_order", 5)
    return {
        "bits_per_byte": tr("this model"),
        "ngram_bits_per_byte": tr("{order}-gram model", order=order),
        "xz_primed_bits_per_byte": tr("xz -9e, primed"),
        "xz_bits_per_byte": "xz -9e",
        "gzip_bits_per_byte": "gzip -9",
    }


def method_phrases(facts: RunFacts) -> dict[str, str]:
    """Return what each row of scores is called inside a sentence."""
    return method_names(facts) | {
        "ngram_bits_per_byte": tr("the {order}-gram model", order=facts.evaluation.get("ngram_order", 5)),
        "xz_primed_bits_per_byte": tr("xz -9e that has seen the training text"),
    }


def known_methods(facts: RunFacts) -> list[str]:
    """Return the keys of evaluation.json that hold scores, this model first."""
    return [key for key in METHODS if facts.evaluation.get(key)]


def verdict(facts: RunFacts) -> list[str]:
    """Return who needs fewer bits than this model and who more, and by how much, in whole sentences."""
    names, scores = method_phrases(facts), facts.evaluation
    mine = scores["bits_per_byte"][TOTAL]
    changes = [(names[key], mine / scores[key][TOTAL] - 1) for key in known_methods(facts)[1:]]
    better = [tr("{name} ({percent} fewer)", name=n, percent=share_text(-c)) for n, c in changes if c < 0]
    worse = [tr("{name} ({percent} more)", name=n, percent=share_text(c)) for n, c in changes if c >= 0]
    sentences = []
    if better:
        sentences.append(tr("It needs fewer bits than {others}.", others=joined(better)))
    if worse:
        sentences.append(tr("It needs more bits than {others}.", others=joined(worse)))
    return sentences


def score_charts(facts: RunFacts) -> dict[str, Any]:
    """Return the bars of bits per byte: in total, and one small picture for each source."""
    keys = known_methods(facts)
    if not keys:
        return {}
    highest = max(max(facts.evaluation[key].values()) for key in keys) * 1.02
    groups = [tr("Has read the training text"), tr("Starts from nothing")]
    found: dict[str, Any] = {"sources": []}
    bars = _bars(facts, TOTAL)
    top = max(bar.value for bar in bars) * 1.02
    for key, width in (("wide", WIDE), ("narrow", NARROW)):
        found[key] = bits_chart(bars, groups, top, width=width, name=tr("Bits per byte on the test text"))
    for source in [name for name in facts.evaluation["bits_per_byte"] if name != TOTAL]:
        picture = bits_chart(_bars(facts, source), (), highest, width=300.0, name=source)
        found["sources"].append((source, picture))
    return found


def _bars(facts: RunFacts, source: str) -> list[Bar]:
    names, scores = method_names(facts), facts.evaluation
    mine = scores["bits_per_byte"][source]
    interval = scores.get("bits_per_byte_interval", {}).get(source, ())
    bars = []
    for key in known_methods(facts):
        if source in scores[key]:
            own = key == "bits_per_byte"
            change = None if own else mine / scores[key][source] - 1
            group = 1 if key in ("xz_bits_per_byte", "gzip_bits_per_byte") else 0
            colour = "model" if own else "read" if group == 0 else "fresh"
            bars.append(Bar(names[key], scores[key][source], colour, group, interval if own else (), change))
    return bars


def score_table(facts: RunFacts) -> dict[str, Any]:
    """Return the table of bits per byte: a row for the total and each source, the lowest marked, and by how much."""
    keys, names, scores = known_methods(facts), method_names(facts), facts.evaluation
    rows = []
    for source in scores.get("bits_per_byte", {}):
        values = {key: scores[key][source] for key in keys if source in scores[key]}
        order = sorted(values, key=lambda key: values[key])
        margin = 1 - values[order[0]] / values[order[1]] if len(order) > 1 else None
        against = (
            tr("{share} below {other}", share=share_text(margin), other=names[order[1]]) if margin is not None else ""
        )
        rows.append(
            {
                "name": tr("all sources") if source == TOTAL else source,
                "total": source == TOTAL,
                "cells": [
                    {
                        "value": f"{values[key]:.3f}" if key in values else "—",
                        "best": key == order[0],
                        "change": "" if key == keys[0] or key not in values
                        else change_text(values[keys[0]] / values[key] - 1),
                        "won": key in values and values[keys[0]] < values[key],
                    }
                    for key in keys
                ],
                "winner": names[order[0]],
                "margin": against,
                "mine": order[0] == "bits_per_byte",
                "perplexity": f"{scores['perplexity'][source]:,.1f}",
                "size": bytes_text(scores["bytes"][source]),
            }
        )  # fmt: skip
    return {"columns": [names[key] for key in keys], "rows": rows}


def score_notes(facts: RunFacts) -> list[str]:
    """Return how the numbers were made, in sentences."""
    scores = facts.evaluation
    if not scores:
        return []
    notes = [
        tr("Every token of every test document is scored once, the first one included, in windows of {context} tokens "
           "that move on by {stride}; the sum is divided by the UTF-8 bytes of the text.",
           context=scores["context_tokens"], stride=scores["stride_tokens"]),
    ]  # fmt: skip
    if scores.get("bits_per_byte_interval", {}).get(TOTAL):
        low, high = scores["bits_per_byte_interval"][TOTAL]
        notes.append(
            tr("The line at the end of this model's bar is the range {low} to {high}: how far another sample of test "
               "documents would move the number (95 %).", low=f"{low:.3f}", high=f"{high:.3f}")
        )  # fmt: skip
    if scores.get("ngram_bits_per_byte"):
        notes.append(
            tr("The {order}-gram model (interpolated Kneser-Ney) was fitted on all of the training tokens.",
               order=scores["ngram_order"])
        )  # fmt: skip
    if scores.get("xz_primed_bits_per_byte"):
        seen, total = scores["xz_primed_training_bytes"], scores["training_bytes"]
        notes.append(
            tr("Primed xz has seen {seen} of training text ({share} of it) before the test text; only what the test "
               "text adds is counted.", seen=bytes_text(seen), share=share_text(seen / max(total, 1)))
        )  # fmt: skip
    return notes
