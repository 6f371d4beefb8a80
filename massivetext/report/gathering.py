"""Read what a report needs from a run folder, once. Missing parts are listed, so unfinished runs have reports too."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from massivetext.corpus.reading import load_corpus
from massivetext.errors import DataError, StoreError
from massivetext.evaluation.results import read_scores
from massivetext.metrics.score import Score
from massivetext.metrics.tables import Table, tables
from massivetext.state import check_recorded, read_json, read_object, read_sealed, read_state

MOST_HEADER_BYTES = 10**8
"""Largest header that safetensors allows."""
SPLITS = ("train", "validation", "test")
Row = dict[str, Any]


@dataclass(frozen=True)
class Drop:
    """Number and bytes of documents, such as those dropped for one reason."""

    documents: int
    size_bytes: int


@dataclass
class SourceFlow:
    """What happened to one source's documents: bytes read = kept + dropped + removed by edits."""

    name: str
    read: Drop
    kept: Drop
    dropped: dict[str, Drop] = field(default_factory=dict)
    """By `step: reason`; records that could not be read are under the step `read`, with no bytes of text."""
    edited_bytes: int = 0
    """Bytes removed by edits; negative if edits made texts longer."""
    invalid_records: int = 0
    """Records with bytes that were invalid in their encoding and became U+FFFD."""

    @property
    def dropped_bytes(self) -> int:
        """Return the bytes of all dropped documents."""
        return sum(drop.size_bytes for drop in self.dropped.values())


@dataclass
class RunFacts:
    """Everything known about a run. A part that does not exist yet is empty, and its file is listed in `missing`."""

    folder: Path
    corpus_folder: Path
    recipe: Row = field(default_factory=dict)
    recipe_text: str = ""
    corpus: Row = field(default_factory=dict)
    tokens: Row = field(default_factory=dict)
    training: list[Row] = field(default_factory=list)
    validation: list[Row] = field(default_factory=list)
    timing: list[Row] = field(default_factory=list)
    model: Row = field(default_factory=dict)
    scores: list[Score] = field(default_factory=list)
    samples: list[Row] = field(default_factory=list)
    parameters: int = 0
    run: Row = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def sources(self) -> list[str]:
        """Return the names of the sources in the recipe's order, which also sets their colours."""
        named = [source.name for source in self.flows]
        return named or sorted({name for row in self.training for name in row.get("losses", {})})

    @property
    def flows(self) -> list[SourceFlow]:
        """Return what happened to each source's documents, in the recipe's order."""
        return [source_flow(name, counts) for name, counts in self.corpus.get("sources", {}).items()]

    @property
    def corpus_digest(self) -> str:
        """Return the corpus digest, or an empty string while there is no corpus."""
        found: str = self.corpus.get("digest") or self.run.get("corpus_digest") or ""
        return found

    @property
    def main_table(self) -> Table | None:
        """Return the table of the run's main metric, whose overall score is the headline; None if not scored yet."""
        return next((table for table in tables(self.scores) if "" in table.own), None)

    def split_bytes(self) -> dict[str, dict[str, int]]:
        """Return the text bytes of each split and source, from the token store."""
        splits = self.tokens.get("splits", {})
        return {
            split: {source: int(entry["text_bytes"]) for source, entry in splits[split].items()}
            for split in SPLITS
            if split in splits
        }

    def split_count(self, split: str, key: str) -> int:
        """Return `documents`, `tokens` or `text_bytes` of a split, summed over sources; 0 if there is no such split."""
        return sum(int(entry[key]) for entry in self.tokens.get("splits", {}).get(split, {}).values())


def source_flow(name: str, counts: Mapping[str, Any]) -> SourceFlow:
    """Return what happened to one source's documents, from its part of the corpus manifest."""
    read, kept = counts["read"], counts["kept"]
    return SourceFlow(
        name,
        Drop(read["records"], read["bytes"]),
        Drop(kept["documents"], kept["bytes"]),
        {reason: Drop(part["documents"], part["bytes"]) for reason, part in counts["dropped"].items()},
        sum(part["removed_bytes"] for part in counts["edited"].values()),
        counts["invalid_records"],
    )


