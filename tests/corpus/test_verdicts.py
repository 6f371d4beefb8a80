"""Verdicts: one function writes them down; judges can be added and exchanged, and what engines carry out pickles."""

import pickle
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from corpus_rows import dropped, kept, write_lines

from massivetext.corpus import building, planning
from massivetext.corpus.barrier import order
from massivetext.corpus.barrier.census import ARRAYS, NOWHERE, Census, PartRows
from massivetext.corpus.barrier.exact import Exact
from massivetext.corpus.barrier.fates import COMPARED, STAYED, TWINS, Fate
from massivetext.corpus.barrier.order import decide, judges_for
from massivetext.corpus.barrier.requirements import requirements_of
from massivetext.corpus.barrier.scratch import Scratch
from massivetext.corpus.barrier.takedowns import Takedowns
from massivetext.corpus.barrier.verdicts import Judge, Verdict, apply_verdict
from massivetext.corpus.building import build_corpus
from massivetext.corpus.readers.formats import FORMATS
from massivetext.corpus.readers.records import make_reader
from massivetext.corpus.settings import SourceSettings
from massivetext.corpus.steps import Barrier
from massivetext.corpus.steps.table import STEPS, make_steps
from massivetext.engines import Threads, say_nothing
from massivetext.errors import ConfigError
from massivetext.settings import Settings

NO_SPLIT = {"validation": 0, "test": 0}
SPLIT = {"validation": 0.2, "test": 0.2}


class Mine(Judge):
    """Judges as it was told to."""

    name = "mine"
    version = 7

    def __init__(self, *verdicts):
        self.verdicts = verdicts

    def judge(self, census, engine):
        yield from self.verdicts


def rows(*numbers):
    return np.array(numbers, np.int64)


@pytest.fixture
def census(tmp_path):
    """Return four rows, the first of an earlier build."""
    place = PartRows(0, 1, 4)
    return Census(Scratch(tmp_path / "rows"), tmp_path, tmp_path, 2, ("train", "test"), 1, (place,),
                  columns=("mine__share",)).create()  # fmt: skip


def test_a_verdict_changes_the_rows_that_it_names_and_no_other(census):
    verdict = Verdict(rows(1, 3), Fate.NEAR, rows(0, 2), np.array([0.9, 0.8]), 0.7, facts={"mine__share": rows(1, 2)})
    apply_verdict(census, verdict, Mine())
    assert census.fate.tolist() == [0, Fate.NEAR, 0, Fate.NEAR]
    assert census.like.tolist() == [0, 0, 0, 2]
    assert np.array_equal(census.value, [np.nan, 0.9, np.nan, 0.8], equal_nan=True)
    assert census.array("mine__share").tolist() == [0, 1, 0, 2]
    assert [census.reasons[number - 1] if number else None for number in census.reason.tolist()] == [
        None, ("mine", 7, "near duplicate", 0.7), None, ("mine", 7, "near duplicate", 0.7),
    ]  # fmt: skip


def test_a_row_that_was_dropped_stays_dropped_for_its_first_reason(census):
    apply_verdict(census, Verdict(rows(2), Fate.EXACT, rows(1), np.ones(1)), Mine())
    apply_verdict(census, Verdict(rows(2, 3), Fate.NEAR, rows(0, 0), np.array([0.8, 0.8])), Mine())
    assert census.fate[1:].tolist() == [0, Fate.EXACT, Fate.NEAR]
    assert census.like[2] == 1 and census.value[2] == 1


def test_of_earlier_builds_only_takedowns_change_a_row(census):
    apply_verdict(census, Verdict(rows(0, 1), Fate.OTHER), Mine())
    assert census.fate.tolist() == [0, Fate.OTHER, 0, 0]
    apply_verdict(census, Verdict(rows(0), Fate.REMOVED), Mine())
    assert census.fate[0] == Fate.REMOVED


def test_rows_that_stay_take_new_facts_and_no_reason(census):
    facts = {"side": np.array([1], np.int8), "sizes": rows(5)}
    apply_verdict(census, Verdict(rows(2), Fate.KEPT, value=np.ones(1), facts=facts), Mine())
    assert census.side.tolist() == [0, 0, 1, 0] and census.sizes.tolist() == [NOWHERE, NOWHERE, 5, NOWHERE]
    assert not census.reasons and np.isnan(census.value).all()


