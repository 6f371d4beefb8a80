"""The contents of a report, section by section: words and numbers, in the language in use. The template places them."""

from collections.abc import Mapping, Sequence
from typing import Any

from massivetext.metrics.declarations import system_of
from massivetext.progress import duration_text
from massivetext.report.figures import NARROW, WIDE, Axis, Series, line_chart, smoothed, thinned
from massivetext.report.gathering import Drop, RunFacts
from massivetext.report.quantities import (
    MINUS,
    bytes_text,
    count_text,
    joined,
    reason_words,
    share_text,
    short_digest,
    tick_text,
)
from massivetext.report.scores import headline as score_sentences
from massivetext.translations import tr

COLOURS = 8
MOST_REASONS = 4


def source_colours(facts: RunFacts) -> dict[str, str]:
    """Return the style class of each source's colour; after eight sources the colours begin again."""
    return {name: f"c{i % COLOURS}" for i, name in enumerate(facts.sources)}


def headline(facts: RunFacts) -> dict[str, Any]:
    """Return the main number and the sentences that say what it means and who won."""
    trained = facts.training[-1] if facts.training else {}
    found: dict[str, Any] = {"figure": "", "unit": "", "sentences": []}
    if table := facts.main_table:
        metric = table.metric
        found |= {"figure": metric.write(table.own[""].value), "unit": tr(metric.label)}
        found["sentences"] += score_sentences(table)
    elif trained:
        found |= {"figure": f"{trained['loss']:.3f}", "unit": tr("nats per token, training loss so far")}
        found["sentences"].append(tr("The model has not been scored yet."))
    else:
        found["figure"] = "—"
        found["sentences"].append(tr("The model has not been trained yet."))
    return found


def stations(facts: RunFacts) -> list[dict[str, str]]:
    """Return the stages of the journey, each with its number, what it means, and the time it took."""
    seconds: Mapping[str, float] = facts.run.get("stages", {})
    flows = facts.flows
    read, kept = sum(f.read.size_bytes for f in flows), sum(f.kept.size_bytes for f in flows)
    documents = tr("{count} documents", count=count_text(sum(f.kept.documents for f in flows)))
    tokens, text_bytes = facts.split_count("train", "tokens"), facts.split_count("train", "text_bytes")
    trained = facts.training[-1] if facts.training else {}
    score, score_detail = _score_station(facts)
    vocabulary = f"{facts.tokens.get('tokenizer', {}).get('vocab_size', 0):,}"
    names = tr("{count} sources", count=len(flows)) if len(flows) > 3 else joined([flow.name for flow in flows])
    ratio = f"{text_bytes / max(tokens, 1):.2f}"
    parts: list[tuple[str, str, str, Sequence[str]]] = [
        (tr("Raw text"), bytes_text(read) if flows else "", names, ()),
        (tr("Clean documents"), bytes_text(kept) if flows else "", documents, ("corpus",)),
        (tr("Tokens"), count_text(tokens) if tokens else "",
         tr("{ratio} bytes each, vocabulary {size}", ratio=ratio, size=vocabulary),
         ("tokenizer", "tokens")),
        (tr("Training"), tr("{count} steps", count=f"{trained['step']:,}") if trained else "",
         tr("{count} tokens, {passes} passes", count=count_text(trained.get("tokens", 0)),
            passes=f"{trained.get('tokens', 0) / max(tokens, 1):.2f}"), ("train",)),
        (tr("Model"), count_text(facts.parameters) if facts.parameters else "",
         tr("parameters, {layers} layers of width {width}", layers=facts.model.get("num_hidden_layers", 0),
            width=facts.model.get("hidden_size", 0)), ("model",)),
        (tr("Score"), score, score_detail, ("evaluate", "samples")),
    ]  # fmt: skip
    found = []
    for name, value, detail, stages in parts:
        spent = sum(seconds.get(stage, 0.0) for stage in stages)
        time = duration_text(spent) if spent else ""
        found.append({"name": name, "value": value or "—", "detail": detail if value else tr("not yet"), "time": time})
    return found


def _score_station(facts: RunFacts) -> tuple[str, str]:
    """Return the main score and what it is, with the best peer that has not read the training text beside it."""
    if (table := facts.main_table) is None:
        return "", ""
    metric, label = table.metric, tr(table.metric.label)
    fresh = {cells[""].system: cells[""] for cells in table.peers if "" in cells and not system_of(cells[""]).trained}
    if not fresh:
        return metric.write(table.own[""].value), label
    peer = fresh[metric.best({system: score.value for system, score in fresh.items()})[0]]
    words = tr("{metric}; {system} {value}", metric=label, system=system_of(peer).named(peer),
               value=metric.write(peer.value))  # fmt: skip
    return metric.write(table.own[""].value), words


