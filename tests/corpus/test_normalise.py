"""The step `normalise` on a record batch."""

import pyarrow as pa

from massivetext.corpus.steps.normalise import Normalise


def batch(texts: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"id": [str(index) for index in range(len(texts))], "text": texts})


def test_text_comes_back_in_normal_form_in_english_and_chinese() -> None:
    edited = Normalise().edit(batch(["\ufeffone\r\ntwo\x0c", "中文\x00，标点\r"]))
    assert edited.to_pylist() == ["one\ntwo", "中文，标点\n"]


def test_normal_text_is_the_very_column() -> None:
    given = batch(["one\ntwo", "中文"])
    column = given.column("text")
    assert Normalise().edit(given).buffers()[2].address == column.buffers()[2].address


def test_slices_of_a_batch_give_slices_of_the_result() -> None:
    given = batch(["a\r\n", "e\u0301", "plain", "中\x7f文", ""])
    whole = Normalise().edit(given).to_pylist()
    assert [text for at in range(5) for text in Normalise().edit(given.slice(at, 1)).to_pylist()] == whole
