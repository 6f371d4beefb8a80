"""Measure how reliably benchmark items are found in documents, verbatim and edited: recall by length, and precision.

    python benchmarks/decontamination.py [--data FOLDER] [--out benchmarks/results/decontamination.json]

The items are the questions of GSM8K (in Chinese: MGSM) and the shorter questions of XQuAD. The documents are articles
that these questions are not about. An item is inserted into every second document, either verbatim or with a tenth of
its words (Chinese: characters) randomly replaced, deleted or swapped with their neighbour. Recall is given by length in
words (a Han character is one word). Precision is the fraction of the removed documents that contain an inserted item.
Items shorter than `min_item_words` are not searched for; they are counted as `too_short`.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from inputs import add_data_option, chinese_texts, real_texts, required
from machine import describe_machine

from massivetext.corpus.barrier.decontamination import DecontaminateSettings
from massivetext.corpus.building import build_corpus
from massivetext.storage import write_json
from massivetext.text.words import hash_words

LENGTHS = (6, 8, 13, 20, 30, 50, 10**9)
SETS = {
    "eval/gsm8k/test.jsonl": "GSM8K, from openai/grade-school-math",
    "eval/mgsm_zh.tsv": "MGSM, from google-research/url-nlp",
    "xquad/xquad.en.json": "XQuAD, from google-deepmind/xquad",
    "xquad/xquad.zh.json": "XQuAD in Chinese",
}
SHARE = 0.1
DOCUMENTS = 1200


def questions(data: Path, language: str) -> list[str]:
    """Return the items of one language."""
    if language == "english":
        found = [json.loads(line)["question"] for line in (data / "eval/gsm8k/test.jsonl").read_text().splitlines()]
        files = ["xquad/xquad.en.json"]
    else:
        found = [line.split("\t")[0] for line in (data / "eval/mgsm_zh.tsv").read_text().splitlines()]
        files = ["xquad/xquad.zh.json"]
    for file in files:
        for entry in json.loads((data / file).read_text())["data"]:
            found += [item["question"] for paragraph in entry["paragraphs"] for item in paragraph["qas"]]
    return list(dict.fromkeys(found))


def edited(chance: random.Random, item: str, language: str) -> str:
    """Return an item with a tenth of its units, at least one, replaced, deleted or swapped."""
    units = item.split() if language == "english" else list(item)
    for at in chance.sample(range(len(units)), max(1, round(SHARE * len(units)))):
        kind = chance.randrange(3)
        if kind == 0:
            units[at] = f"x{chance.randrange(10**6)}"
        elif kind == 1:
            units[at] = ""
        elif at + 1 < len(units):
            units[at], units[at + 1] = units[at + 1], units[at]
    return (" " if language == "english" else "").join(filter(None, units))


def write_lines(path: Path, texts: list[str]) -> dict[str, str]:
    """Write the texts as JSON lines and return a source that reads them."""
    path.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts))
    return {"name": path.stem, "path": str(path)}


def measure(data: Path, language: str, change: bool) -> dict[str, Any]:
    """Return recall by length, and precision."""
    chance = random.Random(0)
    items = questions(data, language)
    documents = real_texts(data, 0, sets_only=True) if language == "english" else chinese_texts(data, True)
    documents = [text for text in dict.fromkeys(documents) if 400 < len(text) < 20_000][:DOCUMENTS]
    chance.shuffle(items)
    words = np.diff(hash_words(pa.array(items)).offsets)
    by_length: dict[int, list[int]] = {}
    for row in range(len(items)):
        by_length.setdefault(next(top for top in LENGTHS if words[row] < top), []).append(row)
    # For each length, take all items, up to an equal share of the documents.
    share = len(documents) // 2 // (len(LENGTHS) - 1)
    chosen = [row for top in LENGTHS[1:] for row in by_length.get(top, [])[:share]]
    texts, held = list(documents), {}
    for place, row in enumerate(chosen):
        part = edited(chance, items[row], language) if change else items[row]
        lines = texts[2 * place].split("\n")
        lines.insert(chance.randrange(len(lines) + 1), part)
        texts[2 * place] = "\n".join(lines)
        held[texts[2 * place]] = row
    with tempfile.TemporaryDirectory() as scratch:
        benchmark = write_lines(Path(scratch, "benchmark.jsonl"), items)
        steps = [{"decontaminate": {"benchmarks": [benchmark]}}]
        recipe = {"sources": [write_lines(Path(scratch, "texts.jsonl"), texts)], "steps": steps,
                  "split": {"validation": 0, "test": 0}}  # fmt: skip
        corpus = build_corpus(recipe, Path(scratch, "corpus"), quiet=True)
        kept = {text for batch in corpus.documents("train") for text in batch.column("text").to_pylist()}
    gone = set(texts) - kept
    table = {}
    for low, top in pairwise(LENGTHS):
        rows = [text for text, row in held.items() if low <= words[row] < top]
        name = f"{low} words or more" if top == LENGTHS[-1] else f"{low} to {top - 1} words"
        table[name] = {"items": len(rows), "recall": round(len(gone & set(rows)) / max(len(rows), 1), 4)}
    return {
        "documents": len(texts),
        "planted": len(held),
        "too_short": int((words < DecontaminateSettings.model_fields["min_item_words"].default).sum()),
        "recall": round(len(gone & held.keys()) / len(held), 4),
        "precision": round(len(gone & held.keys()) / max(len(gone), 1), 4),
        "by_length": table,
    }


def tables(data: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of the results."""
    for language in ("english", "chinese"):
        yield language, {"exact": measure(data, language, False), "tenth_edited": measure(data, language, True)}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/decontamination.json")
    options = parser.parse_args()
    data = required(options.data, SETS)
    results: dict[str, Any] = {"benchmark": "decontamination", "machine": describe_machine()}
    results["settings"] = {name: field.default for name, field in DecontaminateSettings.model_fields.items()
                           if name != "benchmarks"}  # fmt: skip
    for language, found in tables(data):
        results[language] = found
        print(language, json.dumps(found, indent=1), flush=True)
    write_json(options.out, results)


if __name__ == "__main__":
    main()
