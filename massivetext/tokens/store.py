"""The token store: a corpus as memory-mapped arrays of token ids, with documents in a shuffled order fixed by the seed.

Files: `SPLIT/SOURCE/shard-00000.bin` (ids, uint16 or uint32, no special tokens), `.offsets` (uint64, documents + 1) and
`.parquet` (id, text_bytes, build). Documents are in ascending order of hash(seed, id). `manifest.json` is written last.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from massivetext.engines import Advance, Threads
from massivetext.errors import ConfigError, DataError, StoreError, unknown_name
from massivetext.progress import log, progress
from massivetext.state import read_object, read_state, write_state
from massivetext.storage import clear_temporary, file_digest, locked_folder, value_digest
from massivetext.tokens.runs import COLUMNS, Ids, chunks, mapped, tokens_by_source, write_run, write_shards
from massivetext.tokens.tokenizer import Tokenizer
from massivetext.translations import tr

if TYPE_CHECKING:
    from massivetext.corpus.reading import Corpus

FORMAT = "massivetext-tokens/1"
MANIFEST = "manifest.json"
WORK = ".work"
KEYS = ("digest", "tokenizer", "corpus", "dtype", "splits", "seed")
"""Keys of a manifest in addition to its format."""
LARGEST_16_BIT_VOCABULARY = 2**16
FIRST_SAMPLE_CHARACTERS = 32 * 1024
SAMPLE_CHARACTERS = 8 * 1024


@dataclass(frozen=True)
class Shard:
    """Hold one memory-mapped shard; document i is `ids[offsets[i]:offsets[i + 1]]`."""

    path: Path
    ids: Ids
    offsets: NDArray[np.uint64]

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.offsets) - 1

    @property
    def tokens(self) -> int:
        """Return the number of ids."""
        return len(self.ids)

    def column(self, name: str) -> Any:
        """Return a column of the shard's Parquet file as a pyarrow array: id, text_bytes or build."""
        from massivetext.parquet import read_own

        return read_own(self.path.with_suffix(".parquet"), [name])[name].combine_chunks()


class Documents(Sequence[Ids]):
    """Give access to the documents of one source and split in the store's order; item i is the ids of document i.

    The arrays of ids are views of the memory map.
    """

    def __init__(self, shards: list[Shard]) -> None:
        self.shards = shards
        self._starts = np.cumsum([0, *(len(shard) for shard in shards)])

    def __len__(self) -> int:
        """Return the number of documents."""
        return int(self._starts[-1])

    @overload
    def __getitem__(self, index: int) -> Ids: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Ids]: ...
    def __getitem__(self, index: int | slice) -> Ids | Sequence[Ids]:
        """Return the ids of one document, or a list of the ids of several."""
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"document {index} of {len(self)}")
        index %= len(self)
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        shard, local = self.shards[number], index - int(self._starts[number])
        return shard.ids[int(shard.offsets[local]) : int(shard.offsets[local + 1])]

    def __iter__(self) -> Iterator[Ids]:
        """Yield the ids of each document in order."""
        for shard in self.shards:
            bounds = shard.offsets.tolist()
            for start, stop in pairwise(bounds):
                yield shard.ids[start:stop]

    @property
    def tokens(self) -> int:
        """Return the number of ids in all documents."""
        return sum(shard.tokens for shard in self.shards)

    @property
    def ids(self) -> Ids:
        """Return all ids as one array: the memory map itself for one shard, a copy for several."""
        if len(self.shards) == 1:
            return self.shards[0].ids
        return np.concatenate([shard.ids for shard in self.shards]) if self.shards else np.empty(0, np.uint16)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Return the bounds of the documents in `ids`, (documents + 1,)."""
        parts, end = [np.zeros(1, np.int64)], 0
        for shard in self.shards:
            parts.append(shard.offsets[1:].astype(np.int64) + end)
            end += shard.tokens
        return np.concatenate(parts)

    @property
    def text_bytes(self) -> NDArray[np.int64]:
        """Return the number of UTF-8 bytes of each document's text, (documents,)."""
        parts = [shard.column("text_bytes").to_numpy() for shard in self.shards]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def names(self) -> list[str]:
        """Return the corpus id of each document."""
        return [name for shard in self.shards for name in shard.column("id").to_pylist()]


