"""The scores of a run in words, pictures and tables: for each task its main metric with all peers, then the others."""

from collections.abc import Sequence
from typing import Any

from massivetext.metrics.declarations import BYTES, Metric, metric_of, system_of
from massivetext.metrics.score import Score, change
from massivetext.metrics.tables import Table, by_task, part_name
from massivetext.report.figures import NARROW, WIDE, Bar, bar_chart
from massivetext.report.gathering import RunFacts
from massivetext.report.quantities import bytes_text, change_text, count_text, joined, share_text
from massivetext.translations import language, tr


def items_text(score: Score) -> str:
    """Return how many items a score is a mean over: 1.14 MB, 20,000 questions."""
    metric = metric_of(score)
    return bytes_text(score.items) if metric.items == BYTES else metric.counted(count_text(score.items))


def headline(table: Table) -> list[str]:
    """Return the sentences that say what the main score of a run means and which peers are better or worse."""
    score, metric = table.own[""], table.metric
    rounded = f"{score.value:,.{max(metric.digits - 1, 0)}f}"
    first = tr(metric.captions.headline, items=items_text(score), rounded=rounded, task=tr(table.task))
    return [first, *verdict(table)]


def verdict(table: Table) -> list[str]:
    """Return which peers the model beats, which beat it, and by how much, in whole sentences."""
    own, metric, captions = table.own[""], table.metric, table.metric.captions
    if metric.lower_is_better is None:
        return []
    ahead: list[str] = []
    behind: list[str] = []
    for cells in table.peers:
        if (peer := cells.get("")) is None or (by := change(own.value, peer.value)) is None:
            continue
        system = system_of(peer)
        caption = captions.lower if by < 0 else captions.higher
        words = tr(caption, name=system.named(peer, system.phrase), percent=share_text(abs(by)))
        (ahead if metric.better(own.value, peer.value) else behind).append(words)
    found = [tr(captions.ahead, others=joined(ahead))] if ahead else []
    return found + ([tr(captions.behind, others=joined(behind))] if behind else [])


def score_blocks(facts: RunFacts) -> list[dict[str, Any]]:
    """Return for each task what the template places: introduction, pictures, table and notes."""
    tasks = by_task(facts.scores)
    return [
        {
            "name": tr(group[0].task) if len(tasks) > 1 else "",
            "introduction": _introduction(group[0]),
            "bars": score_charts(group[0]),
            "table": score_table(group),
            "notes": score_notes(group),
        }
        for group in tasks
    ]


def _introduction(table: Table) -> str:
    """Return the sentence before a task's picture: what is measured, which end is better, what stands beside it."""
    metric = table.metric
    if metric.captions.introduction:
        return tr(metric.captions.introduction)
    unit = tr(" ({unit})", unit=tr(metric.unit)) if metric.unit else ""
    sentences = [tr("Metric: {metric}{unit}.", metric=tr(metric.label), unit=unit)]
    if metric.lower_is_better is not None:
        sentences.append(tr("Lower is better.") if metric.lower_is_better else tr("Higher is better."))
    if table.peers:
        sentences.append(tr("Beside each number: how much lower (−) or higher (+) this model's is."))
    return ("" if language() == "zh" else " ").join(sentences)


def score_charts(table: Table) -> dict[str, Any]:
    """Return the bars of a table: for the whole task, and one small picture for each part."""
    values = [score.value for cells in table.systems.values() for part, score in cells.items() if part]
    found: dict[str, Any] = {"parts": []}
    if bars := _bars(table, ""):
        groups = [tr("Has seen the training text"), tr("Has not seen the training text")]
        if len({bar.group for bar in bars}) == 1:
            groups = ["", ""]
        top = max(bar.value for bar in bars) * 1.02
        for key, width in (("wide", WIDE), ("narrow", NARROW)):
            found[key] = bar_chart(bars, groups, top, width=width, name=table.title, write=table.metric.write)
    for part in filter(None, table.parts):
        picture = bar_chart(
            _bars(table, part), (), max(values) * 1.02, width=300.0, name=part, write=table.metric.write
        )
        found["parts"].append((part, picture))
    return found


