"""A run folder as a finished run leaves it, made of invented but plausible numbers."""

import json
import math
import random
from itertools import chain, cycle

import yaml

from massivetext.evaluation.results import FORMAT
from massivetext.metrics.declarations import BITS_PER_BYTE, PERPLEXITY
from massivetext.state import write_sealed, write_state

ENGLISH = {"code": 12_100_000, "reference": 4_300_000, "readme": 3_900_000}
CHINESE = {"manpages": 6_800_000, "fortunes": 1_450_000}
CODE = """def read_lines(path):
    with open(path) as stream:
        for line in stream:
            if not line:
                continue
            yield line.rstrip('\\n')


def main(args=None):
    parser = argparse.ArgumentParser()
    parser.add_argument('--verbose', action='store_true')
"""
REFERENCE = """Return the value of the named attribute of the object. If the attribute is not found, the default is
returned if it was given, otherwise AttributeError is raised.

The first argument must be a string <b>&amp;</b>.
"""
README = """## Installation

```
pip install the-package
```

This package is a simple library for reading and writing of files in the format of the project.
"""
MANPAGE = """名称
       grep - 打印匹配给定模式的行

总览 SYNOPSIS
       grep [选项] 模式 [文件...]

描述
       搜索以 FILE 命名的文件输入，查找含有与给定的模式相匹配的内容的行。
"""
SAMPLES = {
    "code": ("def ", CODE),
    "reference": ("Return ", REFERENCE),
    "readme": ("## Install", README),
    "manpages": ("名称", MANPAGE),
    "fortunes": ("床前明月光", "床前明月光，疑是地上霜。举头望明月，低头思故乡。\n\t\t-- 李白"),
}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, dict):
        write_state(path, value)
    else:
        path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def make_run(folder, sizes=ENGLISH, steps=1240, until="report", primed=True):
    """Write a run folder with every file up to a stage: recipe, corpus, tokens, train, model, evaluate or report."""
    stages = ["recipe", "corpus", "tokens", "train", "model", "evaluate", "report"]
    done = stages[: stages.index(until) + 1]
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(0)
    sources = [{"name": name, "path": "{stdlib}", "format": "python_code"} for name in sizes]
    recipe = {
        "format": "massivetext-recipe/1",
        "seed": 0,
        "corpus": {"sources": sources, "split": {"validation": 0.01, "test": 0.03}},
        "tokenizer": {"kind": "bpe", "vocab_size": 4096},
        "model": {"family": "llama", "hidden_size": 192, "num_hidden_layers": 5},
        "train": {
            "objective": "causal",
            "context_tokens": 256,
            "batch_tokens": 4096,
            "steps": steps,
            "optimiser": "muon",
            "learning_rate": 0.004,
            "muon_learning_rate": 0.02,
            "weight_decay": 0.0,
            "clip_norm": 1.0,
            "decay": "linear",
        },
        "evaluate": {"ngram_order": 5},
        "generate": {"temperature": 0.7, "top_p": 0.95, "max_new_tokens": 160},
    }
    write_sealed(folder / "recipe.yaml", yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True))
    kept = {name: int(size * share) for (name, size), share in zip(sizes.items(), cycle((0.955, 0.86, 0.71)))}
    if "corpus" in done:
        write_json(folder / "corpus" / "manifest.json", corpus_manifest(sizes, kept))
    if "tokens" in done:
        write_json(folder / "tokens" / "manifest.json", store_manifest(kept))
    if "train" in done:
        write_metrics(folder, list(sizes), steps, chance)
    if "model" in done:
        write_model(folder)
    if "evaluate" in done:
        write_json(folder / "evaluation.json", evaluation(kept, primed))
    if "report" in done:
        write_json(
            folder / "samples.json",
            [{"source": n, "prompt": SAMPLES[n][0], "text": SAMPLES[n][1]} for n in sizes if n in SAMPLES],
        )
        write_json(
            folder / "run.json",
            {
                "elapsed_seconds": 331.4,
                "peak_memory_bytes": 2_140_000_000,
                "corpus_digest": "3fa9c2e1" * 8,
                "version": "0.1.0",
                "stages": {
                    "corpus": 9.8,
                    "tokenizer": 6.1,
                    "tokens": 1.4,
                    "train": 214.0,
                    "model": 0.4,
                    "evaluate": 71.2,
                    "samples": 11.0,
                },
                "machine": {
                    "processor": "Intel(R) Xeon(R) Processor @ 2.50GHz",
                    "cores": 2,
                    "memory_bytes": 25_000_000_000,
                    "system": "Linux-6.1-x86_64-with-glibc2.36",
                    "python": "3.11.9",
                },
            },
        )
    return folder


