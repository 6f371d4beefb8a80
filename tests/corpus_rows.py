"""Inputs of a corpus, and the rows of a built one, for its tests."""

import json


def write_lines(folder, texts, name="a"):
    folder.mkdir(exist_ok=True, parents=True)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return {"name": name, "path": str(folder / f"{name}.jsonl")}


def kept(corpus, columns=("id", "text", "source", "record")):
    return [
        {"split": split, **row}
        for split in corpus.splits
        for batch in corpus.documents(split, columns=columns)
        for row in batch.to_pylist()
    ]


def dropped(corpus):
    return [row for batch in corpus.dropped() for row in batch.to_pylist()]