def _bars(table: Table, part: str) -> list[Bar]:
    """Return a bar for each system that was scored on a part, the first system's marked."""
    own, bars = table.own.get(part), []
    for score in table.column(part).values():
        system = system_of(score)
        colour = "model" if score is own else "read" if system.trained else "fresh"
        interval = () if score.low is None or score.high is None else (score.low, score.high)
        by = None if own is None or score is own else change(own.value, score.value)
        bars.append(Bar(system.named(score), score.value, colour, int(not system.trained), interval, by))
    return bars


def score_table(group: Sequence[Table]) -> dict[str, Any]:
    """Return the table of a task: a row for the whole and each part, a column for each system and further metric."""
    main, others = group[0], _further_columns(group[1:])
    firsts = [next(iter(cells.values())) for cells in main.systems.values()]
    names = [system_of(score).named(score) for score in firsts]
    if not main.peers:  # the only system needs no name, its metric does
        names = [tr(main.metric.label)]
    ranked = bool(main.peers) and main.metric.lower_is_better is not None
    return {
        "head": main.head,
        "columns": names,
        "best": tr(main.metric.captions.best) if ranked else "",
        "others": [name for name, _, _ in others],
        "rows": [_row(main, part, others, ranked) for part in main.parts],
    }


def _further_columns(group: Sequence[Table]) -> list[tuple[str, Metric, dict[str, Score]]]:
    """Return name, metric and scores by part of each system under the further metrics of a task."""
    found = []
    for table in group:
        for cells in table.systems.values():
            score, label = next(iter(cells.values())), tr(table.metric.label)
            name = tr("{metric}, {system}", metric=label, system=system_of(score).named(score))
            found.append((name if table.peers else label, table.metric, cells))
    return found


def _row(
    main: Table, part: str, others: Sequence[tuple[str, Metric, dict[str, Score]]], ranked: bool
) -> dict[str, Any]:
    """Return the row of one part: the systems' values with the best marked, by how much it leads, further metrics."""
    metric, scores = main.metric, main.column(part)
    names = {system: system_of(score).named(score) for system, score in scores.items()}
    ranked = ranked and len(scores) > 1
    order = metric.best({system: score.value for system, score in scores.items()})
    own, cells = main.own.get(part), []
    for system in main.systems:
        score = scores.get(system)
        by = None if score is None or own is None or score is own else change(own.value, score.value)
        cells.append(
            {
                "value": "—" if score is None else metric.write(score.value),
                "best": ranked and system == order[0],
                "change": "" if by is None else change_text(by),
                "won": score is not None and own is not None and metric.better(own.value, score.value),
            }
        )
    further = [m.write(found[part].value) if part in found else "—" for _, m, found in others]
    return {
        "name": part_name(part),
        "total": not part,
        "cells": cells,
        "winner": names[order[0]] if ranked else "",
        "margin": _margin(metric, [(names[system], scores[system].value) for system in order]) if ranked else "",
        "mine": order[0] == next(iter(main.systems)),
        "others": further,
        "size": items_text(scores[order[0]]),
    }


def _margin(metric: Metric, ordered: Sequence[tuple[str, float]]) -> str:
    """Return by how much the best value is away from the second best, in words."""
    by = change(ordered[0][1], ordered[1][1]) if len(ordered) > 1 else None
    if by is None:
        return ""
    caption = "{share} below {other}" if metric.lower_is_better else "{share} above {other}"
    return tr(caption, share=share_text(abs(by)), other=ordered[1][0])


def score_notes(group: Sequence[Table]) -> list[str]:
    """Return how the numbers of a task were made, in sentences: the metric's, the interval's, the systems' notes."""
    main, notes = group[0], []
    score = next(iter(main.own.values()))
    if main.metric.captions.note:
        notes.append(tr(main.metric.captions.note, **_shown(score)))
    own = main.own.get("", score)
    if own.low is not None and own.high is not None:
        low, high = main.metric.write(own.low), main.metric.write(own.high)
        notes.append(
            tr("The line at the end of a bar is the range that another sample of test documents would give (95 %), for "
               "this model {low} to {high}.", low=low, high=high)
        )  # fmt: skip
    for cells in main.systems.values():
        first = next(iter(cells.values()))
        if caption := system_of(first).note:
            notes.append(tr(caption, **_shown(first)))
    return notes


def _shown(score: Score) -> dict[str, str]:
    """Return the facts of a score as a reader likes them: sizes with a unit."""
    return {name: bytes_text(float(value)) if name.endswith("_bytes") else value for name, value in score.facts.items()}
