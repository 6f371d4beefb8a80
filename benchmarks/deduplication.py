"""Measure near-duplicate detection: recall and precision against brute force, MB/s, and peak memory.

    python benchmarks/deduplication.py [--data FOLDER] [--documents 5000] [--generated 1000000]
        [--out benchmarks/results/deduplication.json]

`english`, `chinese`: real documents (Chinese: halves of passages) and copies with edits (sequences of words replaced,
inserted or deleted), deduplicated with 16 bands of 7. The ground truth is the exact Jaccard similarity of all pairs. A
pair counts as found if its later document was dropped. `before_verification`: the same without comparing candidates.
`generated`: `--generated` short documents, half of them near-duplicates, in a separate process with its peak memory.

    python benchmarks/deduplication.py --large 5 [--out benchmarks/results/large_corpus.json]

`large`: `--large` GB of generated English-like and Chinese-like pages of a few thousand characters, in zstd-compressed
JSON lines. A tenth are earlier pages with one more sentence. A separate process normalises them, measures them for
Gopher's rules and removes exact and near-duplicates. Reports seconds, MB/s of text and peak memory. It needs about the
same amount of disk space in --scratch.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import zstandard
from inputs import add_data_option, chinese_texts, real_texts
from machine import describe_machine
from numba import njit

from massivetext.corpus.building import build_corpus
from massivetext.storage import write_json
from massivetext.text.minhash import common, shingle_sets
from massivetext.text.words import hash_words

THRESHOLD = 0.8
SHORTEST_UNITS = 60


def edited(chance: random.Random, units: list[str], joiner: str) -> str:
    """Return a copy with a few sequences of units replaced, inserted or deleted."""
    units = list(units)
    for _ in range(max(1, round(chance.choice([0.005, 0.01, 0.02, 0.04]) * len(units)))):
        at, size = chance.randrange(len(units)), chance.randrange(1, 6)
        fresh = [f"{chance.randrange(10**6)} " for _ in range(size)]
        kind = chance.randrange(3)
        units[at : at + (0 if kind == 1 else size)] = [] if kind == 2 else fresh
    return joiner.join(units)


def halved(text: str) -> list[str]:
    """Return a Chinese text in two parts, split at the sentence end in the middle; a short text stays whole."""
    cut = text.find("。", len(text) // 2) + 1
    return [text[:cut], text[cut:]] if cut and len(text) - cut >= SHORTEST_UNITS else [text]


def planted(texts: list[str], documents: int, by_character: bool) -> list[str]:
    """Return `documents` texts in random order: half are different documents, half are edited copies of them."""
    chance, joiner = random.Random(0), "" if by_character else " "
    split = [list(text) if by_character else text.split(" ") for text in dict.fromkeys(texts)]
    split = [units for units in split if len(units) >= SHORTEST_UNITS][: documents // 2]
    found = [joiner.join(units) for units in split] + [edited(chance, units, joiner) for units in split]
    chance.shuffle(found)
    return found


@njit(cache=True)
def most_similar(shingles: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return for each text its highest Jaccard similarity to any earlier text, by comparing all pairs."""
    found = np.zeros(len(offsets) - 1)
    for row in range(len(offsets) - 1):
        for other in range(row):
            one = shingles[offsets[row] : offsets[row + 1]]
            two = shingles[offsets[other] : offsets[other + 1]]
            if len(one) and len(two):
                shared = common(one, two)
                found[row] = max(found[row], shared / (len(one) + len(two) - shared))
    return found


def build(texts: list[str], folder: Path, verify: bool) -> tuple[set[str], float]:
    """Build a corpus and return the dropped texts and the seconds that the build took."""
    source = folder / "texts.jsonl"
    source.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts))
    steps = [{"deduplicate": {"near": {"verify": verify, "split_threshold": None}}}]
    recipe = {"sources": [{"name": "s", "path": str(source)}], "steps": steps, "split": {"validation": 0, "test": 0}}
    began = time.perf_counter()
    corpus = build_corpus(recipe, folder / f"corpus-{verify}", quiet=True)
    seconds = time.perf_counter() - began
    kept = {text for batch in corpus.documents("train") for text in batch.column("text").to_pylist()}
    return set(texts) - kept, seconds