def corpus_manifest(sizes, kept):
    sources = {}
    for name, size in sizes.items():
        lost = size - kept[name] - size // 100
        sources[name] = {
            "read": {"records": size // 5200, "bytes": size, "record_bytes": size},
            "kept": {"documents": kept[name] // 5400, "bytes": kept[name]},
            "dropped": {
                "length: min_characters": {"documents": 212, "bytes": lost // 9},
                "deduplicate: exact duplicate": {"documents": size // 41_000, "bytes": lost - lost // 9},
                "read: empty": {"documents": 3, "bytes": 0},
            },
            "edited": {"normalise": {"documents": 12, "removed_bytes": size // 100}},
            "invalid_records": 2 if name == "readme" else 0,
        }
    return {"format": "massivetext-corpus/1", "digest": "3fa9c2e1" * 8, "sources": sources}


def store_manifest(kept):
    splits = {}
    for split, share in (("train", 0.96), ("validation", 0.01), ("test", 0.03)):
        splits[split] = {
            name: {
                "documents": max(1, int(size * share) // 5400),
                "tokens": int(size * share / 3.21),
                "text_bytes": int(size * share),
                "shards": [],
            }
            for name, size in kept.items()
        }
    tokenizer = {"digest": "b1946ac9" * 8, "vocab_size": 4096, "start_id": 0}
    return {"format": "massivetext-tokens/1", "tokenizer": tokenizer, "splits": splits, "digest": "77ab02c4" * 8}


def write_metrics(folder, sources, steps, chance):
    rows, timing = [], []
    for step in range(1, steps + 1):
        base = 2.85 + 5.4 * math.exp(-step / 32) + 2.1 / (1 + step / 120)
        losses = {name: base + 0.35 * i - 0.3 + chance.gauss(0, 0.14) for i, name in enumerate(sources)}
        rate = 0.004 * min(step / 25, 1 - (step - 25) / (steps - 24))
        loss = sum(losses.values()) / len(losses)
        rows.append(
            {
                "step": step,
                "tokens": step * 4096,
                "loss": loss,
                "losses": losses,
                "learning_rate": rate,
                "gradient_norm": 0.6 + 2 * math.exp(-step / 50) + chance.random() * 0.2,
            }
        )
        if step % 155 == 0 or step == steps:
            rows.append(
                {
                    "step": step,
                    "tokens": step * 4096,
                    "validation_loss": base + 0.04,
                    "validation_losses": {name: base + 0.35 * i - 0.25 for i, name in enumerate(sources)},
                }
            )
        timing.append(
            {
                "step": step,
                "tokens_per_second": 23_900 + chance.gauss(0, 700),
                "elapsed_seconds": step * 0.171,
                "utilisation_fraction": 0.78 + chance.gauss(0, 0.01),
            }
        )
    write_rows(folder / "metrics.jsonl", rows)
    write_rows(folder / "timing.jsonl", timing)


def write_model(folder):
    write_json(
        folder / "model" / "config.json",
        {
            "model_type": "llama",
            "hidden_size": 192,
            "intermediate_size": 768,
            "num_hidden_layers": 5,
            "vocab_size": 4096,
            "num_attention_heads": 3,
            "num_key_value_heads": 3,
            "tie_word_embeddings": False,
        },
    )
    header = json.dumps({"__metadata__": {"format": "pt"}, "w": {"dtype": "F32", "shape": [3, 1_300_000]}}).encode()
    (folder / "model" / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


def evaluation(kept, primed=True, mine=1.742):
    """Return the content of evaluation.json; mine: this model's bits per byte on all of the text."""
    sizes = {name: int(size * 0.03) for name, size in kept.items()}
    sizes = {"": sum(sizes.values()), **sizes}
    context = {"context_tokens": 256, "stride_tokens": 128}
    seen = {"seen_bytes": 15_900_000, "training_bytes": 16_700_000}
    systems = [
        ("model", mine, (0.98, 0.94, 1.13), context),
        ("ngram", 1.521, (0.97, 0.96, 1.2), {"order": 5}),
        ("xz_primed", 1.412, (0.97, 0.95, 1.26), seen),
        ("xz", 1.851, (0.99, 0.9, 1.09), {}),
        ("gzip", 2.084, (0.98, 0.94, 1.13), {}),
    ]
    scores = []
    for system, total, factors, facts in systems:
        for (part, size), factor in zip(sizes.items(), chain([1.0], cycle(factors))):
            value, task = total * factor, f"test/{part}".rstrip("/")
            interval = (value - 0.021, value + 0.021) if system == "model" else None
            if primed or system != "xz_primed":
                scores.append(BITS_PER_BYTE.score(task, value, size, system=system, interval=interval, facts=facts))
    for score in scores[: len(sizes)]:
        tokens = int(score.items / 3.21)
        scores.append(PERPLEXITY.score(score.task, 2 ** (score.value * 3.21), tokens, facts=context))
    return {"format": FORMAT, "scores": [score.row() for score in scores]}