class TokenStore:
    """Give access to a finished token store; shards are opened only when they are needed."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder, self.manifest = folder, manifest
        self.digest: str = manifest["digest"]
        self.tokenizer_digest: str = manifest["tokenizer"]["digest"]
        self.vocab_size: int = manifest["tokenizer"]["vocab_size"]
        self.start_id: int = manifest["tokenizer"]["start_id"]
        self.dtype: np.dtype[Any] = np.dtype(manifest["dtype"])
        self.splits: list[str] = list(manifest["splits"])

    def sources(self, split: str) -> list[str]:
        """Return the names of the sources that have documents in a split, sorted."""
        return sorted(self._split(split))

    def documents(self, split: str, source: str) -> Documents:
        """Return the documents of one source in one split."""
        entries = self._split(split)
        if source not in entries:
            raise ConfigError(unknown_name(f"source in the split {split!r}:", source, entries))
        return Documents([self._open(shard) for shard in entries[source]["shards"]])

    def counts(self, split: str, source: str | None = None) -> dict[str, int]:
        """Return documents, tokens and text_bytes of a split, or of one source in it."""
        chosen = self.sources(split) if source is None else [source]
        return {key: sum(self._split(split)[s][key] for s in chosen) for key in ("documents", "tokens", "text_bytes")}

    def check_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Raise StoreError unless the store was built with this tokenizer."""
        if tokenizer.digest != self.tokenizer_digest:
            raise StoreError(
                f"{self.folder} was built with the tokenizer {self.tokenizer_digest[:12]} ({self.vocab_size} ids), but "
                f"the one given is {tokenizer.digest[:12]} ({len(tokenizer)} ids); use the tokenizer the store was "
                f"built with, or build the store again with this one"
            )

    def verify(self) -> None:
        """Raise StoreError if a file is missing, damaged or not in the manifest; this reads all files."""
        faults = self.faults()
        if faults:
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            raise StoreError(f"{faults[0]}{more}. {_remedy(self.folder)}")

    def faults(self) -> list[str]:
        """Return the faults of the store's files, one sentence each, or an empty list; this reads all files."""
        shards = [shard for entries in self.manifest["splits"].values() for entry in entries.values()
                  for shard in entry["shards"]]  # fmt: skip
        listed = {
            (self.folder / shard["path"]).with_suffix(ending): digest
            for shard in shards for ending, digest in shard["digests"].items()
        }  # fmt: skip
        found = []
        there = [path for path in listed if path.is_file()]
        digests = dict(zip(there, Threads(len(os.sched_getaffinity(0))).map_parts(_digest, there)))
        for path, expected in listed.items():
            if path not in digests:
                found.append(f"{path} is missing")
            elif digests[path] != expected:
                found.append(f"{path} is damaged: it has the SHA-256 {digests[path][:12]}, and manifest.json says "
                             f"{expected[:12]}")  # fmt: skip
        present = {path for split in self.splits for path in (self.folder / split).rglob("*") if path.is_file()}
        return found + [f"{path} is not a part of this store (manifest.json does not list it)"
                        for path in sorted(present - listed.keys())]  # fmt: skip

    def _split(self, split: str) -> dict[str, Any]:
        """Return a split's part of the manifest; raise ConfigError for an unknown split."""
        if split not in self.manifest["splits"]:
            raise ConfigError(unknown_name(f"split of {self.folder}:", split, self.splits))
        entries: dict[str, Any] = self.manifest["splits"][split]
        return entries

    def _open(self, entry: dict[str, Any]) -> Shard:
        """Return a memory-mapped shard; raise StoreError if a file is missing or has the wrong size."""
        path = self.folder / entry["path"]
        for ending, bytes_expected in (
            (".bin", entry["tokens"] * self.dtype.itemsize),
            (".offsets", (entry["documents"] + 1) * 8),
        ):
            found = path.with_suffix(ending).stat().st_size if path.with_suffix(ending).is_file() else None
            if found != bytes_expected:
                shown = "is missing" if found is None else f"has {found} bytes"
                raise StoreError(
                    f"{path.with_suffix(ending)} {shown}, and manifest.json says {bytes_expected} bytes. "
                    f"{_remedy(self.folder)}"
                )
        return Shard(path, mapped(path, self.dtype), mapped(path.with_suffix(".offsets"), np.dtype("<u8")))


def open_store(folder: str | Path) -> TokenStore:
    """Return the token store in a folder; raise StoreError if it is missing, unfinished or in another format."""
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        state = "an unfinished token store (no manifest.json)" if folder.is_dir() else "not there"
        raise StoreError(f"{folder} is {state}; build it with massivetext.tokens.store.build_store")
    found = read_object(path, ["format"], _remedy(folder))["format"]
    if found != FORMAT:
        raise StoreError(f"{path} has the format {found!r}; this version reads {FORMAT!r}: build the store again")
    return TokenStore(folder, read_state(path, KEYS, _remedy(folder)))


