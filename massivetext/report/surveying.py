"""What the corpus page tells of a corpus's files, found in one pass over their columns, batch by batch.

No text is read but those of the samples, which depend on seed, rule and ids alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.reading import Corpus
from massivetext.corpus.settings import CorpusSettings
from massivetext.corpus.steps import Step
from massivetext.corpus.steps.limits import LimitDecide
from massivetext.corpus.steps.table import make_steps
from massivetext.errors import MassiveTextError
from massivetext.parquet import OwnParquet
from massivetext.report.clusters import Clusters, read_clusters
from massivetext.report.sampling import BATCH_ROWS, Draw, RowPlace, Sample, Values, id_hashes, read_rows
from massivetext.report.tallies import LENGTHS, Histogram, Tally

SAMPLES = 20
RuleKey = tuple[str, str, float | None]
PLAIN_COLUMNS = ("id", "source", "language", "license", "text_bytes", "build")
WHY_COLUMNS = ("step", "reason", "value", "threshold")
PII = "pii_counts__"


@dataclass
class Rule:
    """A reason for which documents were dropped, or a limit that could have dropped some."""

    step: str
    name: str
    limit: float | None = None
    sources: set[str] = field(default_factory=set)
    """Whose documents it was held against, or dropped."""
    dropped: Tally = field(default_factory=Tally)
    histogram: Histogram | None = None
    dropped_samples: list[Sample] = field(default_factory=list)
    kept_samples: list[Sample] = field(default_factory=list)

    @property
    def key(self) -> RuleKey:
        """What tells it from other rules."""
        return self.step, self.name, self.limit


@dataclass
class Survey:
    """What was found."""

    rules: list[Rule] = field(default_factory=list)
    """In the order of the steps; those of a step by how much they dropped."""
    languages: dict[str, tuple[Tally, Tally]] = field(default_factory=dict)
    """Language -> kept, dropped."""
    licenses: dict[str, Tally] = field(default_factory=dict)
    lengths: dict[str, Histogram] = field(default_factory=dict)
    """Source -> bytes of its documents."""
    placeholders: dict[str, int] = field(default_factory=dict)
    """Type of personal data -> how often it stood in the kept documents."""
    clusters: Clusters = field(default_factory=Clusters)


def survey(corpus: Corpus) -> Survey:
    """Return what the page tells of a corpus; a batch of columns and one row group of samples are in memory."""
    return _Surveyor(corpus).found()


class _Surveyor:
    """One survey in the making."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus, self.seed = corpus, int(corpus.manifest["seed"])
        self.steps = steps_by_source(corpus)
        self.survey = Survey(clusters=read_clusters(corpus, self.seed))
        self.rules: dict[RuleKey, Rule] = {}
        self.draws: dict[RuleKey, Draw] = {}
        """Of dropped rows, by step, reason without what follows a colon, and limit."""
        self.kept_draws: dict[RuleKey, Draw] = {}

    def found(self) -> Survey:
        """Return the finished survey."""
        for path, group, batch in self._batches(self.corpus.dropped_files(), WHY_COLUMNS):
            self._take_dropped(path, group, batch)
        for split in self.corpus.splits:
            for path, group, batch in self._batches(self.corpus.files(split), ()):
                self._take_kept(path, group, batch)
        self._read_samples()
        order = list(dict.fromkeys(["read", *(step.name for steps in self.steps.values() for step in steps)]))
        place = {name: at for at, name in enumerate(order)}
        rules = sorted(self.rules.values(), key=lambda rule: (place.get(rule.step, 99), -rule.dropped.documents))
        self.survey.rules = [rule for rule in rules if rule.dropped.documents or rule.histogram]
        return self.survey

    def _batches(
        self, paths: Sequence[Path], more: Sequence[str]
    ) -> Iterator[tuple[Path, tuple[int, int], pa.RecordBatch]]:
        """Yield (path, (row group, first row in it), batch) of the columns that are looked at, all of one source."""
        for path in paths:
            with OwnParquet(path) as opened:
                names = opened.schema_arrow.names
                wanted = [name for name in names if name in PLAIN_COLUMNS or name in more or "__" in name]
                for group in range(opened.num_row_groups):
                    row = 0
                    for batch in opened.iter_batches(BATCH_ROWS, [group], wanted):
                        yield path, (group, row), batch
                        row += len(batch)

    def _rule(self, step: str, name: str, limit: float | None) -> Rule:
        return self.rules.setdefault((step, name, limit), Rule(step, name, limit))

    def _take_dropped(self, path: Path, place: tuple[int, int], batch: pa.RecordBatch) -> None:
        """Count dropped rows, and draw samples of them."""
        hashes = id_hashes(batch.column("id"))
        self.survey.clusters.note(hashes, path, place)
        self._count_languages(batch, 1)
        names = pc.replace_substring_regex(batch.column("reason"), r"(?s): .*$", "")
        table = pa.table([batch.column("step"), names, batch.column("threshold")], ["step", "reason", "threshold"])
        for entry in table.group_by(["step", "reason", "threshold"]).aggregate([]).to_pylist():
            limit = entry["threshold"]
            here = pc.and_(pc.equal(batch.column("step"), entry["step"]), pc.equal(names, entry["reason"]))
            same = pc.is_null(batch.column("threshold")) if limit is None else pc.equal(
                batch.column("threshold"), limit
            )  # fmt: skip
            rows = np.flatnonzero(pc.and_(here, pc.fill_null(same, False)).to_numpy(zero_copy_only=False))
            rule = self._rule(entry["step"], entry["reason"], limit)
            rule.dropped.add(len(rows), int(batch.column("text_bytes").to_numpy(zero_copy_only=False)[rows].sum()))
            rule.sources.add(batch.column("source")[0].as_py())
            draw = self.draws.setdefault(rule.key, Draw(f"{self.seed}\0dropped\0{rule.key}", SAMPLES))
            draw.offer(hashes[rows], rows + place[1], path, place[0])
        self._measure(batch)

    def _take_kept(self, path: Path, place: tuple[int, int], batch: pa.RecordBatch) -> None:
        """Count kept documents, and draw samples of those that went through a rule that dropped others."""
        hashes = id_hashes(batch.column("id"))
        self.survey.clusters.note(hashes, path, place)
        self._count_languages(batch, 0)
        source = batch.column("source")[0].as_py()
        sizes = batch.column("text_bytes").to_numpy()
        self.survey.lengths.setdefault(source, Histogram(LENGTHS)).add(sizes.astype(np.float64))
        for entry in _sums(batch, "license"):
            self.survey.licenses.setdefault(entry["license"] or "", Tally()).add(entry["count"], entry["bytes"])
        for name in batch.schema.names:
            if name.startswith(PII):
                total = pc.sum(batch.column(name), min_count=0).as_py()
                known = self.survey.placeholders.get(name[len(PII) :], 0)
                self.survey.placeholders[name[len(PII) :]] = known + total
        measured = self._measure(batch)
        own = {step.name: step for step in self.steps.get((batch.column("build")[0].as_py(), source), ())}
        rows = np.arange(len(batch)) + place[1]
        for key in self.draws:
            step = own.get(key[0])
            # Sources may hold the same rule with other limits.
            if step is not None and (not isinstance(step, LimitDecide) or step.limits.get(key[1]) == key[2]):
                draw = self.kept_draws.setdefault(key, Draw(f"{self.seed}\0kept\0{key}", SAMPLES))
                draw.offer(hashes, rows, path, place[0], measured.get(key[:2]))

    def _count_languages(self, batch: pa.RecordBatch, which: int) -> None:
        for entry in _sums(batch, "language"):
            tallies = self.survey.languages.setdefault(entry["language"] or "", (Tally(), Tally()))
            tallies[which].add(entry["count"], entry["bytes"])

    def _measure(self, batch: pa.RecordBatch) -> dict[tuple[str, str], Values]:
        """Return (step, rule) -> what the rows measure, where it is known without their text, after counting it."""
        found: dict[tuple[str, str], Values] = {}
        key = (batch.column("build")[0].as_py(), batch.column("source")[0].as_py())
        blind = batch.append_column("text", pa.nulls(len(batch), pa.string()))
        for step in self.steps.get(key, ()):
            if not isinstance(step, LimitDecide) or not step.needs or not _has(batch, step.needs):
                continue
            for name, values in step.measured(blind).items():
                limit = step.limits[name]
                if limit is None or np.isnan(values).all():
                    continue
                found[step.name, name] = values
                rule = self._rule(step.name, name, float(limit))
                rule.sources.add(key[1])
                if rule.histogram is None:
                    rule.histogram = Histogram.for_limit(name, float(limit))
                rule.histogram.add(values)
        return found

    def _read_samples(self) -> None:
        """Read the texts of all samples, row group by row group."""
        wanted: dict[tuple[Path, int], set[int]] = {}
        places = [entry[1] for draw in (*self.draws.values(), *self.kept_draws.values()) for entry in draw.held]
        places += self.survey.clusters.places()
        for place in places:
            wanted.setdefault((place.path, place.group), set()).add(place.row)
        texts: dict[RowPlace, Sample] = {}
        for (path, group), rows in wanted.items():
            for row, sample in zip(sorted(rows), read_rows(path, group, sorted(rows))):
                texts[RowPlace(path, group, row)] = sample
        for rule in self.rules.values():
            for name, draws in (("dropped_samples", self.draws), ("kept_samples", self.kept_draws)):
                draw = draws.get(rule.key)
                if rule.dropped.documents and draw:
                    setattr(rule, name, [with_value(texts[place], value) for _, place, value in draw.held])
        self.survey.clusters.show(texts)


