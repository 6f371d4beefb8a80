"""The barrier `decontaminate`: documents that hold items of benchmarks are removed or marked, and each item reported.

An item is a record of a benchmark file. A document touches it where it holds at least `min_item_fraction` of the
item's runs of `ngram` words (at least one), wherever they stand; an item shorter than that is looked for whole, and one
shorter than `min_item_words` not at all, because its words stand together by chance everywhere. Words are those of
`massivetext.text.words`: a Han character is one, case and punctuation do not matter.

13 words are usual (Brown et al. 2020, arXiv:2005.14165, appendix C, for GPT-3); 8 find items that were edited, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from massivetext.corpus.barrier.census import Census, PartRows
from massivetext.corpus.barrier.fates import Fate
from massivetext.corpus.barrier.keys import Keys, Numbers, as_hexadecimal
from massivetext.corpus.barrier.verdicts import Judge, Verdict
from massivetext.corpus.readers.finding import input_files
from massivetext.corpus.readers.records import make_reader
from massivetext.corpus.settings import SourceSettings
from massivetext.corpus.steps import Barrier
from massivetext.engines import Advance, Engine
from massivetext.errors import ConfigError
from massivetext.parquet import write_own
from massivetext.settings import Settings
from massivetext.state import write_state
from massivetext.storage import stream_digest
from massivetext.text.compiling import kernel
from massivetext.text.minhash import shingle
from massivetext.text.words import Hashes, hash_words

COLUMN = "decontaminate__item_fraction"
FILTER_BITS = 2**22
TOUCHES = pa.schema(
    {
        "benchmark": pa.string(),
        "item": pa.string(),
        "item_words": pa.int64(),
        "fraction": pa.float64(),
        "id": pa.string(),
        "action": pa.string(),
    }
)
"""A row for each document that touches an item: `item` is `uri@record`, `fraction` how much of it is there."""


class DecontaminateSettings(Settings):
    """Which benchmarks are looked for, and what is done with the documents that hold them."""

    benchmarks: tuple[SourceSettings, ...] = Field(min_length=1)
    """Benchmark files, written like sources: name, path, format, text_column; each record is an item."""
    ngram: int = Field(8, ge=1, le=1000)
    """Number of words in a sequence."""
    min_item_fraction: float = Field(0.05, ge=0, le=1)
    """Minimum fraction of an item's sequences that a document must contain."""
    min_item_words: int = Field(6, ge=1)
    """Items with fewer words are not searched."""
    remove: bool = True
    """Drop the documents; false only marks them, in their column `decontaminate__item_fraction` and in the report."""


class Decontaminate(Barrier, Judge):
    """Finds documents that hold items of benchmarks."""

    name = "decontaminate"
    version = 1
    settings_type = DecontaminateSettings

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The column that every document has: the largest part of an item that it holds."""
        return {COLUMN: pa.float64()}

    def check(self) -> None:
        """Raise DataError if a benchmark's files are not there."""
        for source in self.settings.benchmarks:
            input_files(source)

    def describe(self) -> dict[str, Any]:
        """Return also the digests of the benchmark files: with other items it is another step."""
        files = {
            f"{source.name}/{file.uri}": stream_digest(file.open())
            for source in self.settings.benchmarks
            for file in input_files(source)
        }
        return super().describe() | {"files": files}

    def judge(self, census: Census, engine: Engine) -> Iterator[Verdict]:
        """Yield the rows that hold items, and write the report of each item."""
        items = read_items(self.settings)
        look = Look(census, items, self.settings, census.asking[self.name])
        found = [touch for part in engine.map_parts(look, census.parts) for touch in part]
        fractions: dict[int, float] = {}
        for row, _, fraction in found:
            fractions[row] = max(fractions.get(row, 0.0), fraction)
        rows, value = np.array(list(fractions), np.int64), np.array(list(fractions.values()))
        fate = Fate.CONTAMINATED if self.settings.remove else Fate.KEPT
        threshold = self.settings.min_item_fraction
        yield Verdict(rows, fate, value=value, threshold=threshold, facts={COLUMN: value})
        _write_report(census, self.settings, items, found)


class Items(NamedTuple):
    """The runs of all items, by their hashes."""

    names: list[tuple[str, str]]
    """(benchmark, uri@record) of each item."""
    words: Numbers
    """(items,), how many words each has."""
    runs: Numbers
    """(items,), how many different runs each has; 0 where it is not looked for."""
    hashes: Keys
    """(runs of all,), ascending; an item's run is at the place of its owner."""
    owners: Numbers
    """(runs of all,), the item of each."""
    sizes: Numbers
    """The different lengths of runs, in words."""


