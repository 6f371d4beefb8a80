"""Extract the main text of a web page: what its author wrote, without navigation, advertisements and forms."""

import re
from functools import cache
from typing import Any

from massivetext.errors import BadDocument
from massivetext.text.patterns import compile_pattern

TAGS = re.compile(r"<(/?)([a-zA-Z][\w:-]*)")
UNNESTED = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
    "p", "li", "td", "th", "tr", "dd", "dt", "option", "thead", "tbody", "tfoot",
    "circle", "ellipse", "line", "path", "polygon", "polyline", "rect", "stop", "use",
}  # fmt: skip
"""Elements that have no content, or whose closing tags are often omitted."""
MAX_NESTING = 2000
"""Pages that are nested deeper were not written by people, and the time of resiliparse grows with the square."""
RUBY = compile_pattern(r"<ruby\b(?:[^<]|<(?!/?ruby\b))*+</ruby\s*>", re.IGNORECASE)
RUBY_TAG = re.compile(r"</?(?:ruby|rb|rbc|rt|rp|rtc)\b[^<>]*>", re.IGNORECASE)
READING = compile_pattern(
    r"<(?:rt|rp|rtc)\b(?:[^<]|<(?!/?(?:rt|rp|rtc|rb|rbc|ruby)\b))*+(?:</(?:rt|rp|rtc)\s*>)?|</rtc\s*>", re.IGNORECASE
)
"""A reading, or the brackets around it for browsers that cannot show it above the text. Closing tags may be missing."""
MAX_CHARACTERS = 20_000_000
"""Longer pages are data, and would take minutes."""
TOO_LONG = f"longer than {MAX_CHARACTERS:,} characters"
TOO_DEEP = f"elements nested more than {MAX_NESTING:,} deep"
IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
MIN_IDEOGRAPHS = 50
"""A page with at least this many Han characters or kana gets the lower limit: each says as much as three letters."""
SHORTEST_ARTICLE, SHORTEST_IDEOGRAPHIC_ARTICLE = 250, 125
"""If trafilatura finds fewer characters, it tries other ways. The first value is its default. The second is half of it,
for ideographs, which say as much in less than half the characters."""


def main_text(extractor: str, page: str) -> str:
    """Return the main text of a page with each paragraph on a line; empty if there is none.

    extractor: "trafilatura" (best), "resiliparse" (about ten times as fast) or "all" (everything visible). Raises
    BadDocument for a page that is too long or nested too deeply.
    """
    if len(page) > MAX_CHARACTERS:
        raise BadDocument(TOO_LONG)
    page = without_readings(page)
    if extractor == "trafilatura":
        import trafilatura

        ideographic = not page.isascii() and len(page) - len(IDEOGRAPHS.sub("", page)) >= MIN_IDEOGRAPHS
        config = _config(SHORTEST_IDEOGRAPHIC_ARTICLE if ideographic else SHORTEST_ARTICLE)
        # Include the fallbacks (readability, jusText), which `fast` would skip: see benchmarks/extraction.py.
        found: Any = trafilatura.extract(page, include_comments=False, include_tables=True, config=config)
        return found or ""
    if is_too_deep(page):
        raise BadDocument(TOO_DEEP)
    from resiliparse.extract.html2text import extract_plain_text

    found = extract_plain_text(page, preserve_formatting=True, main_content=extractor == "resiliparse", alt_texts=False)
    return str(found).strip()


def without_readings(page: str) -> str:
    """Return a page without the readings (pinyin, kana) that `<ruby>` shows above characters."""
    if "<ruby" not in page and "<RUBY" not in page:
        return page
    return RUBY_TAG.sub("", RUBY.sub(lambda found: READING.sub("", found[0]), page))


@cache
def _config(shortest: int) -> Any:
    """Return trafilatura's settings with another minimum article length, in characters."""
    from copy import deepcopy

    from trafilatura.settings import DEFAULT_CONFIG

    config = deepcopy(DEFAULT_CONFIG)
    config["DEFAULT"]["MIN_EXTRACTED_SIZE"] = str(shortest)
    return config


def plain_text(page: str) -> str:
    """Return all text of a piece of HTML, including its paragraphs, lists and preformatted parts."""
    return main_text("all", page)


def is_too_deep(page: str) -> bool:
    """Return whether more elements are open at once than in any page made for people."""
    if page.count("<") <= MAX_NESTING:
        return False
    depth = 0
    for found in TAGS.finditer(page):
        if found[2].lower() not in UNNESTED:
            depth = max(depth + (-1 if found[1] else 1), 0)
            if depth > MAX_NESTING:
                return True
    return False
