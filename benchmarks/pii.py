"""How well personal data is found: 1,500 synthetic English texts with marked spans, and generated Chinese numbers.

    python benchmarks/pii.py [--data ../shared/data] [--out benchmarks/results/pii.json]

A span that was found is right if it overlaps a marked one of its type; precision, recall and F1 count spans. Identity
numbers of mainland China are generated, valid and with each digit changed. Speed is MB/s of one core, on English and
Chinese text in which little is found, by processor time, the best of several rounds.
"""

import argparse
import json
import platform
import random
import re
import time
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from massivetext.corpus.pii import PROVINCES, RESIDENT_CHECKS, RESIDENT_WEIGHTS, TYPES, find_pii
from massivetext.corpus.steps import make_steps
from massivetext.storage import write_json

MARKED = {
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban",
    "CREDIT_CARD": "card",
    "IP_ADDRESS": "ip",
    "PHONE_NUMBER": "phone",
}
GENERATED = 2000
ROUNDS = 3


def scores(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Return precision, recall and F1 for each type, fractions."""
    right, found_count, marked_count, hit = Counter(), Counter(), Counter(), Counter()
    for row in rows:
        marked = [
            (span["start_position"], span["end_position"], MARKED[span["entity_type"]])
            for span in row["spans"]
            if span["entity_type"] in MARKED
        ]
        found = find_pii(row["full_text"])
        for start, end, name in found:
            found_count[name] += 1
            right[name] += any(name == other and start < last and first < end for first, last, other in marked)
        for first, last, name in marked:
            marked_count[name] += 1
            hit[name] += any(name == other and start < last and first < end for start, end, other in found)
    table = {}
    for name in MARKED.values():
        precision = right[name] / found_count[name] if found_count[name] else 1.0
        recall = hit[name] / marked_count[name]
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        values = {"precision": precision, "recall": recall, "f1": f1}
        table[name] = {**{key: round(value, 4) for key, value in values.items()}, "marked": marked_count[name]}
    return table


def resident_id(source: random.Random) -> str:
    """Return a valid identity number."""
    born = date(1930, 1, 1) + timedelta(days=source.randrange(34_000))
    body = f"{source.choice(sorted(PROVINCES))}{source.randrange(10_000):04d}{born:%Y%m%d}{source.randrange(1000):03d}"
    return body + RESIDENT_CHECKS[sum(w * int(d) for w, d in zip(RESIDENT_WEIGHTS, body)) % 11]


def resident_ids() -> dict[str, int]:
    """Return how many generated valid numbers are found, and how many with a wrong check digit are taken for valid."""
    source = random.Random(0)
    valid = broken = 0
    for _ in range(GENERATED):
        number = resident_id(source)
        valid += (6, 24, "resident_id") in find_pii(f"他的身份证是{number}，请核对。")
        wrong = source.choice([check for check in RESIDENT_CHECKS if check != number[-1]])
        found = find_pii(f"他的身份证是{number[:-1]}{wrong}，请核对。")
        broken += any(name == "resident_id" for _, _, name in found)
    return {"generated": GENERATED, "valid_found": valid, "broken_found": broken}


def speed(texts: list[str]) -> float:
    """Return MB/s of the measure and the edit together."""
    size = sum(len(text.encode()) for text in texts)
    steps = make_steps(["pii"])
    batch = pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], ["text"])
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        now = batch
        for name, values in steps[0].measure(batch).items():
            now = now.append_column(name, values)
        steps[1].edit(now)
        seconds.append(time.process_time() - start)
    return round(size / min(seconds) / 1e6, 1)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/pii.json"))
    options = parser.parse_args()
    rows = json.loads((options.data / "pii/synth_dataset_v2.json").read_text())
    english = re.sub(" @(.)@ ", r"\1", (options.data / "wikitext-2/test.txt").read_text()).split("\n \n")
    passages = json.loads((options.data / "zh/cmrc2018_dev.json").read_text())["data"]
    chinese = [paragraph["context"] for entry in passages for paragraph in entry["paragraphs"]]
    values = {
        "benchmark": "pii",
        "texts": len(rows),
        "types": scores(rows),
        "resident_id": resident_ids(),
        "english_mb_per_second": speed(english),
        "chinese_mb_per_second": speed(chinese),
        "found_in_ordinary_text": {
            name: sum(span[2] == name for text in english + chinese for span in find_pii(text)) for name in TYPES
        },
        "machine": {"processor": platform.processor(), "python": platform.python_version()},
    }
    print(json.dumps(values, indent=1))
    write_json(options.out, values)


if __name__ == "__main__":
    main()