def dropped_rows(facts: RunFacts) -> list[dict[str, Any]]:
    """Return for each source what was read, kept, dropped by which reason, taken away by edits and set aside."""
    rows = []
    for flow in facts.flows:
        read = max(flow.read.size_bytes, 1)
        reasons = sorted(shown_reasons(flow.dropped).items(), key=lambda item: -item[1].size_bytes)
        rows.append(
            {
                "name": flow.name,
                "read": bytes_text(flow.read.size_bytes),
                "read_documents": count_text(flow.read.documents),
                "kept": bytes_text(flow.kept.size_bytes),
                "kept_documents": count_text(flow.kept.documents),
                "kept_share": share_text(flow.kept.size_bytes / read),
                "bar": [
                    ("kept", 100 * min(flow.kept.size_bytes / read, 1.0), tr("kept")),
                    ("edited", 100 * max(flow.edited_bytes, 0) / read, tr("taken away by edits")),
                    ("lost", 100 * flow.dropped_bytes / read, tr("dropped")),
                ],
                "edited": bytes_text(flow.edited_bytes) if flow.edited_bytes > 0 else "",
                "invalid": count_text(flow.invalid_records) if flow.invalid_records else "",
                "reasons": [
                    (reason_words(reason), count_text(drop.documents), bytes_text(drop.size_bytes))
                    for reason, drop in reasons
                ],
            }
        )
    return rows


def shown_reasons(dropped: Mapping[str, Drop]) -> dict[str, Drop]:
    """Return what was dropped by reason; where there are many, by step."""
    if len(dropped) <= MOST_REASONS:
        return dict(dropped)
    steps: dict[str, Drop] = {}
    for reason, drop in dropped.items():
        step, _, rest = reason.partition(": ")
        # What could not be read is told reason by reason all the same, but for its details.
        name = f"{step}: {rest.partition(': ')[0]}" if step in ("read", "deduplicate") else step
        known = steps.get(name, Drop(0, 0))
        steps[name] = Drop(known.documents + drop.documents, known.size_bytes + drop.size_bytes)
    return steps


def training_charts(facts: RunFacts) -> dict[str, Any]:
    """Return the curves of training: loss, loss by source, learning rate, gradient norm, speed."""
    if not facts.training:
        return {}
    colours = source_colours(facts)
    loss = [(row["tokens"], row["loss"]) for row in facts.training]
    validation = [(row["tokens"], row["validation_loss"]) for row in facts.validation]
    x_axis, y_axis = Axis(tr("tokens")), Axis(tr("loss, nats per token"))
    total = [
        Series(tr("training"), thinned(loss), "plain", "faint", labelled=False),
        Series(tr("training"), thinned(smoothed(loss)), "plain"),
        Series(tr("validation"), validation, "model", "dots"),
    ]
    by_source = []
    for name, colour in colours.items():
        points = [(row["tokens"], row["losses"][name]) for row in facts.training if name in row.get("losses", {})]
        by_source.append(Series(name, thinned(smoothed(points), 160), colour))
        dots = [
            (r["tokens"], r["validation_losses"][name])
            for r in facts.validation
            if name in r.get("validation_losses", {})
        ]
        by_source.append(Series(tr("{name}, validation", name=name), dots, colour, "dots", labelled=False))
    steps = Axis(tr("step"))
    small = [
        ("learning_rate", tr("learning rate"), facts.training, "plain"),
        ("gradient_norm", tr("gradient norm"), facts.training, "plain"),
        ("tokens_per_second", tr("tokens per second"), facts.timing, "plain"),
    ]
    found: dict[str, Any] = {"loss": {}, "sources": {}, "small": []}
    for key, width in (("wide", WIDE), ("narrow", NARROW)):
        found["loss"][key] = line_chart(total, x_axis, y_axis, width=width, height=300.0, name=tr("Loss"))
        if len(colours) > 1:
            found["sources"][key] = line_chart(
                by_source, x_axis, y_axis, width=width, height=300.0, name=tr("Loss by source")
            )
    for field, label, rows, colour in small:
        points = [(float(row["step"]), float(row[field])) for row in rows if row.get(field) is not None]
        if points:
            drawn = [Series(label, thinned(smoothed(points, 0.01)), colour, labelled=False)]
            found["small"].append(
                line_chart(drawn, steps, Axis(label, zero=True), width=300.0, height=170.0, name=label)
            )
    return found


