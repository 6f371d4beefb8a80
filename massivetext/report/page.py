"""The report of a run, or of a corpus alone: one HTML page that needs nothing but itself, and a copy in Markdown."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from massivetext import __version__
from massivetext.progress import duration_text
from massivetext.report import scores, sections
from massivetext.report.corpus_sections import corpus_commands, corpus_headline, corpus_part
from massivetext.report.flow import NARROW, journey_picture
from massivetext.report.frame import render
from massivetext.report.gathering import RunFacts, is_corpus, read_corpus, read_run
from massivetext.report.markdown import markdown
from massivetext.report.quantities import bytes_text, count_text
from massivetext.state import write_sealed
from massivetext.storage import locked_folder
from massivetext.translations import language as language_in_use
from massivetext.translations import set_language, tr

REPORT, REPORT_MARKDOWN = "report.html", "report.md"
COMMENT = ("<!--", "-->")
"""What the last line of a page, which holds its digest, begins and ends with."""
WAIT_SECONDS = 20.0


def write_report(run_folder: str | Path, language: str | None = None) -> Path:
    """Write `report.html` and `report.md` into a run or corpus folder and return the page; a run may be unfinished.

    language: "en" or "zh"; None for the one in use. Raises DataError if the folder holds neither, BusyError while its
    corpus is being written.
    """
    before = language_in_use()
    set_language(language or before)
    try:
        with _still_corpus(Path(run_folder)):
            facts = read_corpus(run_folder) if is_corpus(run_folder) else read_run(run_folder)
            path = facts.folder / REPORT
            values = contents(facts) if facts.recipe else corpus_contents(facts)
            kind = tr("run report") if facts.recipe else tr("corpus report")
            template = "template.html" if facts.recipe else "corpus_page.html"
            write_sealed(path, render(template, **values), COMMENT)
            write_sealed(facts.folder / REPORT_MARKDOWN, markdown(values, kind), COMMENT)
    finally:
        set_language(before)
    return path


@contextmanager
def _still_corpus(folder: Path) -> Iterator[None]:
    """Hold the corpus's lock while a page shows its texts; wait a little for a build or takedown that has it."""
    corpus = folder if is_corpus(folder) else folder / "corpus"
    if not corpus.is_dir():
        yield
        return
    with locked_folder(corpus, nested=True, wait_seconds=WAIT_SECONDS):
        yield


def corpus_contents(facts: RunFacts) -> dict[str, Any]:
    """Return all that the template places on the page of a corpus alone."""
    colours = sections.source_colours(facts)
    return {
        **corpus_headline(facts),
        "title": sections.page_title(facts),
        "digest": sections.digest_line(facts),
        "missing": (),
        "colours": colours,
        "dropped": sections.dropped_rows(facts),
        "corpus": corpus_part(facts, colours),
        "commands": corpus_commands(facts),
        "settings_text": _yaml({"seed": facts.corpus["seed"], "corpus": facts.corpus["settings"]}),
        "versions_text": _yaml(facts.corpus["versions"]),
        "version": facts.corpus["versions"]["massivetext"],
    }


def _yaml(value: object) -> str:
    """Return a JSON value as YAML."""
    import yaml  # type: ignore[import-untyped, unused-ignore]

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110))


def contents(facts: RunFacts) -> dict[str, Any]:
    """Return all that the template places on the page."""
    colours = sections.source_colours(facts)
    trained = facts.training[-1] if facts.training else {}
    seconds = facts.run.get("elapsed_seconds")
    aside = [
        (tr("parameters"), count_text(facts.parameters) if facts.parameters else ""),
        (tr("tokens trained on"), count_text(trained["tokens"]) if trained else ""),
        (tr("whole run"), duration_text(seconds) if seconds else ""),
        (tr("training text"), bytes_text(facts.split_count("train", "text_bytes")) if facts.tokens else ""),
    ]
    return {
        "title": sections.page_title(facts),
        "headline": sections.headline(facts),
        "aside": [(name, value) for name, value in aside if value],
        "digest": sections.digest_line(facts),
        "missing": facts.missing,
        "river": {"wide": journey_picture(facts, colours), "narrow": journey_picture(facts, colours, NARROW)},
        "stations": sections.stations(facts),
        "colours": colours,
        "dropped": sections.dropped_rows(facts),
        "corpus": corpus_part(facts, colours),
        "curves": sections.training_charts(facts),
        "training_notes": sections.training_notes(facts),
        "scores": scores.score_blocks(facts),
        "samples": sections.sample_cards(facts),
        "generate": facts.recipe.get("generate") or {},
        "settings": sections.setting_groups(facts),
        "recipe_text": facts.recipe_text,
        "digests": sections.digest_rows(facts),
        "commands": sections.commands(facts),
        "version": facts.run.get("version", __version__),
    }
