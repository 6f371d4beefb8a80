import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from corpus_in_memory import FakeCorpus, small_corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import normalizers

from massivetext.errors import BusyError, ConfigError, DataError, StoreError
from massivetext.storage import locked_folder
from massivetext.tokens import runs
from massivetext.tokens.runs import document_hashes
from massivetext.tokens.settings import TokenizerSettings
from massivetext.tokens.store import build_store, open_store
from massivetext.tokens.tokenizer import Tokenizer
from massivetext.tokens.vocabulary import train_tokenizer


def folder_digests(folder):
    """SHA-256 of every file of a store but its lock."""
    files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_document_comes_back_from_its_ids(corpus, trained, store):
    for split, sources in corpus.by_split.items():
        assert store.sources(split) == sorted(sources)
        for source, texts in sources.items():
            documents = store.documents(split, source)
            assert sorted(trained.batch_decode(list(documents))) == sorted(texts)
            assert documents.text_bytes.tolist() == [len(trained.decode(ids).encode()) for ids in documents]


def test_documents_stand_in_ascending_order_of_the_hash_of_seed_and_id(store):
    for seed, ascending in ((3, True), (4, False)):
        hashes = document_hashes(store.documents("train", "code").names(), seed)
        assert bool(np.all(hashes[:-1] < hashes[1:])) is ascending


def test_documents_can_be_asked_for_one_by_one_and_all_at_once(store):
    documents = store.documents("train", "zh")
    assert len(documents) == 25 and documents.tokens == len(documents.ids) == documents.offsets[-1]
    for index, ids in enumerate(documents):
        assert np.array_equal(ids, documents[index])
        assert np.array_equal(ids, documents.ids[documents.offsets[index] : documents.offsets[index + 1]])
    assert np.array_equal(documents[-1], documents[24])
    with pytest.raises(IndexError):
        documents[25]


def test_counts_add_up(corpus, store):
    counts = store.counts("train")
    assert counts["documents"] == 95
    assert counts["text_bytes"] == sum(len(t.encode()) for texts in corpus.by_split["train"].values() for t in texts)
    assert counts["tokens"] == sum(store.counts("train", source)["tokens"] for source in store.sources("train"))


def test_ids_hold_no_special_tokens_even_where_the_text_spells_one(trained, tmp_path):
    corpus = FakeCorpus({"train": {"a": ["before <|endoftext|> after", "<|endoftext|>", "也 <|endoftext|> 是文本"]}})
    documents = build_store(corpus, trained, tmp_path, quiet=True).documents("train", "a")
    assert 0 not in documents.ids.tolist()
    assert sorted(trained.batch_decode(list(documents))) == sorted(corpus.by_split["train"]["a"])


def test_empty_documents_are_kept_with_no_ids(trained, tmp_path):
    store = build_store(FakeCorpus({"train": {"a": ["", "x", ""]}}), trained, tmp_path, quiet=True)
    assert sorted(len(ids) for ids in store.documents("train", "a")) == [0, 0, 1]


def test_a_source_of_empty_documents_only_can_be_opened(trained, tmp_path):
    store = build_store(FakeCorpus({"train": {"a": ["", ""]}}), trained, tmp_path, quiet=True)
    assert [len(ids) for ids in store.documents("train", "a")] == [0, 0]


def test_a_split_without_documents_has_no_sources(trained, tmp_path):
    store = build_store(FakeCorpus({"train": {"a": ["x"]}, "test": {}}), trained, tmp_path, quiet=True)
    assert store.sources("test") == [] and store.counts("test")["tokens"] == 0


def test_a_corpus_without_training_documents_is_refused(trained, tmp_path):
    with pytest.raises(DataError, match="no documents in its train split"):
        build_store(FakeCorpus({"train": {}}), trained, tmp_path, quiet=True)


def test_the_bytes_do_not_depend_on_batches_or_chunks(trained, tmp_path, monkeypatch):
    build_store(small_corpus(batch_rows=1000), trained, tmp_path / "one", seed=3, quiet=True)
    monkeypatch.setattr(runs, "CHUNK_TEXT_BYTES", 500)
    build_store(small_corpus(batch_rows=2), trained, tmp_path / "two", seed=3, quiet=True)
    assert folder_digests(tmp_path / "one") == folder_digests(tmp_path / "two")


