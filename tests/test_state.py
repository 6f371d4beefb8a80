"""State files say what is damaged and what to do, whatever has become of them."""

import json

import pytest

from massivetext.errors import CheckpointError, StoreError
from massivetext.state import read_json, read_sealed, read_state, write_sealed, write_state

VALUES = {"format": "f/1", "counts": {"中文": [1, 2.5, None]}, "pairs": ((1, "a"),)}
REMEDY = "Delete it and run again"


@pytest.fixture
def path(tmp_path):
    write_state(tmp_path / "state.json", VALUES)
    return tmp_path / "state.json"


def test_what_was_written_is_read_back_without_its_digest(path):
    assert read_state(path, ("format",), REMEDY) == {**VALUES, "pairs": [[1, "a"]]}
    assert list(json.loads(path.read_text(encoding="utf-8")))[-1] == "sha256"


DAMAGE = [
    (lambda data: b"", "is empty"),
    (lambda data: b" \n", "is empty"),
    (lambda data: b"[]", "holds a JSON list, and an object is expected"),
    (lambda data: b"null", "holds a JSON null"),
    (lambda data: b"{}", "has no 'format'"),
    (lambda data: data[: len(data) // 2], "is no valid JSON"),
    (lambda data: data[:-20] + bytes(20), "holds NUL bytes from byte"),
    (lambda data: b"\xff" + data, "byte 0 is not UTF-8"),
    (lambda data: b"[" * 100_000, "is no valid JSON"),
    (lambda data: data.replace(b"2.5", b"2.4"), "does not have the digest recorded in it"),
    (lambda data: data.replace(b'"sha256"', b'"sha257"'), "has no 'sha256'"),
]


@pytest.mark.parametrize(("change", "said"), DAMAGE, ids=[said for _, said in DAMAGE])
def test_damage_is_named_with_the_file_and_the_remedy(path, change, said):
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(StoreError) as error:
        read_state(path, ("format",), REMEDY)
    assert said in str(error.value) and str(path) in str(error.value) and str(error.value).endswith(REMEDY)


def test_every_flipped_bit_is_noticed(path):
    data = path.read_bytes()
    for place in range(len(data) - 1):
        for bit in range(8):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])
            with pytest.raises(StoreError):
                read_state(path, ("format",), REMEDY)


def test_a_missing_file_and_a_folder_are_named_with_the_class_that_was_asked_for(tmp_path):
    with pytest.raises(CheckpointError, match=r"a\.json is missing\. Delete"):
        read_json(tmp_path / "a.json", REMEDY, CheckpointError)
    (tmp_path / "b.json").mkdir()
    with pytest.raises(StoreError, match=r"b\.json is a folder"):
        read_json(tmp_path / "b.json", REMEDY)


@pytest.mark.parametrize("comment", [("#", ""), ("<!--", "-->")])
def test_a_sealed_text_notices_every_change(tmp_path, comment):
    path = tmp_path / "a"
    write_sealed(path, "one: 一\ntwo", comment)
    assert read_sealed(path, REMEDY, comment).startswith("one: 一\ntwo\n")
    data = path.read_bytes()
    for changed in [data[1:], data[:-1], data[:5], b"", data + b"x", data.replace(b"two", b"twp"), bytes(9)]:
        path.write_bytes(changed)
        with pytest.raises(StoreError, match="Delete it and run again"):
            read_sealed(path, REMEDY, comment)
