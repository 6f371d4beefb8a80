"""How fast text is cleaned and measured: MB/s of UTF-8 a core, on real English and Chinese.

    python benchmarks/corpus.py [--data FOLDER] [--out benchmarks/results/corpus.json]

`steps`: each step alone and the chain of them on Arrow batches in memory, by the processor time of one thread.
`filters`: language, Gopher, C4, FineWeb, pattern PII and MinHash-112 one after the other, on texts of web page length;
a decision is taken and nothing removed, so that every filter sees every text. `archive`: the same filters from JSON
lines in zstd to a finished corpus in Parquet, near-duplicates dropped, of which about every fifth text is one: to have
enough text, further texts are put together from the sentences of all.
`plain_python`: such statistics with `str`, `re` and `collections`, as they are usually written, on a part of the text.
`build`: `build_corpus` from files to Parquet (read, decode, normalise, measure, digests, split, zstd), for the ways in
which documents lie in files, by the processor time of all threads and by the clock. Each number is the best of several
rounds (all filters: of each batch's), because other processes disturb one.
"""

import argparse
import json
import os
import random
import re
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import zstandard
from inputs import add_data_option, chinese_texts, english_texts, real_texts
from machine import describe_machine

from massivetext.corpus.building import build_corpus
from massivetext.corpus.steps import Decide, Edit, Edited, Measure, Step
from massivetext.corpus.steps.table import make_steps
from massivetext.storage import write_json
from massivetext.text.arrays import replaced
from massivetext.text.minhash import signatures
from massivetext.text.words import hash_words

ROUNDS = 7
TEXT_BYTES = 20_000_000
PLAIN_BYTES = 1_000_000
BATCH_ROWS = 1024
ARCHIVE_ATTEMPTS = 12
"""Builds of which the best counts: other processes seldom leave the machine alone for the two seconds of one."""
ARCHIVE_ROWS = 4096
NEAR_DUPLICATES = 0.2
CHAIN = ["normalise", "gopher_quality", {"length": {"min_characters": 100}}]
WITH_REPETITION = [*CHAIN, "gopher_repetition"]
PII = {"pii": {"types": ["email", "phone", "ip", "card", "iban", "resident_id"]}}
PROSE_LIMITS_OFF = {
    "gopher_quality": dict.fromkeys(("min_mean_word_characters", "min_stop_words", "min_alphabetic_word_fraction"))
}
"""Limits fitted on English, which all Chinese text breaks; what they look at is measured all the same."""
FILTERS = {
    "english_filters": ["normalise", "in_language", "fineweb", PII],
    "chinese_filters_by_characters": ["normalise", "in_language", {"fineweb": PROSE_LIMITS_OFF}, "chinesewebtext", PII],
    "chinese_filters_by_words": [
        "normalise",
        "in_language",
        "fineweb2-zh",
        {"c4_lines": {"ended": False}},
        "c4_pages",
        PII,
    ],
}
"""All filters; `fineweb` is Gopher's two, C4's and FineWeb's own. Chinese by characters, and by a segmenter's words."""
STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


def as_batches(texts: list[str], size: int) -> list[pa.RecordBatch]:
    """Return record batches of the texts, over and over until they hold `size` bytes."""
    total = sum(len(text.encode()) for text in texts)
    repeated = texts * max(1, round(size / total))
    table = pa.table({"text": pa.array(repeated, pa.string())})
    return table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)


