"""The contents of a corpus's page, section by section: words and numbers in the language in use, and its pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from massivetext.corpus.reading import Corpus, load_corpus
from massivetext.corpus.unread import unread_by_source
from massivetext.errors import MassiveTextError
from massivetext.report.clusters import SIMILARITIES, SIZES, Clusters
from massivetext.report.corpus_flow import corpus_flow
from massivetext.report.gathering import RunFacts
from massivetext.report.histograms import histogram_picture
from massivetext.report.quantities import bytes_text, count_text, joined, reason_words, share_text, tick_text
from massivetext.report.surveying import Rule, Survey, survey
from massivetext.report.tallies import Histogram, Tally
from massivetext.state import read_state
from massivetext.tokens.mixture import planned_shares
from massivetext.tokens.settings import MixtureSettings
from massivetext.translations import tr

REMEDY = "Restore it from a copy, or build the corpus again"
SHOWN_ROWS = 12
SHOWN_RULES = 60
"""Those that dropped most; a step of the user's own may give any number of reasons."""
SHOWN_SET_ASIDE = 20
CHART, CHART_HEIGHT = 300.0, 132.0


def corpus_part(facts: RunFacts, colours: Mapping[str, str]) -> dict[str, Any]:
    """Return all that the corpus part of a page shows; nothing where the documents are not there (any more)."""
    if not (facts.corpus and (facts.corpus_folder / "documents").is_dir()):
        return {}
    corpus = load_corpus(facts.corpus_folder)
    found = survey(corpus)
    dropping = [rule for rule in found.rules if rule.dropped.documents]
    least = sorted((rule.dropped.documents for rule in dropping), reverse=True)[:SHOWN_RULES][-1:]
    shown = [rule for rule in dropping if rule.dropped.documents >= least[0]][:SHOWN_RULES]
    manifest = corpus.manifest
    return {
        "flow": {"wide": corpus_flow(manifest, colours), "narrow": corpus_flow(manifest, colours, narrow=True)},
        "sources": [(name, colours[name]) for name in manifest["sources"]],
        "rules": [rule_card(rule, *_other_limits(rule, found.rules)) for rule in shown],
        "more_rules": len(dropping) - len(shown),
        "idle": [rule_card(rule, *_other_limits(rule, found.rules)) for rule in found.rules if rule not in dropping],
        "clusters": cluster_section(found.clusters),
        "languages": language_rows(found),
        "licenses": license_rows(found),
        "lengths": length_charts(found, colours),
        "mixture": mixture_rows(facts, colours),
        "weighted": bool(facts.recipe.get("mixture")),
        "placeholders": [(name, f"{count:,}") for name, count in found.placeholders.items() if count],
        "counts_placeholders": bool(found.placeholders),
        "contamination": contamination_rows(corpus),
        "set_aside": manifest["set_aside"][:SHOWN_SET_ASIDE],
        "unread": unread_rows(manifest),
        "taken_down": sum(counts.get("taken_down", {}).get("documents", 0) for counts in manifest["sources"].values()),
    }


def corpus_headline(facts: RunFacts) -> dict[str, Any]:
    """Return the main number of a corpus's own page, the sentences beside it, and the small numbers."""
    flows = facts.flows
    documents = sum(flow.kept.documents for flow in flows)
    size = sum(flow.kept.size_bytes for flow in flows)
    records = sum(flow.read.documents for flow in flows)
    read = sum(flow.read.size_bytes for flow in flows)
    dropped = sum(drop.documents for flow in flows for drop in flow.dropped.values())
    sentences = [
        tr("of clean text: {kept} documents, of {records} records read.", kept=count_text(documents),
           records=count_text(records)),
        tr("{dropped} were dropped, each with its reason; {read} became {size}.", dropped=count_text(dropped),
           read=bytes_text(read), size=bytes_text(size)),
    ]  # fmt: skip
    figure, unit = bytes_text(size).split("\u202f")
    splits = facts.corpus["splits"]
    aside = [(tr(name), tr("{count} documents", count=count_text(splits[name]["documents"]))) for name in splits]
    builds = len(facts.corpus["builds"])
    return {
        "headline": {"figure": figure, "unit": unit, "sentences": sentences},
        "aside": [*aside, *([(tr("builds"), str(builds))] if builds > 1 else [])],
    }


def corpus_commands(facts: RunFacts) -> list[tuple[str, str]]:
    """Return what a reader can do next with a corpus."""
    folder = facts.folder
    return [
        (tr("See any document, its measures and its edits"), f"massivetext corpus inspect {folder} --id ID --replay"),
        (tr("Compare with another build"), f"massivetext corpus diff {folder} OTHER"),
        (tr("Take documents down"), f'massivetext corpus remove {folder} --url "https://..." --reason "..."'),
    ]