def test_a_fact_that_no_array_holds_is_refused(census):
    verdict = Verdict(rows(2), Fate.KEPT, facts={"colour": rows(1)})
    with pytest.raises(ConfigError, match="'mine' gives values of 'colour'; allowed are side, digests, sizes, mine__"):
        apply_verdict(census, verdict, Mine())


def test_judges_cannot_write_into_the_census(census):
    for name in [*ARRAYS, "mine__share"]:
        with pytest.raises(ValueError, match="read-only"):
            census.array(name)[0] = 1


def test_equal_reasons_are_stored_once_and_others_beside_each_other(census):
    for row, reason in enumerate(["", "", "another"], 1):
        apply_verdict(census, Verdict(rows(row), Fate.OTHER, reason=reason), Mine())
    assert [reason.text for reason in census.reasons] == ["dropped", "another"]
    assert census.reason.tolist() == [0, 1, 1, 2]


def test_a_pickled_census_shows_what_is_written_later(census):
    again = pickle.loads(pickle.dumps(census))
    apply_verdict(census, Verdict(rows(2), Fate.OTHER), Mine())
    assert again.fate.tolist() == [0, 0, Fate.OTHER, 0] and again.parts == census.parts
    assert again.value.dtype == census.value.dtype and again.ids.shape == (4, 2)


def test_the_numbers_of_fates_are_those_that_indices_hold():
    assert [fate.name for fate in Fate] == [
        "KEPT", "EXACT", "NEAR", "BRIDGE", "REMOVED", "REFUSED", "CONTAMINATED", "FOLDED", "REPEATED", "OTHER",
    ]  # fmt: skip
    assert list(Fate) == list(range(10))
    assert all(fate.reason for fate in Fate if fate != Fate.KEPT)
    assert set(STAYED) < set(COMPARED) and set(TWINS) - set(COMPARED) == {Fate.EXACT, Fate.FOLDED}


class LengthSettings(Settings):
    most: int = 3
    """Most documents of one length."""


class LengthLimit(Barrier, Judge):
    """Keeps so many documents of each length, and notes how many came before."""

    name = "length_limit"
    version = 2
    settings_type = LengthSettings

    @property
    def columns(self):
        return {"length_limit__before": pa.float64()}

    def judge(self, census, engine):
        seen = {}
        for part in census.parts:
            found = []
            for start, batch in census.documents(part, ["text_bytes"], census.asking[self.name]):
                for row, size in enumerate(batch.column("text_bytes").to_pylist(), start):
                    found.append((row, seen.get(size, 0)))
                    seen[size] = seen.get(size, 0) + 1
            numbers = rows(*(row for row, _ in found))
            before = np.array([count for _, count in found], np.float64)
            many = before >= self.settings.most
            yield Verdict(numbers, Fate.KEPT, facts={"length_limit__before": before})
            yield Verdict(
                numbers[many], Fate.OTHER, value=before[many], threshold=self.settings.most, reason="too many"
            )


class Idle(Barrier):
    name = "idle"
    version = 1


PLACE = f"{__name__}:LengthLimit"


def recipe_with(tmp_path, *steps, source_steps=None):
    texts = ["one", "two", "six", "ten", "four", "five", "one", "three", "red"]
    sources = [write_lines(tmp_path, texts), write_lines(tmp_path, ["big", "old"], "b")]
    if source_steps is not None:
        sources[1]["steps"] = source_steps
    return {"sources": sources, "steps": list(steps), "split": NO_SPLIT}


def test_a_barrier_of_the_users_own_drops_documents_and_adds_a_column(tmp_path):
    recipe = recipe_with(tmp_path, "normalise", {PLACE: {"most": 3}}, {"deduplicate": {}})
    corpus = build_corpus(recipe, tmp_path / "out", quiet=True)
    column = "length_limit__before"
    assert [(row["text"], row[column]) for row in kept(corpus, ("text", column))] == [
        ("one", 0), ("two", 1), ("six", 2), ("four", 0), ("five", 1), ("three", 0),
    ]  # fmt: skip
    notes = ("excerpt", "step", "version", "reason", "value", "threshold", "cluster", column)
    assert [tuple(row[name] for name in notes) for row in dropped(corpus)] == [
        (text, "length_limit", 2, "too many", before, 3, None, before)
        for text, before in (("ten", 3), ("one", 4), ("red", 5), ("big", 6), ("old", 7))
    ]
    assert corpus.manifest["sources"]["a"]["dropped"] == {"length_limit: too many": {"documents": 3, "bytes": 9}}