def take(step: Step, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch after one step; a decision is taken, and nothing removed, so that all steps see all text."""
    if isinstance(step, Edit):
        found = step.edit(batch)
        return replaced(batch, "text", found.texts if isinstance(found, Edited) else found)
    if isinstance(step, Measure):
        for name, values in step.measure(batch).items():
            batch = replaced(batch, name, values)
    if isinstance(step, Decide):
        step.decide(batch)
    return batch


def best_rate(work: Callable[[], None], size: int, clock: Callable[[], float] = time.thread_time) -> float:
    """Return the bytes per second of the fastest of ROUNDS rounds, after one that compiles."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        start = clock()
        work()
        seconds.append(clock() - start)
    return size / min(seconds)


def measure_steps(batches: list[pa.RecordBatch]) -> dict[str, float]:
    """Return MB/s of one core for each step, for the chain that plain Python does as well, and with repetition."""
    size = sum(batch.column("text").nbytes for batch in batches)
    rates = {}
    state = batches
    for step in make_steps(WITH_REPETITION):
        now = state
        rates[step.name] = best_rate(lambda now=now, step=step: [take(step, batch) for batch in now] and None, size)
        state = [take(step, batch) for batch in state]

    def chain(names: list[object]) -> None:
        for batch in batches:
            for step in make_steps(names):
                batch = take(step, batch)

    rates["chain"] = best_rate(lambda: chain(CHAIN), size)
    rates["chain_with_repetition"] = best_rate(lambda: chain(WITH_REPETITION), size)
    return {f"{name}_mb_per_second": round(rate / 1e6, 1) for name, rate in rates.items()}


def measure_filters(batches: list[pa.RecordBatch], listed: list[object]) -> dict[str, float]:
    """Return MB/s of one core for all filters and MinHash, and for each of their steps where it stands in the chain."""
    size = sum(batch.column("text").nbytes for batch in batches)
    steps = make_steps(listed)

    def sign(batch: pa.RecordBatch) -> None:
        signatures(hash_words(batch.column("text")), 112, 5, 8)

    def chain(batch: pa.RecordBatch) -> None:
        for step in steps:
            batch = take(step, batch)
        sign(batch)

    # Batch by batch: the whole takes longer than other processes leave the machine alone.
    seconds = sum(1 / best_rate(lambda batch=batch: chain(batch), 1) for batch in batches)
    rates = {"all": size / seconds}
    state = batches
    for step in steps:
        now = state
        name = f"{step.name} again" if step.name in rates else step.name
        rates[name] = best_rate(lambda now=now, step=step: [take(step, batch) for batch in now] and None, size)
        state = [take(step, batch) for batch in state]
    rates["minhash_112"] = best_rate(lambda: [sign(batch) for batch in state] and None, size)
    return {f"{name}_mb_per_second": round(rate / 1e6, 1) for name, rate in rates.items()}


def build_rates(recipe: dict[str, object], size: int, scratch: Path, attempts: int, threads: int) -> dict[str, float]:
    """Return the best MB/s of several builds, by processor time of all threads and by the clock."""
    rates: dict[str, float] = {}
    for attempt in range(attempts):
        used, began = time.process_time(), time.perf_counter()
        build_corpus(recipe, scratch / f"corpus-{attempt}", quiet=True, threads=threads)
        used, took = time.process_time() - used, time.perf_counter() - began
        for name, seconds in (("mb_per_core_second", used), ("mb_per_second", took)):
            rates[name] = max(rates.get(name, 0), round(size / seconds / 1e6, 1))
    return rates


def archive_texts(texts: list[str], size: int) -> list[str]:
    """Return texts of `size` bytes in all: the given ones, then new ones of their sentences and near-duplicates."""
    chance = random.Random(0)
    parts = [re.split(r"(?<=[.!?。！？\n])", text) for text in texts]
    sentences = [sentence for part in parts for sentence in part if sentence]
    found, held = list(texts), sum(len(text.encode()) for text in texts)
    while held < size:
        place = chance.randrange(len(texts))
        if chance.random() < NEAR_DUPLICATES:
            text = f"{len(found)} {texts[place]}"  # told apart by its beginning
        else:
            text = "".join(chance.choices(sentences, k=len(parts[place])))
        found.append(text)
        held += len(text.encode())
    return found


def measure_archive(texts: list[str], listed: list[object], threads: int) -> dict[str, float]:
    """Return MB/s (of text) of a build from JSON lines in zstd, by processor time of all threads and by the clock."""
    texts = archive_texts(texts, TEXT_BYTES)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "source")
        source.mkdir()
        packer = zstandard.ZstdCompressor(3)
        for start in range(0, len(texts), ARCHIVE_ROWS):
            part = texts[start : start + ARCHIVE_ROWS]
            lines = [json.dumps({"text": text, "url": "http://a.example/"}) for text in part]
            Path(source, f"{start:06d}.jsonl.zst").write_bytes(packer.compress("\n".join(lines).encode()))
        steps = [*listed, {"deduplicate": {"near": {}}}]
        split = {"validation": 0, "test": 0}
        recipe = {"sources": [{"name": "text", "path": str(source)}], "steps": steps, "split": split}
        size = sum(len(text.encode()) for text in texts)
        return {"bytes": size, **build_rates(recipe, size, Path(scratch), attempts=ARCHIVE_ATTEMPTS, threads=threads)}