def _digest(path: Path, advance: Advance) -> str:
    """Return the SHA-256 of a file."""
    return file_digest(path)


def _remedy(folder: Path) -> str:
    return f"Delete {folder} and give the same command again: the token store is built again from the corpus"


def build_store(
    corpus: "Corpus", tokenizer: Tokenizer, folder: str | Path, seed: int = 0, *, quiet: bool = False
) -> TokenStore:
    """Build the token store of a corpus in `folder` and return it; a finished store of the same inputs is only opened.

    seed: determines the order of the documents. An interrupted build resumes when the function is called again and
    produces byte-identical files; finished chunks and shards are skipped. A store from other inputs in `folder` is
    replaced. Raises ConfigError if the tokenizer cannot restore the text, BusyError if another process is building.
    """
    folder = Path(folder)
    inputs = {"format": FORMAT, "seed": seed, "corpus": corpus.digest, "tokenizer": _description(tokenizer)}
    with locked_folder(folder):
        clear_temporary(folder)
        if not _is_finished(folder, inputs):
            _start(folder, inputs, quiet)
            dtype = np.dtype(np.uint16 if len(tokenizer) <= LARGEST_16_BIT_VOCABULARY else np.uint32)
            for split in corpus.splits:
                _encode_split(corpus, split, tokenizer, folder / WORK / split, seed, dtype, quiet)
            splits = {split: _write_split(folder, split, dtype) for split in corpus.splits}
            manifest = {**inputs, "dtype": dtype.name, "splits": splits}
            write_state(folder / MANIFEST, {**manifest, "digest": value_digest(manifest)})
        shutil.rmtree(folder / WORK, ignore_errors=True)
    return open_store(folder)


def _description(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the manifest's entry for the tokenizer."""
    return {"digest": tokenizer.digest, "vocab_size": len(tokenizer), "start_id": tokenizer.start_id}


def _is_finished(folder: Path, inputs: dict[str, Any]) -> bool:
    """Return whether the folder contains a finished store built from these inputs."""
    if not (folder / MANIFEST).is_file():
        return False
    manifest = open_store(folder).manifest
    return all(manifest.get(key) == value for key, value in inputs.items())


def _start(folder: Path, inputs: dict[str, Any], quiet: bool) -> None:
    """Prepare the folder: keep unfinished work on the same inputs, remove every other part of a store."""
    plan = folder / WORK / "inputs.json"
    if plan.is_file() and read_state(plan, (), _remedy(folder)) == inputs:
        return
    if (folder / MANIFEST).is_file():
        if not quiet:
            log(tr("{folder}: the token store of other inputs is replaced", folder=folder))
        (folder / MANIFEST).unlink()
    # Find splits by their shards, not by the manifest: the removal of a store may have been interrupted.
    for split in {path.parents[1] for path in folder.glob("*/*/shard-*")}:
        shutil.rmtree(split, ignore_errors=True)
    if (folder / WORK).is_dir():
        shutil.rmtree(folder / WORK)
    write_state(plan, inputs)


def _encode_split(
    corpus: "Corpus", split: str, tokenizer: Tokenizer, work: Path, seed: int, dtype: np.dtype[Any], quiet: bool
) -> None:
    """Encode the documents of a split into runs `work/run-000000.arrow`, ...; existing runs are kept."""
    if (work / "encoded.json").is_file():
        return
    count = 0
    with progress(tr("encoding {split}", split=split), unit="B", quiet=quiet) as task:
        for table in chunks(corpus.documents(split, columns=COLUMNS)):
            path = work / f"run-{count:06d}.arrow"
            if not path.is_file():
                characters = SAMPLE_CHARACTERS if count else FIRST_SAMPLE_CHARACTERS
                tokenizer.check_encoding(table["text"], characters)
                write_run(path, table, tokenizer, seed, dtype)
            count += 1
            task.advance(int(table["text_bytes"].to_numpy().sum()))
    write_state(work / "encoded.json", {"runs": count})


def _write_split(folder: Path, split: str, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Write all shards of a split from its runs, and return the split's part of the manifest."""
    work = folder / WORK / split
    count = read_state(work / "encoded.json", ["runs"], _remedy(folder))["runs"]
    runs = [work / f"run-{number:06d}.arrow" for number in range(count)]
    tokens: Counter[str] = Counter()
    for run in runs:
        tokens.update(tokens_by_source(run))
    if split == "train" and not tokens:
        raise DataError("the corpus has no documents in its train split; give it more text, or smaller other splits")
    return {
        source: write_shards(runs, source, tokens[source], dtype, folder, split, work / "shards" / source)
        for source in sorted(tokens)
    }