def _other_limits(rule: Rule, rules: Sequence[Rule]) -> tuple[str, ...]:
    """Return the sources of a rule that is held against others with another limit; nothing for other rules."""
    same = [other for other in rules if (other.step, other.name) == (rule.step, rule.name)]
    return tuple(sorted(rule.sources)) if len(same) > 1 else ()


def rule_card(rule: Rule, *sources: str) -> dict[str, Any]:
    """Return a rule as the page shows it: what it dropped, its picture, its samples; sources: if it is only theirs."""
    words = reason_words(f"{rule.step}: {rule.name}").removeprefix(f"{rule.step}: ")
    picture = ""
    if rule.histogram is not None and rule.histogram.counts.any():
        name = f"{rule.step}: {rule.name}"
        picture = histogram_picture(rule.histogram, "c0", width=CHART, height=CHART_HEIGHT, name=name)
    return {
        "step": rule.step,
        "sources": joined(sources),
        "name": words,
        "limit": "" if rule.limit is None or picture else tick_text(rule.limit),
        "documents": count_text(rule.dropped.documents),
        "size": bytes_text(rule.dropped.size_bytes),
        "picture": picture,
        "dropped": [_sample(sample, rule) for sample in rule.dropped_samples],
        "kept": [_sample(sample, rule) for sample in rule.kept_samples],
    }


def _sample(sample: Any, rule: Rule) -> dict[str, str]:
    detail = sample.reason.removeprefix(rule.name).removeprefix(": ")
    return {
        "id": sample.id,
        "source": sample.source,
        "value": "" if sample.value is None else f"{sample.value:.4g}",
        "detail": detail,
        "text": sample.text,
    }


def cluster_section(clusters: Clusters) -> dict[str, Any]:
    """Return what is shown of duplicates: numbers, sizes, similarities, the largest clusters with their texts."""
    if not clusters.clusters:
        return {}
    sizes = []
    for least, beyond in zip(SIZES, [*SIZES[1:], None]):
        if clusters.sizes[least]:
            name = f"{least}" if beyond == least + 1 else f"{least} – {beyond - 1}" if beyond else f"≥ {least:,}"
            sizes.append((name, clusters.sizes[least]))
    most = max(count for _, count in sizes)
    similar = Histogram(SIMILARITIES, even=True)
    similar.counts = clusters.similarities
    return {
        "words": tr("{duplicates} documents repeat an earlier one, in {clusters} clusters.",
                    duplicates=count_text(clusters.duplicates), clusters=count_text(clusters.clusters)),
        "sizes": [(name, count_text(count), 100 * count / most) for name, count in sizes],
        "similarity": _similarity_picture(similar),
        "largest": [
            {
                "documents": count_text(cluster.documents),
                "first": cluster.first.text if cluster.first else "",
                "id": cluster.first.id if cluster.first else f"{cluster.key:016x}",
                "source": cluster.first.source if cluster.first else "",
                "members": [(s.text, s.id, s.source, "" if v is None else f"{v:.3f}") for s, v in cluster.shown],
            }
            for cluster in clusters.largest
        ],
    }  # fmt: skip


def _similarity_picture(histogram: Histogram) -> str:
    if not histogram.counts.any():
        return ""
    return histogram_picture(
        histogram, "c0", width=CHART, height=CHART_HEIGHT, name=tr("similarity of near-duplicates"),
        write=lambda value: f"{value:.2f}",
    )  # fmt: skip


def language_rows(found: Survey) -> list[dict[str, Any]]:
    """Return the languages by how much was kept of them, the rest summed up; nothing where none is known."""
    known = {name: tallies for name, tallies in found.languages.items() if name}
    if not known:
        return []
    order = sorted(known, key=lambda name: (-known[name][0].size_bytes, -known[name][1].documents, name))
    rows = [(name, *known[name]) for name in order[:SHOWN_ROWS]]
    if len(order) > SHOWN_ROWS:
        others = [known[name] for name in order[SHOWN_ROWS:]]
        count = tr("{count} other languages", count=len(others))
        rows.append((count, _sum(kept for kept, _ in others), _sum(gone for _, gone in others)))
    if "" in found.languages:
        rows.append((tr("unknown"), *found.languages[""]))
    total = max(sum(kept.size_bytes for kept, _ in found.languages.values()), 1)
    return [
        {
            "name": name,
            "share": 100 * kept.size_bytes / total,
            "percent": share_text(kept.size_bytes / total),
            "size": bytes_text(kept.size_bytes),
            "documents": count_text(kept.documents),
            "dropped": count_text(gone.documents) if gone.documents else "",
        }
        for name, kept, gone in rows
    ]