def plain_statistics(text: str) -> dict[str, float]:
    """Return the quality counts as they are usually written in Python (words by a regular expression)."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    pieces = re.findall(r"[\u4e00-\u9fff]|\w+|[^\w\s]+", text)
    words = [piece for piece in pieces if any(character.isalnum() for character in piece)]
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    paragraphs = [part for part in re.split(r"\n{2,}", text.strip()) if part]
    repeated = [line for line, count in Counter(lines).items() if count > 1]
    return {
        "words": len(words),
        "mean": sum(map(len, words)) / max(1, len(words)),
        "hashes": text.count("#"),
        "ellipses": text.count("...") + text.count("…"),
        "bullets": sum(line.startswith(("•", "-")) for line in lines),
        "ellipsis_lines": sum(line.endswith(("...", "…")) for line in lines),
        "alphabetic": sum(any(character.isalpha() for character in piece) for piece in pieces),
        "stop_words": len(STOP_WORDS & set(words)),
        "repeated_lines": len(repeated),
        "repeated_paragraphs": len(paragraphs) - len(set(paragraphs)),
        "digits": sum(character.isdigit() for character in text),
        "spaces": sum(character.isspace() for character in text),
        "han": len(re.findall(r"[\u4e00-\u9fff]", text)),
        "longest_line": max(map(len, lines), default=0),
    }


def measure_plain(texts: list[str]) -> float:
    """Return MB/s of one core for the statistics in plain Python."""
    part, size = [], 0
    for text in texts:
        if size < PLAIN_BYTES:
            part.append(text)
            size += len(text.encode())
    return round(best_rate(lambda: [plain_statistics(text) for text in part] and None, size) / 1e6, 2)


def measure_build(texts: list[str], kind: str, threads: int) -> dict[str, float]:
    """Return MB/s of `build_corpus` by processor time and by the clock; kind: unit of plain text, or "jsonl"."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "source")
        source.mkdir()
        size = 0
        for copy in range(max(1, round(TEXT_BYTES / sum(len(text.encode()) for text in texts)))):
            for start in range(0, len(texts), BATCH_ROWS):
                part = texts[start : start + BATCH_ROWS]
                lines = [json.dumps({"text": text}, ensure_ascii=False) for text in part]
                data = ("\n".join(lines) if kind == "jsonl" else "\n\n".join(part)).encode()
                suffix = "jsonl" if kind == "jsonl" else "txt"
                Path(source, f"{copy:03d}-{start:06d}.{suffix}").write_bytes(data)
                size += len(data)
        form = {"format": "jsonl"} if kind == "jsonl" else {"format": "text", "unit": kind}
        recipe = {
            "sources": [{"name": "text", "path": str(source), **form}],
            "steps": ["normalise", "statistics"],
            "split": {"validation": 0, "test": 0},
        }
        return {"bytes": size, **build_rates(recipe, size, Path(scratch), attempts=4, threads=threads)}


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/corpus.json")
    options = parser.parse_args()
    results: dict[str, object] = {"benchmark": "corpus", "machine": describe_machine(), "rounds": ROUNDS}
    threads = os.cpu_count() or 1
    given = {"english": english_texts(options.data), "chinese": chinese_texts(options.data)}
    for language, texts in given.items():
        batches = as_batches(texts, TEXT_BYTES)
        steps = measure_steps(batches)
        plain = measure_plain(texts)
        results[language] = {
            "bytes": sum(batch.column("text").nbytes for batch in batches),
            "documents": sum(map(len, batches)),
            "steps": steps,
            "plain_python_mb_per_second": plain,
            "statistics_over_plain_python": round(steps["statistics_mb_per_second"] / plain, 1),
            "build_threads": threads,
            "build": {kind: measure_build(texts, kind, threads) for kind in ("file", "block", "jsonl")},
        }
        web = real_texts(options.data, 0) if language == "english" else texts
        web_batches = as_batches(web, TEXT_BYTES)
        for name, listed in FILTERS.items():
            if name.startswith(language):
                results[name] = {
                    "documents": sum(map(len, web_batches)),
                    "bytes": sum(batch.column("text").nbytes for batch in web_batches),
                    "filters": measure_filters(web_batches, listed),
                    "archive": measure_archive(web, listed, threads),
                }
                print(name, json.dumps(results[name], indent=2), flush=True)
        print(language, json.dumps(results[language], indent=2), flush=True)
    write_json(options.out, results)


if __name__ == "__main__":
    main()
