"""Compare building a token store with the `tokenizers` library on the same documents.

    python benchmarks/tokenising.py [--rounds 5] [--data FOLDER] [--out benchmarks/results/tokenising.json]

The documents are Python sources of this installation, and Chinese text: encyclopedia paragraphs and posts, or the texts
in the given folder. Three ways are measured alternately, each in a new process after a warm-up on other text:

- `store`: the whole work of `massivetext`: read Parquet, encode, check, shuffle, write, sync;
- `single`: `tokenizers` with one `encode` per document, its usual use: ids in memory, nothing read or written;
- `batch`: `tokenizers` with `encode_batch` on all cores, its fastest use: ids in memory, nothing read or written.

Speed "per core" is per second of processor time over all threads, which is more stable than wall time on a busy
machine. The ids in the store are compared with those of `tokenizers` on all documents that the latter encoded. The
Chinese corpus is small, so the fixed costs of a store (the check against `tokenizers`, syncing files) reduce its speed.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from inputs import add_data_option, chinese_texts

PEER_BYTES = 3_000_000  # the peer encodes an even sample of the documents; all of them would take minutes per round
WAYS = ("store", "single", "batch")


def chinese_sources(work: Path, data: Path | None) -> list[dict[str, object]]:
    """Return the sources of the Chinese corpus: the published sets if the folder has them, else its texts."""
    files = [f"zh/cmrc2018_{part}.json" for part in ("dev", "trial")] + ["xquad/xquad.zh.json"]
    posts = [f"classify/coldataset/{part}.csv" for part in ("dev", "test")]
    if data and all((data / file).is_file() for file in files + posts):
        return [
            {"name": "wiki", "path": [str(data / file) for file in files], "format": "json",
             "text_column": "data.paragraphs.context"},
            {"name": "posts", "path": [str(data / file) for file in posts], "format": "csv", "text_column": "TEXT"},
        ]  # fmt: skip
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in chinese_texts(data)]
    Path(work, "chinese.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return [{"name": "texts", "path": str(work / "chinese.jsonl")}]


def make_corpora(work: Path, chinese: list[dict[str, object]]) -> dict[str, Path]:
    """Build the corpora to measure and one for the warm-up from real text; return them by name."""
    from massivetext.corpus.building import build_corpus

    packages = [
        f"{{packages}}/{name}/**/*.py"
        for name in ("torch", "scipy", "numpy", "transformers", "sympy", "pandas")
        if find_spec(name)
    ]
    sources = {
        "warm-up": [{"name": "code", "path": "{stdlib}/email", "format": "python_code"}],
        "code": [{"name": "code", "path": ["{stdlib}", *packages], "format": "python_code"}],
    }
    sources["chinese"] = chinese
    steps = ["normalise", {"deduplicate": {"exact": True}}]
    corpora = {}
    for name, listed in sources.items():
        recipe = {"sources": listed, "steps": steps, "split": {"validation": 0.0, "test": 0.0}}
        corpora[name] = build_corpus(recipe, work / name, quiet=True).folder
    return corpora


def texts_of(folder: Path, limit_bytes: int) -> dict[str, str]:
    """Return an even sample of a corpus's documents, about `limit_bytes` of text, by id."""
    from massivetext.corpus.reading import load_corpus

    corpus = load_corpus(folder)
    total = sum(split["bytes"] for split in corpus.manifest["splits"].values())
    every = max(total // limit_bytes, 1)
    found, position = {}, 0
    for batch in corpus.documents("train"):
        for name, text in zip(batch["id"].to_pylist(), batch["text"].to_pylist(), strict=True):
            if position % every == 0:
                found[name] = text
            position += 1
    return found


def timed(work) -> dict[str, float]:
    """Return the wall seconds and the processor seconds that a function takes."""
    started, used = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - started, "core_seconds": time.process_time() - used}