def license_rows(found: Survey) -> list[tuple[str, str, str]]:
    """Return (licence, documents, bytes), the most frequent first."""
    known = {name: tally for name, tally in found.licenses.items() if name}
    order = sorted(known.items(), key=lambda item: (-item[1].documents, item[0]))
    rows = order[:SHOWN_ROWS]
    if len(order) > SHOWN_ROWS:
        others = tr("{count} other licences", count=len(order) - SHOWN_ROWS)
        rows.append((others, _sum(tally for _, tally in order[SHOWN_ROWS:])))
    if "" in found.licenses:
        rows.append((tr("none noted"), found.licenses[""]))
    return [(name, count_text(tally.documents), bytes_text(tally.size_bytes)) for name, tally in rows]


def _sum(tallies: Any) -> Tally:
    total = Tally()
    for tally in tallies:
        total.add(tally.documents, tally.size_bytes)
    return total


def length_charts(found: Survey, colours: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return (source, colour, picture) of the lengths of the kept documents."""
    charts = []
    for source, histogram in found.lengths.items():
        picture = histogram_picture(
            histogram, colours[source], width=CHART, height=CHART_HEIGHT,
            name=tr("lengths of the documents of {source}", source=source), write=bytes_text,
        )  # fmt: skip
        charts.append((source, colours[source], picture))
    return charts


def mixture_rows(facts: RunFacts, colours: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what each source is of the training text: documents, bytes, share; in a run also weight and epochs."""
    held = facts.corpus.get("splits", {}).get("train", {}).get("sources", {})
    total = max(sum(entry["bytes"] for entry in held.values()), 1)
    sizes = {name: entry["bytes"] for name, entry in held.items()}
    planned = {}
    if facts.recipe.get("mixture"):
        tokens = facts.split_count("train", "tokens") / max(facts.split_count("train", "text_bytes"), 1)
        try:
            mixture = MixtureSettings.parse(facts.recipe["mixture"], "mixture")
            planned = {share.source: share for share in planned_shares(mixture, sizes, tokens)}
        except MassiveTextError:
            planned = {}  # a run whose mixture names what its corpus lacks has said so already
    rows = []
    for name, entry in held.items():
        share = planned.get(name)
        rows.append(
            {
                "name": name,
                "colour": colours[name],
                "documents": count_text(entry["documents"]),
                "size": bytes_text(entry["bytes"]),
                "mean": bytes_text(entry["bytes"] / max(entry["documents"], 1)),
                "share": share_text(entry["bytes"] / total),
                "bar": 100 * entry["bytes"] / total,
                "weight": share_text(share.weight) if share else "",
                "epochs": f"{share.epochs:.2f}" if share else "",
            }
        )
    return rows


def contamination_rows(corpus: Corpus) -> list[tuple[str, str, str, str]]:
    """Return (benchmark, items looked for, items touched, documents that touch them), all builds together."""
    totals: dict[str, np.ndarray[Any, Any]] = {}
    for path in sorted((corpus.folder / "contamination").glob("build-*.json")):
        if int(path.stem.split("-")[1]) > corpus.manifest["build"]:
            continue
        for name, entry in read_state(path, (), REMEDY).items():
            counts = np.array([entry["items"] - entry["too_short"], entry["touched"], entry["documents"]])
            # Each build looks for the same items.
            known = totals.get(name, np.array([counts[0], 0, 0]))
            totals[name] = known + np.array([0, counts[1], counts[2]])
    return [(name, f"{counts[0]:,}", f"{counts[1]:,}", f"{counts[2]:,}") for name, counts in totals.items()]


def unread_rows(manifest: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Return (source, suffix, files, size, names) of files of formats that are not read."""
    return [
        (source, suffix or tr("without a suffix"), f"{entry['files']:,}", bytes_text(entry["bytes"]),
         ", ".join(entry["names"]) + (", ..." if entry["files"] > len(entry["names"]) else ""))
        for source, counts in unread_by_source(manifest).items()
        for suffix, entry in counts.items()
    ]  # fmt: skip


def set_aside_words(entries: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Return (place, reason) of records that were set aside."""
    return [(f"{entry['source']}  {entry['uri']} @{entry['record']}", entry["reason"]) for entry in entries]
