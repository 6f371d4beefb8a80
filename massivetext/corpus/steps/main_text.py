"""The main text of a web page: what its author wrote, without navigation, advertisements and forms."""

import re
from functools import cache
from typing import Any

from massivetext.errors import BadDocument

TAGS = re.compile(r"<(/?)([a-zA-Z][\w:-]*)")
UNNESTED = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
    "p", "li", "td", "th", "tr", "dd", "dt", "option", "thead", "tbody", "tfoot",
    "circle", "ellipse", "line", "path", "polygon", "polyline", "rect", "stop", "use",
}  # fmt: skip
"""Elements that have no content, or that people leave open."""
MAX_NESTING = 2000
"""Pages nested deeper are no text of a person's, and the time that resiliparse takes grows with the square."""
RUBY = re.compile(r"<ruby\b(?:[^<]|<(?!/?ruby\b))*+</ruby\s*>", re.IGNORECASE)
RUBY_TAG = re.compile(r"</?(?:ruby|rb|rbc|rt|rp|rtc)\b[^<>]*>", re.IGNORECASE)
READING = re.compile(
    r"<(?:rt|rp|rtc)\b(?:[^<]|<(?!/?(?:rt|rp|rtc|rb|rbc|ruby)\b))*+(?:</(?:rt|rp|rtc)\s*>)?|</rtc\s*>", re.IGNORECASE
)
"""A reading, or the bracket around one for browsers that show none above; their closing tags may be missing."""
MAX_CHARACTERS = 20_000_000
"""Longer pages are data, and would take minutes."""
TOO_LONG = f"longer than {MAX_CHARACTERS:,} characters"
TOO_DEEP = f"elements nested more than {MAX_NESTING:,} deep"
IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
MIN_IDEOGRAPHS = 50
"""A page with as many Han characters or kana is measured by their size: each says as much as three letters."""
SHORTEST_ARTICLE, SHORTEST_IDEOGRAPHIC_ARTICLE = 250, 125
"""Where trafilatura finds less, it looks for more by other ways, in characters: its own default, and half of that for
ideographs, which say as much in less than half the characters."""


def main_text(extractor: str, page: str) -> str:
    """Return a page's main text, paragraphs on lines of their own; empty where there is none.

    extractor: "trafilatura" (best), "resiliparse" (about ten times as fast) or "all" (everything visible). Raises
    BadDocument for a page that is too long or nested too deep.
    """
    if len(page) > MAX_CHARACTERS:
        raise BadDocument(TOO_LONG)
    page = without_readings(page)
    if extractor == "trafilatura":
        import trafilatura

        ideographic = not page.isascii() and len(page) - len(IDEOGRAPHS.sub("", page)) >= MIN_IDEOGRAPHS
        config = _config(SHORTEST_IDEOGRAPHIC_ARTICLE if ideographic else SHORTEST_ARTICLE)
        # With the second opinions (readability, jusText), which `fast` would leave out: see benchmarks/extraction.py.
        found: Any = trafilatura.extract(page, include_comments=False, include_tables=True, config=config)
        return found or ""
    if is_too_deep(page):
        raise BadDocument(TOO_DEEP)
    from resiliparse.extract.html2text import extract_plain_text

    found = extract_plain_text(page, preserve_formatting=True, main_content=extractor == "resiliparse", alt_texts=False)
    return str(found).strip()


def without_readings(page: str) -> str:
    """Return a page without the readings (pinyin, kana) that stand above characters in `<ruby>`."""
    if "<ruby" not in page and "<RUBY" not in page:
        return page
    return RUBY_TAG.sub("", RUBY.sub(lambda found: READING.sub("", found[0]), page))


@cache
def _config(shortest: int) -> Any:
    """Return trafilatura's settings with another shortest article, in characters."""
    from copy import deepcopy

    from trafilatura.settings import DEFAULT_CONFIG

    config = deepcopy(DEFAULT_CONFIG)
    config["DEFAULT"]["MIN_EXTRACTED_SIZE"] = str(shortest)
    return config


def plain_text(page: str) -> str:
    """Return all the text of a piece of HTML, with its paragraphs, lists and preformatted parts."""
    return main_text("all", page)


def is_too_deep(page: str) -> bool:
    """Return whether more elements are open at once than in any page that people read."""
    if page.count("<") <= MAX_NESTING:
        return False
    depth = 0
    for found in TAGS.finditer(page):
        if found[2].lower() not in UNNESTED:
            depth = max(depth + (-1 if found[1] else 1), 0)
            if depth > MAX_NESTING:
                return True
    return False