def training_notes(facts: RunFacts) -> list[str]:
    """Return the sentences under the curves: how long, how fast, where validation stands."""
    notes = []
    if facts.timing:
        last = facts.timing[-1]
        rates = sorted(row["tokens_per_second"] for row in facts.timing)
        used = [row["utilisation_fraction"] for row in facts.timing if row.get("utilisation_fraction") is not None]
        notes.append(
            tr("{tokens} tokens per second (median), {seconds} in the loop.", tokens=f"{rates[len(rates) // 2]:,.0f}",
               seconds=duration_text(last["elapsed_seconds"]))
        )  # fmt: skip
        if used:
            middle = share_text(sorted(used)[len(used) // 2])
            notes.append(
                tr("The matrix products reach {share} of this machine's measured peak (median).", share=middle)
            )
    if facts.validation and facts.training:
        last_loss = f"{facts.validation[-1]['validation_loss']:.3f}"
        notes.append(tr("At the end the validation loss is {validation} nats per token.", validation=last_loss))
    return notes


def sample_cards(facts: RunFacts) -> list[dict[str, str]]:
    """Return the samples: source, prompt, and what the model wrote after it."""
    cards = []
    for sample in facts.samples:
        prompt, text = str(sample["prompt"]), str(sample["text"])
        rest = text.removeprefix(prompt)
        cards.append({"source": str(sample.get("source") or ""), "prompt": prompt, "rest": rest})
    return cards


def setting_groups(facts: RunFacts) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the settings that matter most, in groups of (name, value); the whole recipe stands below them."""
    recipe, model, machine = facts.recipe, facts.model, facts.run.get("machine", {})
    model_fields = ("model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                    "num_key_value_heads", "vocab_size", "tie_word_embeddings")  # fmt: skip
    groups = [
        (tr("Model"), [(key, _value(model[key])) for key in model_fields if key in model]),
        (tr("Training"), [(key, _value(value)) for key, value in (recipe.get("train") or {}).items()]),
        (tr("Tokenizer"), [(key, _value(value)) for key, value in (recipe.get("tokenizer") or {}).items()]),
    ]
    run = [
        (tr("whole run"), duration_text(facts.run["elapsed_seconds"]) if "elapsed_seconds" in facts.run else ""),
        (tr("peak memory"), bytes_text(facts.run["peak_memory_bytes"]) if facts.run.get("peak_memory_bytes") else ""),
        (tr("processor"), str(machine.get("processor", ""))),
        (tr("cores"), str(machine.get("cores", ""))),
        (tr("memory"), bytes_text(machine["memory_bytes"]) if machine.get("memory_bytes") else ""),
        (tr("system"), str(machine.get("system", ""))),
        ("Python", str(machine.get("python", ""))),
        ("MassiveText", str(facts.run.get("version", ""))),
        *facts.run.get("packages", {}).items(),
        (tr("commit"), str(facts.run.get("commit") or "")),
    ]
    groups.append((tr("Machine"), run))
    shown = [(name, [(key, value) for key, value in pairs if value]) for name, pairs in groups]
    return [(name, pairs) for name, pairs in shown if pairs]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    if isinstance(value, float):
        return tick_text(value).replace("-", MINUS)
    return str(value)


def digest_rows(facts: RunFacts) -> list[tuple[str, str]]:
    """Return the digests that say which corpus, store and tokenizer the numbers belong to."""
    found = [
        (tr("corpus"), facts.corpus_digest),
        (tr("token store"), facts.tokens.get("digest", "")),
        (tr("tokenizer"), facts.tokens.get("tokenizer", {}).get("digest", "")),
    ]
    return [(name, digest) for name, digest in found if digest]


def commands(facts: RunFacts) -> list[tuple[str, str]]:
    """Return what a reader can do next: a sentence and the command line."""
    folder = str(facts.folder)
    step = facts.training[-1]["step"] if facts.training else 1000
    talk = [
        (tr("Talk to it"), f"massivetext chat {folder}"),
        (tr("Let it go on from your own words"), f'massivetext generate {folder} --prompt "..."'),
        (tr("Score it on your own files"), f"massivetext evaluate {folder} FILE ..."),
        (tr("Train it for as long again"), f"massivetext train {folder}/recipe.yaml --out {folder}-longer "
         f"--set train.from={folder} --set train.steps={step}"),
    ]  # fmt: skip
    look = [(tr("See what was dropped, and why"), f"massivetext corpus inspect {folder}")]
    again = [(tr("Continue where it stopped"), f"massivetext run {folder}/recipe.yaml --out {folder}")]
    return (talk if facts.model else again) + look


def page_title(facts: RunFacts) -> str:
    """Return the name of the run or corpus: its folder's; a run's corpus has the run's name before its own."""
    folder = facts.folder.resolve()
    return f"{folder.parent.name}/{folder.name}" if folder.name == "corpus" else folder.name


def digest_line(facts: RunFacts) -> str:
    """Return the corpus digest in short, to stand beside numbers."""
    return short_digest(facts.corpus_digest)
