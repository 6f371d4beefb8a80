"""Batches of rows: edits are noted, decisions taken one after the other, records gathered in bounded batches."""

import unittest.mock

import numpy as np
import pyarrow as pa
from corpus_rows import dropped, kept, write_lines
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.corpus import gathering
from massivetext.corpus.barrier.keys import as_hexadecimal, from_binary, from_hexadecimal
from massivetext.corpus.building import build_corpus
from massivetext.corpus.gathering import Gathered, about_bytes
from massivetext.corpus.readers.records import Record
from massivetext.corpus.rows import COLUMNS, with_edit

TRAIN_ONLY = {"validation": 0, "test": 0}
NOTE = {"step": "a", "version": 1, "bytes_before": 1, "bytes_after": 2}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=20), st.integers(0, 3))
def test_an_edit_is_added_to_the_rows_that_changed(rows, start):
    before = [[NOTE] * count or None for count, _ in rows][start:]
    changed = np.array([entry[1] for entry in rows][start:], np.bool_)
    lists = pa.array([[NOTE] * count or None for count, _ in rows], COLUMNS["edits"])[start:]
    batch = pa.RecordBatch.from_arrays([lists], ["edits"])
    sizes = [pa.array(np.arange(len(before)) + add, pa.int64()) for add in (0, 7)]
    expected = [
        [*(notes or ()), {"step": "b", "version": 2, "bytes_before": row, "bytes_after": row + 7}] if new else notes
        for row, (notes, new) in enumerate(zip(before, changed.tolist()))
    ]
    assert with_edit(batch, changed, "b", 2, *sizes).column("edits").to_pylist() == expected


@settings(deadline=None)
@given(st.lists(st.binary(min_size=16, max_size=16)), st.integers(0, 2))
def test_digits_and_numbers_of_ids_are_the_same_ids(ids, start):
    wanted = ids[start:]
    digits = pa.array([one.hex() for one in ids], pa.string())[start:]
    keys = from_hexadecimal(digits)
    assert (keys == from_binary(pa.array(ids, pa.binary(16))[start:])).all()
    assert as_hexadecimal(keys).to_pylist() == [one.hex() for one in wanted]


def test_a_document_that_two_steps_in_a_row_drop_is_the_first_ones(tmp_path):
    source = write_lines(
        tmp_path / "in", ["short", "a text of some more words than that", "一段比较长的中文文本，可以留下来"]
    )
    steps = ["normalise", {"length": {"min_characters": 6}}, {"length": {"min_characters": 8, "max_characters": 20}}]
    corpus = build_corpus(
        {"sources": [source], "steps": steps, "split": {"validation": 0, "test": 0}}, tmp_path / "out"
    )
    gone = [(row["reason"], row["value"], row["threshold"]) for row in dropped(corpus)]
    assert gone == [("min_characters", 5, 6), ("max_characters", 35, 20)]
    assert [row["text"][:2] for row in kept(corpus)] == ["一段"]


def test_the_same_documents_come_of_any_size_of_batches(tmp_path, monkeypatch):
    texts = [f"{'文' if number % 3 else 'a'} text {number} of {'many ' * (number % 7)}words" for number in range(60)]
    source = write_lines(tmp_path / "in", texts)
    steps = ["normalise", {"length": {"min_characters": 25}}, {"deduplicate": {"near": {}}}]
    recipe = {"sources": [source], "steps": steps, "split": {"validation": 0.2, "test": 0.2}}
    whole = build_corpus(recipe, tmp_path / "whole")
    monkeypatch.setattr(gathering, "BATCH_BYTES", 200)
    cut = build_corpus(recipe, tmp_path / "cut")
    assert cut.digest == whole.digest and cut.manifest["sources"] == whole.manifest["sources"]
    assert sorted(row["id"] for row in dropped(cut)) == sorted(row["id"] for row in dropped(whole))


@settings(deadline=None, max_examples=30)
@given(st.text(), st.integers(0, 1000))
def test_the_size_of_a_text_is_told_within_four_times(text, raw_bytes):
    size, found = len(text.encode(errors="replace")), about_bytes(Record("0", raw_bytes, "", text))
    assert size <= 4 * found and found <= 4 * max(size, 1)


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.booleans()), max_size=30), st.integers(1, 40))
def test_gathered_texts_are_those_of_the_records_wherever_arrow_takes_them(texts, fresh):
    records = [
        ("u", False, Record(str(place), len(text), "", "" if bad else text, "broken" if bad else ""))
        for place, (text, bad) in enumerate(texts)
    ]
    with unittest.mock.patch.object(gathering, "FRESH_BYTES", fresh):
        found = Gathered(records)
        assert found.texts().to_pylist() == [None if bad else text for text, bad in texts]
        assert found.texts().type == pa.string() and found.columns["place"] == [str(n) for n in range(len(texts))]


def test_a_text_that_is_mostly_undecodable_is_dropped_with_its_reason(tmp_path):
    good = "今天天气很好，我们去公园。"
    source = write_lines(tmp_path / "in", ["\ufffd\ufffd \n\ufffd好", f"{good}\ufffd", good])
    corpus = build_corpus({"sources": [source], "steps": [], "split": TRAIN_ONLY}, tmp_path / "out")
    assert corpus.manifest["sources"]["a"]["dropped"] == {"read: mostly U+FFFD": {"documents": 1, "bytes": 14}}
    assert [row["excerpt"] for row in dropped(corpus)] == ["\ufffd\ufffd \n\ufffd好"]


def test_a_row_with_nothing_left_shows_what_was_there_before_the_edit(tmp_path):
    source = write_lines(tmp_path / "in", ["\x01\ufeff", "今天天气很好。"])
    corpus = build_corpus({"sources": [source], "steps": ["normalise"], "split": TRAIN_ONLY}, tmp_path / "out")
    (row,) = dropped(corpus)
    assert (row["reason"], row["excerpt"], row["text_bytes"]) == ("nothing left", "\x01\ufeff", 0)