def test_documents_of_sources_that_do_not_name_the_barrier_stay(tmp_path):
    recipe = recipe_with(tmp_path, {PLACE: {"most": 1}}, source_steps=["normalise"])
    corpus = build_corpus(recipe, tmp_path / "out", quiet=True)
    assert [row["text"] for row in kept(corpus)] == ["one", "four", "three", "big", "old"]


def test_sources_that_ask_for_a_barrier_in_different_ways_are_refused(tmp_path):
    recipe = recipe_with(tmp_path, {PLACE: {"most": 1}}, source_steps=[{PLACE: {"most": 2}}])
    with pytest.raises(ConfigError, match="sources a, b ask for length_limit in different ways"):
        build_corpus(recipe, tmp_path / "out", quiet=True)


@pytest.mark.parametrize("steps", [[PLACE, "normalise"], [{"deduplicate": {}}, PLACE]])
def test_barriers_come_last_and_deduplication_after_the_others(tmp_path, steps):
    with pytest.raises(ConfigError, match="needs all documents and must be the last step"):
        build_corpus(recipe_with(tmp_path, *steps), tmp_path / "out", quiet=True)


def test_a_barrier_without_verdicts_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="the barrier 'idle' yields no verdicts; make it also a subclass of"):
        build_corpus(recipe_with(tmp_path, f"{__name__}:Idle"), tmp_path / "out", quiet=True)


def names_of(steps, splits):
    return [type(judge).__name__ for judge in judges_for(requirements_of({"a": make_steps(steps)}), splits)]


def test_judges_decide_in_one_order(tmp_path):
    benchmarks = [write_lines(tmp_path, ["an item"], "quiz")]
    everything = [PLACE, {"decontaminate": {"benchmarks": benchmarks}}, {"deduplicate": {"near": {}}}]
    assert names_of(everything, 3) == [
        "Takedowns", "LengthLimit", "Decontaminate", "Exact", "Near", "Split", "Repeats",
    ]  # fmt: skip
    assert names_of(everything[2:], 1) == ["Takedowns", "Exact", "Near", "Repeats"]
    no_sides = [{"deduplicate": {"near": {"split_threshold": None}}}]
    assert names_of(no_sides, 3) == names_of(everything[2:], 1)
    assert names_of([], 3) == ["Takedowns", "Exact", "Repeats"]


def test_a_judge_can_be_exchanged(tmp_path, monkeypatch):
    class Last(Exact):
        """Keeps nothing that starts like another row."""

        def judge(self, census, engine):
            yield Verdict(rows(*range(2, census.rows)), Fate.EXACT, like=np.zeros(census.rows - 2, np.int64))

    monkeypatch.setattr(order, "Exact", Last)
    corpus = build_corpus(recipe_with(tmp_path), tmp_path / "out", quiet=True)
    assert [row["text"] for row in kept(corpus)] == ["one", "two"]
    assert {row["reason"] for row in dropped(corpus)} == {"exact duplicate"}


def test_decide_takes_any_list_of_judges(census):
    assert decide(census, [Takedowns(), Mine(Verdict(rows(3), Fate.EXACT, rows(1)))], Threads(1)) == ()
    assert census.fate.tolist() == [0, 0, 0, Fate.EXACT]


class Processes:
    """Sends work and parts to other processes, as a cluster does."""

    def __init__(self, pool):
        self.pool = pool

    def map_parts(self, work, parts, advance=say_nothing):
        waiting = [self.pool.submit(work, part, say_nothing) for part in parts]
        return [done.result() for done in waiting]