def measure(texts: list[str]) -> dict[str, object]:
    """Return recall and precision on one language."""
    with tempfile.TemporaryDirectory() as scratch:
        shingles, offsets = shingle_sets(hash_words(pa.array(texts, pa.large_string())), 5, 8)
        best = most_similar(shingles, offsets)
        expected = {text for text, value in zip(texts, best) if value >= THRESHOLD}
        result: dict[str, object] = {"documents": len(texts), "bytes": sum(len(text.encode()) for text in texts)}
        result["duplicates_by_brute_force"] = len(expected)
        for name, verify in (("before_verification", False), ("after_verification", True)):
            gone, seconds = build(texts, Path(scratch), verify)
            result[name] = {
                "dropped": len(gone),
                "recall": round(len(gone & expected) / max(1, len(expected)), 4),
                "precision": round(len(gone & expected) / max(1, len(gone)), 4),
                "build_seconds": round(seconds, 2),
            }
        return result


PROGRAM = """
import json, re, resource, sys, threading, time
from pathlib import Path
from massivetext.corpus.building import build_corpus
own = [0]
def watch():
    while True:
        status = Path("/proc/self/status").read_text()
        own[0] = max(own[0], 1024 * int(re.search(r"RssAnon:\\s+(\\d+)", status)[1]))
        time.sleep(0.05)
threading.Thread(target=watch, daemon=True).start()
recipe, out = json.loads(sys.argv[1]), sys.argv[2]
began = time.perf_counter()
corpus = build_corpus(recipe, out, quiet=True)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": round(time.perf_counter() - began, 1), "peak_memory_bytes": peak,
                  "peak_own_memory_bytes": own[0], "kept": corpus.manifest["splits"]["train"]["documents"]}))
"""
"""The program of the separate process. Its peak memory includes mapped file pages, which the operating system can
reclaim; `own` excludes them."""