def measure(way: str, corpus: Path, warm_up: Path, tokenizer: Path, store: Path) -> dict[str, float]:
    """Return the speed of one way on one corpus. store: where to write the store."""
    from massivetext.corpus.reading import load_corpus
    from massivetext.tokens.auto import AutoTokenizer
    from massivetext.tokens.store import build_store

    def opened():
        loaded = AutoTokenizer.from_pretrained(tokenizer)
        assert loaded.encoder_name == "fastokens", loaded.encoder_name
        return loaded

    if way == "store":
        build_store(load_corpus(warm_up), opened(), store / "warm-up", quiet=True)
        loaded, source = opened(), load_corpus(corpus)  # a new tokenizer without the warm-up's cache
        text_bytes = sum(split["bytes"] for split in source.manifest["splits"].values())
        shutil.rmtree(store / "measured", ignore_errors=True)
        result = timed(lambda: build_store(source, loaded, store / "measured", quiet=True))
    else:
        backend, texts = opened().backend, list(texts_of(corpus, PEER_BYTES).values())
        text_bytes = sum(len(text.encode()) for text in texts)
        if way == "single":
            result = timed(lambda: [backend.encode(text, add_special_tokens=False).ids for text in texts])
        else:
            encoded = []
            result = timed(lambda: encoded.extend(backend.encode_batch(texts, add_special_tokens=False)))
    megabytes = text_bytes / 1e6
    result |= {"megabytes": megabytes, "peak_memory_bytes": peak_memory_bytes()}
    result["megabytes_per_second"] = megabytes / result["seconds"]
    result["megabytes_per_core_second"] = megabytes / result["core_seconds"]
    return result


def peak_memory_bytes() -> int:
    """Return this process's peak memory, 0 if not on Linux; ru_maxrss would give the parent's if that is larger."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def count_equal(corpus: Path, tokenizer: Path, store: Path) -> dict[str, int]:
    """Return how many sampled documents have the same ids in the store and from `tokenizers`; raise if one differs."""
    from massivetext.tokens.auto import AutoTokenizer
    from massivetext.tokens.store import open_store

    loaded, opened = AutoTokenizer.from_pretrained(tokenizer), open_store(store / "measured")
    texts = texts_of(corpus, PEER_BYTES)
    ids_by_name = {}
    for source in opened.sources("train"):
        documents = opened.documents("train", source)
        ids_by_name |= dict(zip(documents.names(), documents, strict=True))
    for name, text in texts.items():
        assert loaded.encode_ordinary(text) == ids_by_name[name].tolist(), f"document {name} has other ids"
    return {"documents": len(texts), "tokens": sum(len(ids_by_name[name]) for name in texts)}


def machine() -> dict[str, object]:
    """Return the description of this machine and of the libraries."""
    from importlib.metadata import version

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    packages = ("tokenizers", "fastokens", "pyarrow", "numpy")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "load_average": os.getloadavg(),
        **{package: version(package) for package in packages},
    }


def in_turn(arguments: argparse.Namespace, work: Path, chinese: list[dict[str, object]]) -> dict[str, object]:
    """Return the medians of all ways on all corpora, measured alternately."""
    from massivetext.corpus.reading import load_corpus
    from massivetext.tokens.settings import TokenizerSettings
    from massivetext.tokens.vocabulary import train_tokenizer

    corpora = make_corpora(work, chinese)
    results: dict[str, object] = {}
    for name, folder in corpora.items():
        if name == "warm-up":
            continue
        tokenizer, store = work / f"{name}-tokenizer", work / f"{name}-store"
        training = timed(
            lambda f=folder, t=tokenizer: train_tokenizer(load_corpus(f), TokenizerSettings(), t, quiet=True)
        )
        rounds: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for number in range(arguments.rounds):
            for way in WAYS:
                parts = [way, folder, corpora["warm-up"], tokenizer, store]
                command = [sys.executable, __file__, "--one", *map(str, parts)]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                rounds[way].append(json.loads(output.splitlines()[-1]))
                speed = rounds[way][-1]["megabytes_per_core_second"]
                print(f"{name} round {number + 1} {way}: {speed:.2f} MB/s a core", file=sys.stderr)
        medians = {
            way: {key: statistics.median(one[key] for one in listed) for key in listed[0]}
            for way, listed in rounds.items()
        }
        ratios = {
            f"store_over_{way}_{kind}": medians["store"][f"megabytes_per_{kind}"]
            / medians[way][f"megabytes_per_{kind}"]
            for way in ("single", "batch")
            for kind in ("core_second", "second")
        }
        equal = count_equal(folder, tokenizer, store)
        results[name] = {"medians": medians, "ratios": ratios, "equal": equal, "vocabulary_training": training}
    return results


def main() -> None:
    """Run the benchmark and write its results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "tokenising.json")
    add_data_option(parser)
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one[0], *map(Path, arguments.one[1:]))))
        return
    with tempfile.TemporaryDirectory() as work:
        results = in_turn(arguments, Path(work), chinese_sources(Path(work), arguments.data))
    found = {"machine": machine(), "rounds": arguments.rounds, "vocab_size": 4096, "corpora": results}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=2) + "\n")
    for name, values in results.items():
        print(name, json.dumps(values["ratios"]))


if __name__ == "__main__":
    main()