def read_items(settings: DecontaminateSettings) -> Items:
    """Return the items of all benchmarks; raise ConfigError if a benchmark holds none."""
    names: list[tuple[str, str]] = []
    texts: list[str] = []
    for source in settings.benchmarks:
        before = len(names)
        for file in input_files(source):
            reader = make_reader(file.format, source)
            reader.check([file])
            for piece in reader.pieces(file, 2**62):
                for record in reader.read(piece):
                    if not record.bad:
                        names.append((source.name, f"{file.uri}@{record.place}"))
                        texts.append(record.text)
        if len(names) == before:
            raise ConfigError(f"the benchmark {source.name!r} holds no item; check its path and text_column")
    words = hash_words(pa.array(texts, pa.large_string()))
    lengths = np.diff(words.offsets)
    pairs, sizes = [], set()
    for item, (start, end) in enumerate(zip(words.offsets.tolist(), words.offsets[1:].tolist())):
        size = min(settings.ngram, end - start)
        if end - start < settings.min_item_words or not size:
            continue
        sizes.add(size)
        found = {int(shingle(words.hashes, at, at + size)) for at in range(start, end - size + 1)}
        pairs += [(run, item) for run in found]
    pairs.sort()
    owners = np.array([item for _, item in pairs], np.int64)
    runs = np.bincount(owners, minlength=len(names)).astype(np.int64)
    hashes = np.array([run for run, _ in pairs], np.uint64)
    return Items(names, lengths, runs, hashes, owners, np.array(sorted(sizes), np.int64))


Touch = tuple[int, int, float]
"""Row, item, the fraction of the item's runs that the row holds."""


@dataclass(frozen=True)
class Look:
    """Finds the items that the rows of a part touch."""

    census: Census
    items: Items
    settings: DecontaminateSettings
    asked: frozenset[str]
    """The sources whose documents are looked at."""

    def __call__(self, part: PartRows, advance: Advance) -> list[Touch]:
        """Return what is found in one part."""
        items, found = self.items, []
        bits = np.zeros(FILTER_BITS, np.uint8)
        bits[items.hashes % np.uint64(FILTER_BITS)] = 1
        for start, batch in self.census.documents(part, ["text"], self.asked):
            words = hash_words(batch.column("text"))
            hits = _find(words.hashes, words.offsets, items.hashes, bits, items.sizes)
            documents, places = np.array(hits, np.int64).reshape(-1, 2).T
            pairs = np.unique(np.stack([documents, items.owners[places], places]), axis=1)
            both, counts = np.unique(pairs[:2], axis=1, return_counts=True)
            for document, item, count in zip(both[0].tolist(), both[1].tolist(), counts.tolist()):
                fraction, row = count / items.runs[item], start + document
                if fraction >= self.settings.min_item_fraction and self.census.fate[row] == Fate.KEPT:
                    found.append((row, item, float(fraction)))
        return found


@kernel
def _find(
    hashes: Hashes, offsets: Numbers, wanted: Hashes, bits: npt.NDArray[np.uint8], sizes: Numbers
) -> list[tuple[int, int]]:
    """Return (document, place in `wanted`) for each run of the documents that is wanted."""
    found = [(0, 0) for _ in range(0)]
    for document in range(len(offsets) - 1):
        for at in range(offsets[document], offsets[document + 1]):
            for size in sizes:
                if at + size > offsets[document + 1]:
                    break
                run = shingle(hashes, at, at + size)
                if not bits[run % np.uint64(len(bits))]:
                    continue
                place: Any = np.searchsorted(wanted, run)
                while place < len(wanted) and wanted[place] == run:
                    found.append((document, place))
                    place += 1
    return found


def _write_report(census: Census, settings: DecontaminateSettings, items: Items, found: list[Touch]) -> None:
    """Write `contamination/`: the documents that touch each item, and how many items of each benchmark are touched."""
    path = census.folder / "contamination" / f"build-{census.build:04d}.parquet"
    found = sorted(found, key=lambda touch: (touch[1], touch[0]))
    rows, places = np.array([touch[0] for touch in found], np.int64), [touch[1] for touch in found]
    arrays = [
        pa.array([items.names[item][0] for item in places], pa.string()),
        pa.array([items.names[item][1] for item in places], pa.string()),
        pa.array(items.words[places] if places else [], pa.int64()),
        pa.array([touch[2] for touch in found], pa.float64()),
        as_hexadecimal(census.ids[rows]),
        pa.repeat("removed" if settings.remove else "marked", len(found)),
    ]
    write_own(path, pa.Table.from_arrays(arrays, schema=TOUCHES))
    touched = set(places)
    summary = {}
    for source in settings.benchmarks:
        own = [item for item, (name, _) in enumerate(items.names) if name == source.name]
        summary[source.name] = {
            "items": len(own),
            "too_short": sum(1 for item in own if not items.runs[item]),
            "touched": sum(1 for item in own if item in touched),
            "documents": len({row for row, item, _ in found if items.names[item][0] == source.name}),
        }
    write_state(path.with_suffix(".json"), summary)
