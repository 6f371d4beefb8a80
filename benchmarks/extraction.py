"""How well, and how fast, the main text is taken out of web pages: 181 pages with the text that people marked in them.

    python benchmarks/extraction.py [--data ../shared/data] [--out benchmarks/results/extraction.json]

Score, as in the article extraction benchmark that the pages are from: the word 4-grams of the extracted and the marked
text are compared as multisets; precision and recall are means over the pages, F1 is their harmonic mean. Speed is MB of
HTML a second of processor time, decoding not included, the best of several rounds. `published` are the texts that come
with the pages, extracted by their authors.
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

from massivetext.corpus.main_text import main_text
from massivetext.corpus.readers.decoding import decode_file
from massivetext.corpus.readers.html_file import declared_encoding
from massivetext.storage import write_json

WORD = re.compile(r"\w+")
GRAM = 4
ROUNDS = 2


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


def candidates() -> dict[str, Callable[[str], str]]:
    """Return the ways of extraction: those of the step, and trafilatura's other settings."""
    import trafilatura

    def other(**options: bool) -> Callable[[str], str]:
        return lambda page: trafilatura.extract(page, include_comments=False, **options) or ""

    return {
        "trafilatura (the step's default)": lambda page: main_text("trafilatura", page),
        "resiliparse": lambda page: main_text("resiliparse", page),
        "all": lambda page: main_text("all", page),
        "trafilatura, with second opinions": other(),
        "trafilatura, favour precision": other(favor_precision=True),
        "trafilatura, fast, no tables": other(fast=True, include_tables=False),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/extraction.json"))
    options = parser.parse_args()
    folder = options.data / "article-extraction"
    marked = json.loads((folder / "ground-truth.json").read_text())
    gold = {name: entry["articleBody"] for name, entry in marked.items()}
    raw = {name: gzip.decompress((folder / f"html/{name}.html.gz").read_bytes()) for name in gold}
    pages = {name: decode_file(page, "auto", declared_encoding(page)).text for name, page in raw.items()}
    size = sum(map(len, raw.values()))
    rows = {}
    for name, extract in candidates().items():
        extract(next(iter(pages.values())))
        seconds = []
        for _ in range(ROUNDS):
            start = time.process_time()
            found = {key: extract(page) for key, page in pages.items()}
            seconds.append(time.process_time() - start)
        rows[name] = {**score(found, gold), "html_mb_per_second": round(size / min(seconds) / 1e6, 1)}
        print(f"{name:40} {rows[name]}", flush=True)
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