class Recorder(Threads):
    """Carries out what comes out of pickles, and notes what that was."""

    def __init__(self, count):
        super().__init__(count)
        object.__setattr__(self, "works", set())

    def map_parts(self, work, parts, advance=say_nothing):
        copies = pickle.loads(pickle.dumps(list(parts)))
        assert copies == list(parts)
        again = pickle.loads(pickle.dumps(work))
        assert type(again) is type(work)
        self.works.add(getattr(work, "__name__", type(work).__name__))
        return super().map_parts(again, copies, advance)


@pytest.fixture
def hard_recipe(tmp_path):
    """Return what needs every kind of work: all duplicates, repeated lines, a benchmark, several formats."""
    chance = random.Random(3)
    lines = [" ".join(f"w{chance.randrange(900)}" for _ in range(12)) for _ in range(60)]
    texts = ["\n".join(chance.choices(lines, k=4)) for _ in range(40)]
    texts += [text + " end" for text in texts[:10]] + texts[:5] + [text.upper() for text in texts[5:8]]
    sources = [write_lines(tmp_path / "in", texts[::2]), write_lines(tmp_path / "in", texts[1::2], "b")]
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.txt").write_text(f"{chance.choice(texts)}\n\nwrite to {number}@example.org")
    (folder / "table.csv").write_text('text,n\n"some text, quoted",1\n"more of it",2\n')
    quiz = write_lines(tmp_path / "quiz", lines[:2], "quiz")
    steps = ["normalise", "gopher_quality", {"pii": {"types": ["email"]}}]
    steps[1] = {"gopher_quality": {"min_words": 2, "min_stop_words": None}}
    steps += [
        {"decontaminate": {"benchmarks": [quiz]}},
        {"deduplicate": {"exact": "normalised", "near": {}, "lines": {"min_words": 3}, "paragraphs": {"min_words": 3}}},
    ]
    sources.append({"name": "files", "path": str(folder)})
    return {"sources": sources, "steps": steps, "split": SPLIT}


def file_bytes(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def built(recipe, folder, monkeypatch, engine):
    monkeypatch.setattr(planning, "PART_BYTES", 4000)
    monkeypatch.setattr(building, "Threads", lambda count: engine)
    corpus = build_corpus(recipe, folder, quiet=True)
    return corpus, file_bytes(folder)


def test_what_engines_carry_out_pickles(hard_recipe, tmp_path, monkeypatch):
    _, plain = built(hard_recipe, tmp_path / "plain", monkeypatch, Threads(2))
    recorder = Recorder(2)
    corpus, found = built(hard_recipe, tmp_path / "pickled", monkeypatch, recorder)
    assert found == plain
    assert recorder.works == {
        "ProcessPart", "Look", "Sign", "SpoolPieces", "NoteEdits", "WriteFiles", "_read_digest",
    }  # fmt: skip
    assert {row["reason"] for row in dropped(corpus)} >= {
        "exact duplicate", "near duplicate", "holds a benchmark item", "normalised duplicate",
    }  # fmt: skip


def test_other_processes_give_the_same_bytes(hard_recipe, tmp_path, monkeypatch):
    _, plain = built(hard_recipe, tmp_path / "plain", monkeypatch, Threads(2))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        _, found = built(hard_recipe, tmp_path / "processes", monkeypatch, Processes(pool))
    assert found == plain


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_readers_pickle(name):
    reader = make_reader(name, SourceSettings(name="a", path="x"))
    again = pickle.loads(pickle.dumps(reader))
    assert type(again) is type(reader) and again.source == reader.source


NEEDED = {
    "word_list": {"path": "x"}, "classifier": {"path": "x"}, "perplexity": {"path": "x"},
    "decontaminate": {"benchmarks": [{"name": "quiz", "path": "x"}]},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(STEPS))
def test_steps_pickle(name):
    measure = {"classifier_score": "classifier", "max_perplexity": "perplexity"}.get(name)
    listed = [{step: NEEDED.get(step, {})} for step in (measure, name) if step]
    for step in make_steps(listed):
        again = pickle.loads(pickle.dumps(step))
        assert type(again) is type(step) and again.settings == step.settings


def test_the_corpus_starts_no_threads_but_through_engines():
    files = Path(building.__file__).parent.rglob("*.py")
    assert not [path for path in files if "ThreadPoolExecutor" in path.read_text()]
