"""`load_dataset` gives the `datasets` library's objects, and says quickly what is not there."""

import json
import socket

import pytest

import massivetext as mt
from massivetext.corpus import datasets as ours
from massivetext.errors import ConfigError, DataError

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.delenv("MASSIVETEXT_DATA", raising=False)


def test_text_files_give_their_lines(tmp_path):
    (tmp_path / "a.txt").write_text("one\n二\n")
    data = mt.load_dataset("text", data_files=str(tmp_path / "*.txt"), split="train")
    assert data["text"][:] == ["one", "二"]


def test_without_a_split_all_are_given(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"text": "a"}) + "\n")
    (tmp_path / "b.json").write_text(json.dumps({"text": "b"}) + "\n")
    data = mt.load_dataset("json", data_files={"train": tmp_path / "a.json", "test": [tmp_path / "b.json"]})
    assert sorted(data) == ["test", "train"]


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"nothing at .*no\.csv"):
        mt.load_dataset("csv", data_files=str(tmp_path / "no.csv"))


def test_a_local_kind_without_files_is_an_error():
    with pytest.raises(ConfigError, match="data_files="):
        mt.load_dataset("text")


def test_the_pile_is_looked_for_in_the_data_folder(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="MASSIVETEXT_DATA is not set"):
        mt.load_dataset("pile")
    monkeypatch.setenv("MASSIVETEXT_DATA", str(tmp_path))
    with pytest.raises(DataError, match="is not a folder"):
        mt.load_dataset("pile")
    (tmp_path / "pile" / "train").mkdir(parents=True)
    with pytest.raises(DataError, match=r"holds no \.jsonl"):
        mt.load_dataset("pile")
    (tmp_path / "pile" / "train" / "00.jsonl").write_text(json.dumps({"text": "a"}) + "\n")
    (tmp_path / "pile" / "val.jsonl").write_text(json.dumps({"text": "b"}) + "\n")
    data = mt.load_dataset("pile")
    assert (data["train"]["text"][:], data["validation"]["text"][:]) == (["a"], ["b"])


def test_the_piles_files_can_be_given(tmp_path):
    line = json.dumps({"text": "甲", "meta": {"pile_set_name": "Books3"}}, ensure_ascii=False) + "\n"
    (tmp_path / "00.jsonl").write_text(line * 3)
    data = mt.load_dataset("pile", data_files={"test": str(tmp_path / "*.jsonl")}, split="test")
    assert data["text"][:] == ["甲"] * 3 and data[0]["meta"] == {"pile_set_name": "Books3"}
    with pytest.raises(DataError, match="nothing at"):
        mt.load_dataset("pile", data_files=str(tmp_path / "none.jsonl"))


def test_a_hub_that_cannot_be_reached_is_said_after_one_try(monkeypatch):
    tries = []

    def refuse(address, timeout):
        tries.append((address, timeout))
        raise OSError("unreachable")

    for key in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(DataError, match=r"no data set 'wikitext' here.*cannot be reached"):
        mt.load_dataset("wikitext")
    assert tries == [(("huggingface.co", 443), ours.PROBE_SECONDS)]