def _read_part(run: Path, name: str, path: Path) -> Any:
    """Return the content of one of a run's state files; raise StoreError that says how to recreate it."""
    again = "Delete it and give the same `massivetext run` again: it is made again from what the run holds"
    if name == "corpus" and (path.parent / "documents").is_dir():
        return load_corpus(path.parent).manifest
    if name == "samples":
        check_recorded(run, "samples", [path.name], again)
        samples = read_json(path, again)
        if not isinstance(samples, list):
            raise StoreError(f"{path} is damaged: it holds no list of samples. {again}")
        return samples
    if name == "scores":
        return read_scores(path, again)
    if name == "model":
        return read_object(path, (), "Restore the model folder from a copy, or delete it and run again", StoreError)
    return read_state(path, (), again)


def count_parameters(weights: Path) -> int:
    """Return the number of parameters in a safetensors file, reading only its header."""
    try:
        with open(weights, "rb") as stream:
            header = json.loads(stream.read(min(int.from_bytes(stream.read(8), "little"), MOST_HEADER_BYTES)))
        return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        again = "Delete the model folder and give the same `massivetext run` again"
        raise StoreError(f"{weights} is damaged: its header cannot be read ({error}). {again}") from None


def is_corpus(folder: str | Path) -> bool:
    """Return whether a folder holds a corpus but no run."""
    return (Path(folder) / "manifest.json").is_file() and not (Path(folder) / "recipe.yaml").is_file()


def read_corpus(folder: str | Path) -> RunFacts:
    """Return what is known about a corpus without a run; raise StoreError if the folder holds none."""
    folder = Path(folder)
    return RunFacts(folder, folder, corpus=load_corpus(folder).manifest)


def read_run(folder: str | Path) -> RunFacts:
    """Return what a run folder holds so far; raise DataError if it is not a run folder."""
    import yaml  # type: ignore[import-untyped, unused-ignore]

    from massivetext.training.folder import TrainingFolder
    from massivetext.training.metrics import read_rows

    folder = Path(folder)
    recipe_path = folder / "recipe.yaml"
    if not recipe_path.is_file():
        found = "has no recipe.yaml" if folder.is_dir() else "is not there"
        raise DataError(
            f"{folder} {found}; give a run folder (`massivetext run RECIPE --out FOLDER`) or a corpus folder"
        )
    same = "Give the same `massivetext run` again: it writes the file anew"
    recipe_text = read_sealed(recipe_path, same).rsplit("\n", 2)[0] + "\n"
    recipe = yaml.safe_load(recipe_text)
    corpus_folder = Path((recipe.get("corpus") or {}).get("from") or folder / "corpus")
    facts = RunFacts(folder, corpus_folder, recipe, recipe_text)
    training = TrainingFolder(folder)
    grown = [path.name for path in (training.metrics, training.timing) if path.is_file()]
    if grown:
        check_recorded(folder, "train", grown, "Restore it from a copy, or delete it: the report then does without it")
    rows = read_rows(training.metrics)
    facts.training = [row for row in rows if "loss" in row]
    facts.validation = [row for row in rows if "validation_loss" in row]
    facts.timing = read_rows(training.timing)
    parts = {
        "corpus": corpus_folder / "manifest.json",
        "tokens": folder / "tokens" / "manifest.json",
        "model": folder / "model" / "config.json",
        "scores": folder / "evaluation.json",
        "samples": folder / "samples.json",
        "run": folder / "run.json",
    }
    for name, path in parts.items():
        if path.is_file():
            setattr(facts, name, _read_part(folder, name, path))
        elif name != "run":
            facts.missing.append(str(path.relative_to(folder) if path.is_relative_to(folder) else path))
    weights = sorted((folder / "model").glob("*.safetensors"))
    facts.parameters = sum(count_parameters(path) for path in weights)
    if not facts.training:
        facts.missing.append(training.metrics.name)
    return facts
