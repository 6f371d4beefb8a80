"""How well, and how fast, the main text is taken out of web pages: 181 pages with the text that people marked in them.

    python benchmarks/extraction.py [--data FOLDER] [--out benchmarks/results/extraction.json]

Two sets: the pages as they are, in English, and the same pages in Chinese: each word of a page, and of the text marked
in it, becomes a few characters of a Chinese text, the same ones wherever it occurs. So the Chinese pages have the
structure of real pages, text that is as dense as Chinese, and a marked text.

Score, as in the article extraction benchmark that the pages are from: the 4-grams (of words, in Chinese of characters)
of the extracted and the marked text are compared as multisets; precision and recall are means over the pages, F1 is
their harmonic mean. Speed is MB of HTML a second of processor time, decoding not included. `published` are the texts
that come with the pages, extracted by their authors.
"""

import argparse
import gzip
import importlib.metadata
import json
import platform
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xxhash
from inputs import add_data_option, chinese_texts, required

from massivetext.corpus.readers.html_file import declared_encoding
from massivetext.corpus.readers.text import decode_file
from massivetext.corpus.steps.main_text import main_text
from massivetext.storage import write_json

WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")
GRAM = 4
PAGES = {
    "article-extraction/ground-truth.json": "marked texts, from scrapinghub/article-extraction-benchmark",
    "article-extraction/html": "their pages",
    "article-extraction/output": "published extractions",
}
MARKUP = re.compile(
    r"<(script|style|noscript)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>|&[#\w]{1,10};", re.DOTALL | re.IGNORECASE
)
LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+(?:['’][A-Za-z]+)?")
LETTERS_PER_CHARACTER = 2.5
"""How many letters of English say what a Chinese character says."""
PUNCTUATION = str.maketrans({",": "，", ".": "。", "!": "！", "?": "？", ":": "：", ";": "；", "(": "（", ")": "）"})


def grams(text: str) -> Counter[tuple[str, ...]]:
    """Return the word n-grams of a text; one that is shorter is one gram."""
    words = WORD.findall(text)
    if not words:
        return Counter()
    return Counter(tuple(words[start : start + GRAM]) for start in range(max(1, len(words) - GRAM + 1)))


def score(found: dict[str, str], gold: dict[str, str]) -> dict[str, float]:
    """Return precision, recall and F1 of extracted texts, fractions."""
    precisions, recalls = [], []
    for name, wanted in gold.items():
        expected, got = grams(wanted), grams(found.get(name, ""))
        hits = sum((expected & got).values())
        precisions.append(hits / got.total() if got else float(not expected))
        recalls.append(hits / expected.total() if expected else 1.0)
    precision, recall = sum(precisions) / len(gold), sum(recalls) / len(gold)
    f1 = 2 * precision * recall / (precision + recall)
    return {"f1": round(f1, 4), "precision": round(precision, 4), "recall": round(recall, 4)}


def in_chinese(text: str, source: str) -> str:
    """Return an English text with a few Chinese characters for each word, without spaces between them."""

    def characters(found: re.Match[str]) -> str:
        word = found[0].lower()
        start = xxhash.xxh3_64_intdigest(word.encode()) % (len(source) - 40)
        return source[start : start + max(1, round(len(word) / LETTERS_PER_CHARACTER))]

    written = LATIN_WORD.sub(characters, text).translate(PUNCTUATION)
    return re.sub(r"(?<=[\u3000-\u9fff\uff00-\uffef]) +(?=[\u3000-\u9fff\uff00-\uffef])", "", written)


def page_in_chinese(page: str, source: str) -> str:
    """Return a page whose visible text is Chinese; its markup, scripts and styles stay."""
    parts, place = [], 0
    for found in MARKUP.finditer(page):
        parts += in_chinese(page[place : found.start()], source), found[0]
        place = found.end()
    return "".join([*parts, in_chinese(page[place:], source)])


def chinese_text(data: Path) -> str:
    """Return Chinese prose without punctuation, to take characters from."""
    trial = data / "zh/cmrc2018_trial.json"
    if trial.is_file():
        articles = json.loads(trial.read_text())["data"]
        texts = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
    else:
        texts = chinese_texts(data, sets_only=True)
    return "".join(re.findall(r"[\u4e00-\u9fff]", "".join(texts)))


def candidates() -> dict[str, Callable[[str], str]]:
    """Return the ways of extraction: those of the step, and trafilatura's other settings."""
    import trafilatura

    def other(**options: bool) -> Callable[[str], str]:
        return lambda page: trafilatura.extract(page, include_comments=False, **options) or ""

    return {
        "trafilatura (the step's default)": lambda page: main_text("trafilatura", page),
        "resiliparse": lambda page: main_text("resiliparse", page),
        "all": lambda page: main_text("all", page),
        "trafilatura's default": lambda page: trafilatura.extract(page) or "",
        "trafilatura's default, no comments": other(),
        "trafilatura, fast": other(fast=True),
        "trafilatura, favour precision": other(favor_precision=True),
        "trafilatura, favour recall": other(favor_recall=True),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/extraction.json")
    options = parser.parse_args()
    folder = required(options.data, PAGES) / "article-extraction"
    marked = json.loads((folder / "ground-truth.json").read_text())
    gold = {name: entry["articleBody"] for name, entry in marked.items()}
    raw = {name: gzip.decompress((folder / f"html/{name}.html.gz").read_bytes()) for name in gold}
    pages = {name: decode_file(page, "auto", declared_encoding(page)).text for name, page in raw.items()}
    size = sum(map(len, raw.values()))
    source = chinese_text(options.data)
    sets = {
        "english": (pages, gold),
        "chinese": (
            {name: page_in_chinese(page, source) for name, page in pages.items()},
            {name: in_chinese(text, source) for name, text in gold.items()},
        ),
    }
    rows: dict[str, dict[str, Any]] = {language: {} for language in sets}
    for name, extract in candidates().items():
        extract(next(iter(pages.values())))
        for language, (given, wanted) in sets.items():
            start = time.process_time()
            found = {key: extract(page) for key, page in given.items()}
            seconds = time.process_time() - start
            written = sum(len(page.encode()) for page in given.values())
            rows[language][name] = {**score(found, wanted), "html_mb_per_second": round(written / seconds / 1e6, 1)}
            print(f"{language:8} {name:40} {rows[language][name]}", flush=True)
    published = {}
    for name in ("trafilatura", "readability", "boilerpipe"):
        values = json.loads((folder / f"output/{name}.json").read_text())
        values = values.get("output", values)
        published[name] = score({key: entry.get("articleBody") or "" for key, entry in values.items()}, gold)
    write_json(
        options.out,
        {
            "benchmark": "extraction",
            "pages": len(gold),
            "html_bytes": size,
            "gram": GRAM,
            "extractors": rows,
            "published": published,
            "versions": {name: importlib.metadata.version(name) for name in ("trafilatura", "resiliparse", "lxml")},
            "machine": {"processor": platform.processor(), "python": platform.python_version()},
        },
    )


if __name__ == "__main__":
    main()