def test_another_seed_gives_another_order(corpus, trained, store, tmp_path):
    other = build_store(corpus, trained, tmp_path, seed=4, quiet=True)
    assert other.digest != store.digest
    assert other.documents("train", "code").names() != store.documents("train", "code").names()


def test_a_large_vocabulary_is_stored_in_32_bits_and_one_that_just_fits_in_16(corpus, trained, tmp_path, monkeypatch):
    for largest, dtype in ((400, np.uint16), (399, np.uint32)):
        monkeypatch.setattr("massivetext.tokens.store.LARGEST_16_BIT_VOCABULARY", largest)
        store = build_store(corpus, trained, tmp_path / str(largest), quiet=True)
        assert store.dtype == dtype and store.documents("train", "zh").ids.dtype == dtype
        assert sorted(trained.batch_decode(list(store.documents("train", "zh")))) == sorted(
            corpus.by_split["train"]["zh"]
        )


CHILD = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from corpus_in_memory import small_corpus
from massivetext.tokens import runs
from massivetext.tokens.store import build_store
from massivetext.tokens.auto import AutoTokenizer
runs.CHUNK_TEXT_BYTES, runs.SHARD_IDS_BYTES = 8000, 4000
left = [int(sys.argv[4])]
real = os.replace
def replace(source, target):  # the process dies in the middle of its work, just before a file would appear
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target)
os.replace = replace
build_store(small_corpus(), AutoTokenizer.from_pretrained(sys.argv[2]), Path(sys.argv[3]), seed=3, quiet=True)
"""


def test_killed_again_and_again_and_restarted_the_store_has_the_same_bytes(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "CHUNK_TEXT_BYTES", 8000)
    monkeypatch.setattr(runs, "SHARD_IDS_BYTES", 4000)
    trained.save_pretrained(tmp_path / "tokenizer")
    build_store(small_corpus(), trained, tmp_path / "whole", seed=3, quiet=True)
    room = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(room.parents[1]), *sys.path])}
    command = [sys.executable, "-c", CHILD, str(room), str(tmp_path / "tokenizer"), str(tmp_path / "killed")]
    codes = []
    while not codes or codes[-1] != 0:
        done = subprocess.run([*command, "16"], env=environment, capture_output=True, text=True, timeout=60)
        codes.append(done.returncode)
        assert done.returncode in (0, -9), done.stderr
        assert len(codes) < 30
    assert codes.count(-9) >= 3
    assert folder_digests(tmp_path / "whole") == folder_digests(tmp_path / "killed")


def test_finished_chunks_are_not_encoded_again(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "CHUNK_TEXT_BYTES", 8000)
    calls = []
    real = Tokenizer.encode_flat

    def encode_flat(self, array):
        if len(array) > 3:
            calls.append(len(array))
        if len(calls) == 3 and not list(tmp_path.glob(".work/**/run-000002.arrow")):
            raise OSError(28, "No space left on device")
        return real(self, array)

    monkeypatch.setattr(Tokenizer, "encode_flat", encode_flat)
    monkeypatch.setattr(Tokenizer, "check_encoding", lambda *arguments: None)
    with pytest.raises(OSError, match="No space left"):
        build_store(small_corpus(), trained, tmp_path, quiet=True)
    assert not (tmp_path / "manifest.json").exists()
    calls[:] = [0, 0, 0, 0]
    monkeypatch.setattr(Tokenizer, "encode_flat", lambda self, array: calls.append(len(array)) or real(self, array))
    store = build_store(small_corpus(), trained, tmp_path, quiet=True)
    assert sum(calls) < sum(store.counts(split)["documents"] for split in store.splits)


def test_a_finished_store_is_not_built_again(corpus, trained, tmp_path, monkeypatch):
    first = build_store(corpus, trained, tmp_path, quiet=True)
    monkeypatch.setattr(Tokenizer, "encode_flat", None)
    assert build_store(corpus, trained, tmp_path, quiet=True).digest == first.digest


def test_a_store_of_other_inputs_is_replaced_and_leaves_nothing_behind(corpus, trained, tmp_path):
    build_store(corpus, trained, tmp_path / "a", quiet=True)
    other = FakeCorpus({"train": {"only": ["one", "two"]}})
    build_store(other, trained, tmp_path / "a", quiet=True)
    build_store(other, trained, tmp_path / "b", quiet=True)
    assert folder_digests(tmp_path / "a") == folder_digests(tmp_path / "b")


def test_shards_of_a_store_whose_removal_was_killed_do_not_stay(corpus, trained, tmp_path):
    wanted = folder_digests(build_store(corpus, trained, tmp_path / "clean", seed=1, quiet=True).folder)
    store = build_store(corpus, trained, tmp_path / "store", seed=1, quiet=True)
    stale = store.folder / "train" / "从前" / "shard-00000.bin"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"old")
    (store.folder / "manifest.json").unlink()  # what --overwrite removes first
    build_store(corpus, trained, store.folder, seed=1, quiet=True)
    assert folder_digests(store.folder) == wanted


def test_two_builders_of_one_folder_do_not_mix(corpus, trained, tmp_path):
    with locked_folder(tmp_path), pytest.raises(BusyError, match="another process"):
        build_store(corpus, trained, tmp_path, quiet=True)


def test_a_tokenizer_that_does_not_give_the_text_back_is_refused(tokenizer, tmp_path):
    tokenizer.backend.normalizer = normalizers.Lowercase()
    with pytest.raises(ConfigError, match=r"does not give the text back: 'It was a"):
        build_store(FakeCorpus({"train": {"a": ["It was a bright day"]}}), tokenizer, tmp_path / "s", quiet=True)
    assert not (tmp_path / "s" / "manifest.json").exists()


def test_a_tokenizer_that_does_not_fit_the_store_is_refused(store, trained):
    store.check_tokenizer(trained)
    other = train_tokenizer(["a few other words " * 50], TokenizerSettings(vocab_size=300), quiet=True)
    with pytest.raises(StoreError, match=r"\(400 ids\), but the one given is .* ids\); use the tokenizer"):
        store.check_tokenizer(other)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StoreError, match="nowhere is not there"):
        open_store(tmp_path / "nowhere")


def test_an_unfinished_store_is_not_opened(tmp_path):
    with pytest.raises(StoreError, match="unfinished token store"):
        open_store(tmp_path)


def test_an_unknown_format_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"format": "massivetext-tokens/2"}))
    with pytest.raises(StoreError, match=r"massivetext-tokens/2.*reads 'massivetext-tokens/1'"):
        open_store(tmp_path)


def test_a_manifest_that_is_not_json_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="is no valid JSON"):
        open_store(tmp_path)


def test_a_shard_cut_short_is_noticed_on_opening_and_a_changed_one_by_verify(corpus, trained, tmp_path):
    store = build_store(corpus, trained, tmp_path, quiet=True)
    store.verify()
    path = tmp_path / "train/code/shard-00000.bin"
    content = path.read_bytes()
    path.write_bytes(content[:10] + bytes([content[10] ^ 1]) + content[11:])
    with pytest.raises(StoreError, match="is damaged: it has the SHA-256"):
        store.verify()
    path.write_bytes(content[:-2])
    with pytest.raises(StoreError, match=r"has \d+ bytes, and manifest.json says"):
        open_store(tmp_path).documents("train", "code")
    path.unlink()
    with pytest.raises(StoreError, match="is missing"):
        open_store(tmp_path).documents("train", "code")


def test_unknown_splits_and_sources_name_the_nearest(store):
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        store.sources("trian")
    with pytest.raises(ConfigError, match="did you mean 'prose'"):
        store.documents("train", "prosa")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=12))
def test_any_text_comes_back_from_a_store(trained, tmp_path_factory, texts):
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    folder = tmp_path_factory.mktemp("any")
    documents = build_store(FakeCorpus({"train": {"a": texts}}), trained, folder, quiet=True).documents("train", "a")
    assert sorted(trained.batch_decode(list(documents))) == sorted(texts)
