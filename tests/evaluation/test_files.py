"""`massivetext evaluate`: a model folder on plain files, English and Chinese, and all that can be wrong with files."""

import json

import pytest
from score_rows import named_values

from massivetext.errors import DataError, ModelError
from massivetext.evaluation.bits_per_byte import bits_per_byte, score_documents
from massivetext.evaluation.files import evaluate_files, evaluation_text
from massivetext.metrics.score import Score
from massivetext.models.auto import AutoConfig, AutoModelForCausalLM
from massivetext.models.files.folder import save_model_folder
from massivetext.tokens.settings import TokenizerSettings
from massivetext.tokens.vocabulary import train_tokenizer

ENGLISH = "The <|endoftext|> token inside users' text is text.\r\nLines keep their ends.\n" * 8
CHINESE = "在文本里，词元只是文本。模型逐字阅读，再预测下一个字。😀\n" * 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer([ENGLISH, CHINESE], TokenizerSettings(vocab_size=320))
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", vocab_size=len(tokenizer), **shape), seed=1)
    save_model_folder(model, tokenizer, path)
    return path


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "english.txt", tmp_path / "中文.txt"]
    for path, text in zip(paths, (ENGLISH, CHINESE)):
        path.write_bytes(text.encode())
    return paths


def test_each_file_and_the_total_are_scored(folder, files):
    rows = evaluate_files(folder, files, quiet=True)["scores"]
    found, names = named_values(rows), [str(path) for path in files]
    bits, sizes, tokens = found["bits_per_byte"], found["bytes"], found["tokens"]
    assert list(bits) == ["total", *names]
    assert [sizes[name] for name in names] == [len(ENGLISH.encode()), len(CHINESE.encode())]
    assert bits["total"] == pytest.approx(sum(bits[name] * sizes[name] for name in names) / sizes["total"])
    assert tokens["total"] == sum(tokens[name] for name in names)
    assert all(Score(**row).facts["context_tokens"] == "64" for row in rows)
    assert all(Score(**row).facts["stride_tokens"] == "32" for row in rows)


def test_the_numbers_are_those_of_the_documents(folder, files):
    from massivetext.tokens.auto import AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.encode_ordinary(CHINESE)
    nats = score_documents(model, [ids], start_id=tokenizer.start_id, context_tokens=64)
    found = named_values(evaluate_files(folder, files[1:], quiet=True)["scores"])
    assert found["bits_per_byte"]["total"] == pytest.approx(bits_per_byte(nats[0], len(CHINESE.encode())))


def test_the_result_is_json(folder, files):
    assert json.loads(json.dumps(evaluate_files(folder, files, quiet=True)))["scores"]


def test_the_text_names_files_and_total(folder, files):
    lines = evaluation_text(evaluate_files(folder, files, quiet=True)).splitlines()
    assert len(lines) == 4 and "中文.txt" in lines[2] and lines[3].startswith("total")
    assert "bits per byte, perplexity" in lines[3]


def test_one_file_has_no_total_line(folder, files):
    assert len(evaluation_text(evaluate_files(folder, files[:1], quiet=True)).splitlines()) == 2


def test_all_bad_files_are_listed_before_the_model_is_loaded(tmp_path):
    (tmp_path / "empty.txt").touch()
    (tmp_path / "gbk.txt").write_bytes("中文".encode("gb18030"))
    (tmp_path / "folder").mkdir()
    names = ["missing.txt", "empty.txt", "gbk.txt", "folder"]
    with pytest.raises(DataError) as caught:
        evaluate_files(tmp_path / "no-model", [tmp_path / name for name in names])
    message = str(caught.value)
    for words in ("missing.txt: there is no such file", "empty.txt: is empty", "folder: is a folder"):
        assert words in message
    assert "gbk.txt: byte 0 is not UTF-8; convert the file, e.g. iconv -f GB18030" in message


def test_no_files_are_an_error(folder):
    with pytest.raises(DataError, match="no files to score"):
        evaluate_files(folder, [])


def test_a_missing_model_is_named(tmp_path, files, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="no-model"):
        evaluate_files(tmp_path / "no-model", files)


def test_a_tokenizer_that_does_not_decode_back_is_refused(folder, files, monkeypatch):
    from massivetext.tokens.tokenizer import Tokenizer

    decode = Tokenizer.decode
    monkeypatch.setattr(Tokenizer, "decode", lambda self, ids, **options: decode(self, ids, **options).lower())
    with pytest.raises(ModelError, match=r"does not give .*english\.txt back: at character 0 it holds 'The"):
        evaluate_files(folder, files)
