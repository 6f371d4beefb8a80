"""A document derived again from its raw bytes, and its measures beside the limits that it was held against."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from massivetext.corpus.barrier.deduplication import Deduplicate
from massivetext.corpus.gathering import Gathered, Passage
from massivetext.corpus.lanes import Lane
from massivetext.corpus.readers.finding import input_files
from massivetext.corpus.readers.records import Reader, Record, make_reader
from massivetext.corpus.readers.streams import SourceFile
from massivetext.corpus.reading import Corpus
from massivetext.corpus.rows import schemas_of
from massivetext.corpus.settings import CorpusSettings, SourceSettings
from massivetext.corpus.steps import Barrier, Measure
from massivetext.corpus.steps.limits import LimitDecide
from massivetext.corpus.steps.table import make_steps
from massivetext.errors import DataError


def settings_of(corpus: Corpus, row: dict[str, Any]) -> tuple[CorpusSettings, SourceSettings]:
    """Return the settings under which a row of a corpus was made: those of its build, and of its source in it."""
    build = next(entry for entry in corpus.manifest["builds"] if entry["build"] == row["build"])
    settings = CorpusSettings.parse(build["settings"], "corpus")
    return settings, next(source for source in settings.sources if source.name == row["source"])


def limits(corpus: Corpus, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return step, rule, value, limit and whether it is kept, for every limit whose measures the row holds.

    A dropped row has the measures up to the step that dropped it, and no text: rules about its text are left out.
    """
    settings, source = settings_of(corpus, row)
    measures = {name: value for name, value in row.items() if "__" in name}
    text = row.get("text")
    batch = pa.RecordBatch.from_pylist([{"text": text, **measures}])
    batch = batch.set_column(0, "text", pa.array([text], pa.string()))
    found = []
    for step in make_steps(settings.steps_of(source)):
        if not isinstance(step, LimitDecide) or any(
            not any(name.startswith(f"{needed}__") and measures[name] is not None for name in measures)
            for needed in step.needs
        ):
            continue
        for rule, values in step.measured(batch).items():
            limit, value = step.limits[rule], float(values[0])
            if limit is not None and not np.isnan(value):
                kept = value >= limit if rule.startswith("min_") else value <= limit
                found.append({"step": step.name, "rule": rule, "value": value, "limit": limit, "kept": bool(kept)})
    return found


def replay(corpus: Corpus, row: dict[str, Any]) -> dict[str, Any]:
    """Return whether the raw record of a row is what it was, and whether the steps make of it what the corpus holds.

    row: as `Corpus.find` gives it. `raw_equal`, `equal`; `found` is what the steps end with (kept and the text's
    digest, or step and reason), `expected` what the corpus holds. What a barrier decided needs all documents and is not
    derived again; up to there the text must be the same, and lines may be missing that it took out. Raises DataError if
    the raw record is not there any more.
    """
    settings, source = settings_of(corpus, row)
    file, record, whole = _find_record(source, row)
    lane = Lane(source.name, tuple(make_steps(settings.steps_of(source))), settings.split, corpus.manifest["seed"],
                row["build"])  # fmt: skip
    measures: dict[str, pa.DataType] = {}
    for step in lane.steps:
        if isinstance(step, Measure):
            measures.update(step.columns)
    passage = Passage(lane, schemas_of(measures))
    entry = (file.uri, whole, record)
    kept = passage.take(Gathered([entry])).to_pylist()
    if kept:
        found = {"kept": True, "text_digest": kept[0]["text_digest"]}
    else:
        (gone,) = [dropped for batch in passage.dropped for dropped in batch.to_pylist()]
        found = {"kept": False, "step": gone["step"], "reason": gone["reason"]}
    barriers = {Deduplicate.name, *(step.name for step in lane.steps if isinstance(step, Barrier))}
    if row["kept"] or row["step"] in barriers:
        expected = {"kept": True, "text_digest": row["text_digest"]}
    else:
        expected = {"kept": False, "step": row["step"], "reason": row["reason"]}
    same = found == expected
    if kept and row["kept"] and any(edit["step"] == Deduplicate.name for edit in row["edits"] or ()):
        same = _is_cut_from(row, kept[0])
    return {
        "file": str(file.path),
        "raw_equal": record.raw_digest == (row["raw_digest"] or ""),
        "equal": same,
        "found": found,
        "expected": expected,
        **({"text": kept[0]["text"]} if kept else {}),
    }


def _is_cut_from(row: dict[str, Any], derived: dict[str, Any]) -> bool:
    """Return whether a document is what the steps give, but for lines that the barrier took out."""
    (edit,) = (edit for edit in row["edits"] if edit["step"] == Deduplicate.name)
    lines = iter(derived["text"].split("\n"))
    return edit["bytes_before"] == derived["text_bytes"] and all(line in lines for line in row["text"].split("\n"))


def _find_record(source: SourceSettings, row: dict[str, Any]) -> tuple[SourceFile, Record, bool]:
    """Return file and record that a row came from, and whether the file is that one record."""
    for file in input_files(source):
        if row["uri"] != file.uri and not row["uri"].startswith(f"{file.uri}!"):
            continue
        reader = make_reader(file.format, source)
        reader.check([file])
        for record in _records(reader, file):
            uri = f"{file.uri}!{record.member}" if record.member else file.uri
            if (uri, record.place) == (row["uri"], row["record"]):
                return file, record, reader.is_whole_file()
    raise DataError(
        f"the raw record of {row['id']} is not there: {row['uri']} @{row['record']} in {', '.join(source.paths)} (from "
        "the current folder); go to the folder that the corpus was built from, or bring the file back"
    )


def _records(reader: Reader, file: SourceFile) -> Iterator[Record]:
    """Yield the records of a file in order."""
    for piece in reader.pieces(file, 2**62):
        yield from reader.read(piece)
