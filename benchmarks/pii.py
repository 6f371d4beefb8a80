"""Measure the detection of personal data: 1,500 synthetic English texts with marked spans, and generated numbers.

    python benchmarks/pii.py [--data FOLDER] [--out benchmarks/results/pii.json]

A detected span is correct if it overlaps a marked span of the same type; precision, recall and F1 count spans. The
patterns for telephone numbers were tuned on these texts, so their score says less about other texts. Identity numbers
of mainland China are generated, with valid and with wrong check digits. Keys and tokens are generated too, because the
texts contain none. Speed is MB/s of one core by processor time, the best of several rounds, on English and Chinese text
with little personal data.
"""

import argparse
import json
import platform
import random
import re
import string
import time
import uuid
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
from inputs import add_data_option, chinese_texts, english_texts, required

from massivetext.corpus.steps.pii_patterns import PROVINCES, RESIDENT_CHECKS, RESIDENT_WEIGHTS, TYPES, find_pii
from massivetext.corpus.steps.table import make_steps
from massivetext.storage import write_json

MARKED_TEXTS = "pii/synth_dataset_v2.json"
MARKED = {
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban",
    "CREDIT_CARD": "card",
    "IP_ADDRESS": "ip",
    "PHONE_NUMBER": "phone",
    "US_SSN": "ssn",
}
GENERATED = 2000
ROUNDS = 3


def scores(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Return precision, recall and F1 for each type, as fractions."""
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
    """Return how many generated valid numbers are found, and how many with a wrong check digit are accepted."""
    source = random.Random(0)
    valid = broken = 0
    for _ in range(GENERATED):
        number = resident_id(source)
        valid += (6, 24, "resident_id") in find_pii(f"他的身份证是{number}，请核对。")
        wrong = source.choice([check for check in RESIDENT_CHECKS if check != number[-1]])
        found = find_pii(f"他的身份证是{number[:-1]}{wrong}，请核对。")
        broken += any(name == "resident_id" for _, _, name in found)
    return {"generated": GENERATED, "valid_found": valid, "broken_found": broken}


KEY_CHARACTERS = string.ascii_letters + string.digits
LINES = (
    '{name} = "{value}"', "{name}: {value}", "export {name}={value}", "client = Client({name}='{value}')", "# {value}",
)  # fmt: skip


def generated_secrets(source: random.Random) -> dict[str, str]:
    """Return one generated key of each kind that has its own format."""

    def letters(count: int, of: str = KEY_CHARACTERS) -> str:
        return "".join(source.choices(of, k=count))

    upper = string.ascii_uppercase + string.digits
    block = "\n".join(letters(64) for _ in range(6))
    return {
        "aws": "AKIA" + letters(16, upper),
        "github": "ghp_" + letters(36),
        "gitlab": "glpat-" + letters(20),
        "slack": f"xoxb-{letters(12, string.digits)}-{letters(12, string.digits)}-{letters(24)}",
        "stripe": "sk_live_" + letters(24),
        "jwt": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{letters(43)}",
        "openai": f"sk-{letters(20)}T3BlbkFJ{letters(20)}",
        "pypi": "pypi-AgEIcHlwaS5vcmc" + letters(72),
        "sendgrid": f"SG.{letters(22)}.{letters(43)}",
        "square": "sq0csp-" + letters(43),
        "azure": f"AccountKey={letters(86)}==",
        "private key": f"-----BEGIN RSA PRIVATE KEY-----\n{block}\n-----END RSA PRIVATE KEY-----",
    }


def harmless(source: random.Random) -> list[str]:
    """Return strings that look like keys but are not: digests, identifiers, names, file names."""
    hexadecimal = "".join(source.choices("0123456789abcdef", k=64))
    return [hexadecimal, hexadecimal[:40], str(uuid.UUID(hexadecimal[:32])), "sk-learn", "SG.example", "AKIAshort",
            "eyJ", "-----BEGIN CERTIFICATE-----", "get_github_token()", "xoxb_slack_bot_name"]  # fmt: skip


def secrets() -> dict[str, object]:
    """Return precision, recall and F1 on generated keys among lines of code without keys."""
    source = random.Random(0)
    right = wrong = total = 0
    missed: Counter[str] = Counter()
    for _ in range(GENERATED // 20):
        for kind, value in generated_secrets(source).items():
            line = source.choice(LINES[:1] if kind == "private key" else LINES).format(name="token", value=value)
            text = f"import os\n\n{line}\nprint(os.environ)\n"
            start = text.index(value)
            found = [span for span in find_pii(text) if span[2] == "secret"]
            hits = [span for span in found if span[0] < start + len(value) and start < span[1]]
            total += 1
            right += bool(hits)
            wrong += len(found) - len(hits)
            missed[kind] += not hits
        for value in harmless(source):
            line = source.choice(LINES).format(name="value", value=value)
            wrong += sum(name == "secret" for _, _, name in find_pii(f"import os\n{line}\n"))
    precision, recall = right / max(right + wrong, 1), right / total
    return {
        "generated": total,
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / max(precision + recall, 1e-9), 4),
        "missed_by_kind": {kind: count for kind, count in missed.items() if count},
    }


def speed(texts: list[str]) -> float:
    """Return MB/s of detection and redaction together."""
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
    add_data_option(parser)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/pii.json")
    options = parser.parse_args()
    data = required(options.data, {MARKED_TEXTS: "texts with marked spans, from microsoft/presidio-research"})
    rows = json.loads((data / MARKED_TEXTS).read_text())
    english = [re.sub(" @(.)@ ", r"\1", text) for text in english_texts(data, sets_only=True)]
    chinese = chinese_texts(data, sets_only=True)
    values = {
        "benchmark": "pii",
        "texts": len(rows),
        "types": scores(rows),
        "resident_id": resident_ids(),
        "secret_generated": secrets(),
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