def measure_generated(documents: int) -> dict[str, object]:
    """Return time and peak memory for `documents` short generated documents, half of them near-duplicates."""
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "generated.jsonl")
        with open(path, "w", encoding="utf-8") as stream:
            for number in range(documents // 2):
                words = [f"w{chance.randrange(50_000)}" for _ in range(40)]
                stream.write(json.dumps({"text": " ".join(words)}) + "\n")
                stream.write(json.dumps({"text": " ".join([*words, f"end{number}"])}) + "\n")
        steps = [{"deduplicate": {"near": {}, "memory_bytes": 2**28}}]
        recipe = {"sources": [{"name": "s", "path": str(path)}], "steps": steps, "split": {"validation": 0, "test": 0}}
        command = [sys.executable, "-c", PROGRAM, json.dumps(recipe), str(Path(scratch, "out"))]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return {"documents": documents, "bytes": path.stat().st_size, **json.loads(done.stdout)}


FILE_BYTES = 128 * 2**20
SENTENCES, SENTENCE_WORDS = 100_000, 20


def sentences(numbers: np.random.Generator) -> tuple[list[str], list[str]]:
    """Return English-like and Chinese-like sentences; the probability of the n-th word is proportional to 1 / n."""
    bounds = np.cumsum(1 / np.arange(1, 20_001))
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    english = ["".join(letters[numbers.integers(0, 26, 2 + rank.bit_length() // 2)]) for rank in range(1, 20_001)]
    chinese = [chr(0x4E00 + int(code)) for code in numbers.permutation(20_000)]
    found = []
    for words, joiner, end in ((english, " ", "."), (chinese, "", "。")):
        ranks = np.searchsorted(bounds, numbers.random((SENTENCES, SENTENCE_WORDS)) * bounds[-1])
        found.append([joiner.join(words[rank] for rank in row) + end for row in ranks.tolist()])
    return found[0], found[1]


def write_pages(folder: Path, size: int) -> int:
    """Write zstd-compressed JSON lines until their texts hold `size` bytes; return the number of documents.

    A page has a few dozen sentences drawn from a pool. Every fourth page is Chinese, and every tenth page is an
    earlier page with one more sentence.
    """
    numbers = np.random.Generator(np.random.PCG64(0))
    english, chinese = sentences(numbers)
    packer = zstandard.ZstdCompressor(3)
    written, documents, number = 0, 0, 0
    recent: list[str] = []
    while written < size:
        with open(folder / f"{number:04d}.jsonl.zst", "wb") as stream, packer.stream_writer(stream) as packed:
            held = 0
            while held < FILE_BYTES and written < size:
                if len(recent) == 1000 and documents % 10 == 9:
                    text = f"{recent[int(numbers.integers(1000))]} {english[documents % SENTENCES]}"
                else:
                    chosen, joiner = (chinese, "") if documents % 4 == 3 else (english, " ")
                    places = numbers.integers(0, SENTENCES, int(numbers.integers(20, 60)))
                    text = joiner.join([chosen[place] for place in places.tolist()])
                    recent = recent if len(recent) == 1000 else [*recent, text]
                    recent[documents % len(recent)] = text
                data = orjson.dumps({"text": text, "n": documents})
                packed.write(data + b"\n")
                held, written, documents = held + len(data), written + len(text.encode()), documents + 1
        number += 1
    return documents


def measure_large(gigabytes: float, scratch: Path | None) -> dict[str, object]:
    """Return time, speed and peak memory for a large generated corpus."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        source = Path(folder, "pages")
        source.mkdir()
        size = int(gigabytes * 1e9)
        documents = write_pages(source, size)
        packed = sum(path.stat().st_size for path in source.iterdir())
        steps = ["normalise", "statistics", "ngrams", {"deduplicate": {"near": {}, "memory_bytes": 2**28}}]
        recipe = {"sources": [{"name": "pages", "path": str(source)}], "steps": steps}
        command = [sys.executable, "-c", PROGRAM, json.dumps(recipe), str(Path(folder, "out"))]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        rate = round(size / found["seconds"] / 1e6, 1)
        return {"documents": documents, "bytes": size, "packed_bytes": packed, "mb_per_second": rate, **found}


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--generated", type=int, default=1_000_000, help="0 leaves it out")
    parser.add_argument("--large", type=float, default=0, help="GB of a large corpus, which is then measured alone")
    parser.add_argument(
        "--scratch", type=Path, help="folder for what --large writes, where that of the system is small"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    name = "large_corpus" if options.large else "deduplication"
    out = options.out or Path(__file__).parent / f"results/{name}.json"
    if options.large:
        large = {"benchmark": name, "machine": describe_machine(), **measure_large(options.large, options.scratch)}
        print(json.dumps(large, indent=2))
        write_json(out, large)
        return
    results: dict[str, object] = {"benchmark": "deduplication", "machine": describe_machine(), "threshold": THRESHOLD}
    chinese = chinese_texts(options.data)
    more = options.data / "xquad/xquad.zh.json" if options.data else None
    if more and more.is_file():
        entries = json.loads(more.read_text())["data"]
        chinese += [paragraph["context"] for entry in entries for paragraph in entry["paragraphs"]]
    halves = [half for text in chinese for half in halved(text)]
    for language, texts in {"english": real_texts(options.data, 0), "chinese": halves}.items():
        results[language] = measure(planted(texts, options.documents, language == "chinese"))
        print(language, json.dumps(results[language], indent=2))
    if options.generated:
        results["generated"] = measure_generated(options.generated)
        print("generated", json.dumps(results["generated"], indent=2))
    write_json(out, results)


if __name__ == "__main__":
    main()
