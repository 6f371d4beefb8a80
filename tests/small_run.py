"""A recipe small enough for tests: real English and Chinese text made here, a model of a few thousand parameters."""

import json
import random
from pathlib import Path
from typing import Any

ENGLISH = (
    "The harbour was quiet before dawn. A gull turned over the boats, and the water moved a little under them. ",
    "Every reader of the archive signs the book, writes the hour, and leaves a note for the one who comes next. ",
    "She counted the seeds twice, wrote the number on the packet, and put the packet back into the drawer. ",
)
CHINESE = (
    "清晨的港口很安静。海鸥从船上飞过，水面轻轻晃动。",
    "每一位读者都要在簿子上签名，写下时间，并给后来的人留一句话。",
    "她把种子数了两遍，把数目写在纸袋上，又放回抽屉里。",
)


def write_texts(folder: Path, documents: int = 60, seed: int = 0) -> None:
    """Write `documents` English text files and a JSON-lines file of as many Chinese ones, the same for each seed."""
    chance = random.Random(seed)
    (folder / "english").mkdir(parents=True)
    for number in range(documents):
        sentences = [chance.choice(ENGLISH) for _ in range(chance.randint(4, 12))]
        (folder / "english" / f"{number:03d}.txt").write_text(
            f"Entry {number}. " + "".join(sentences), encoding="utf-8"
        )
    with open(folder / "chinese.jsonl", "w", encoding="utf-8") as stream:
        for number in range(documents):
            sentences = [chance.choice(CHINESE) for _ in range(chance.randint(4, 12))]
            record = {"text": f"第{number}条。" + "".join(sentences)}
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")


def small_recipe(texts: Path) -> dict[str, Any]:
    """Return a recipe over the texts that `write_texts` wrote."""
    sources = [
        {"name": "english", "path": str(texts / "english")},
        {"name": "chinese", "path": str(texts / "chinese.jsonl")},
    ]
    steps = ["normalise", "statistics", {"length": {"min_characters": 20}}, {"deduplicate": {"exact": True}}]
    return {
        "format": "massivetext-recipe/1",
        "seed": 1,
        "corpus": {"sources": sources, "steps": steps, "split": {"validation": 0.1, "test": 0.1}},
        "tokenizer": {"vocab_size": 320},
        "model": {
            "family": "llama",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
        },
        "train": {
            "context_tokens": 32,
            "batch_tokens": 256,
            "steps": 24,
            "checkpoint_every_steps": 6,
            "evaluate_every_steps": 8,
            "compile": "off",
            "threads": 1,
        },
        "evaluate": {"ngram_order": 3},
        "generate": {"max_new_tokens": 12, "prompts": {"english": ["The "]}},
    }
