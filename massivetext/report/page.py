"""The report of a run: one HTML page that needs nothing but itself."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from massivetext import __version__
from massivetext.report import scores, sections
from massivetext.report.flow import NARROW, journey_picture
from massivetext.report.gathering import RunFacts, read_run
from massivetext.report.quantities import bytes_text, count_text, duration_text
from massivetext.storage import write_text
from massivetext.translations import language as language_in_use
from massivetext.translations import set_language, tr

REPORT = "report.html"


def write_report(run_folder: str | Path, language: str | None = None) -> Path:
    """Write `report.html` into a run folder and return its path; the run may be unfinished.

    language: "en" or "zh"; None for the one in use. Raises DataError if the folder holds no run.
    """
    before = language_in_use()
    set_language(language or before)
    try:
        facts = read_run(run_folder)
        path = facts.folder / REPORT
        write_text(path, render(facts))
    finally:
        set_language(before)
    return path


def render(facts: RunFacts) -> str:
    """Return the page of a run in the language in use."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    packaged = files("massivetext.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["picture"] = Markup  # pictures are made here, with every word in them escaped
    template = environment.from_string(packaged.joinpath("template.html").read_text(encoding="utf-8"))
    style = packaged.joinpath("style.css").read_text(encoding="utf-8")
    return template.render(tr=tr, language=language_in_use(), style=Markup(style), **contents(facts))


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
        "curves": sections.training_charts(facts),
        "training_notes": sections.training_notes(facts),
        "bars": scores.score_charts(facts),
        "table": scores.score_table(facts),
        "score_notes": scores.score_notes(facts),
        "samples": sections.sample_cards(facts),
        "generate": facts.recipe.get("generate") or {},
        "settings": sections.setting_groups(facts),
        "recipe_text": facts.recipe_text,
        "digests": sections.digest_rows(facts),
        "commands": sections.commands(facts),
        "version": facts.run.get("version", __version__),
    }