def with_value(sample: Sample, value: float | None) -> Sample:
    """Return a sample with the value that is shown beside it."""
    return sample if value is None else Sample(sample.id, sample.source, sample.text, sample.reason, value)


def steps_by_source(corpus: Corpus) -> dict[tuple[int, str], list[Step]]:
    """Return the steps of each (build, source); none where a step of the user's own cannot be imported here."""
    found = {}
    for build in corpus.manifest.get("builds", ()):
        settings = CorpusSettings.parse(build["settings"], "corpus")
        for source in settings.sources:
            try:
                found[build["build"], source.name] = make_steps(settings.steps_of(source))
            except MassiveTextError:
                continue
    return found


def _sums(batch: pa.RecordBatch, column: str) -> list[Mapping[str, Any]]:
    """Return each value of a column with the number and the bytes of its rows."""
    table = pa.table([batch.column(column), batch.column("text_bytes")], [column, "bytes"])
    rows = table.group_by(column, use_threads=False).aggregate([("bytes", "count"), ("bytes", "sum")]).to_pylist()
    return [{column: row[column], "count": row["bytes_count"], "bytes": row["bytes_sum"]} for row in rows]


def _has(batch: pa.RecordBatch, needs: Sequence[str]) -> bool:
    """Return whether the columns of some measures are there."""
    return all(any(name.startswith(f"{needed}__") for name in batch.schema.names) for needed in needs)
