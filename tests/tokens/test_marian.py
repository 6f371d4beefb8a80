"""Marian's three files: ids, texts and language codes of transformers' MarianTokenizer, English and Chinese."""

import io
import json

import pytest
import sentencepiece
import transformers
from corpus_in_memory import CHINESE, PROSE, texts

import massivetext as mt
from massivetext.errors import ModelError

ENGLISH = [*texts(PROSE, 40), "The cats sat on the mat.", "café naïve"]
HAN = [*texts(CHINESE, 40), "北京是中国的首都。", "大规模语言模型从理论到实践"]


def piece_file(lines, path):
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=written, vocab_size=300, minloglevel=2, num_threads=1,
        hard_vocab_limit=False, character_coverage=1.0, model_type="unigram", normalization_rule_name="nmt_nfkc",
    )  # fmt: skip
    path.write_bytes(written.getvalue())
    model = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    return [model.id_to_piece(number) for number in range(model.get_piece_size()) if number > 2]


def opus(folder, source, target):
    """A folder as OPUS-MT is published: two SentencePiece files, one vocabulary of both, codes, the padding last."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = piece_file(source, folder / "source.spm") + piece_file(target, folder / "target.spm")
    entries = list(dict.fromkeys(["</s>", "<unk>", *pieces, ">>cmn_Hans<<", ">>fra<<", "<pad>"]))
    numbers = {piece: number for number, piece in enumerate(entries)}
    (folder / "vocab.json").write_text(json.dumps(numbers, ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"source_lang": "en", "target_lang": "zh"}')
    config = {"model_type": "marian", "vocab_size": len(entries), "pad_token_id": len(entries) - 1, "eos_token_id": 0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module", params=["en-zh", "zh-en"])
def pair(request, tmp_path_factory):
    sides = (ENGLISH, HAN) if request.param == "en-zh" else (HAN, ENGLISH)
    folder = opus(tmp_path_factory.mktemp(request.param), *sides)
    with pytest.warns(UserWarning, match="sacremoses"):
        theirs = transformers.MarianTokenizer.from_pretrained(folder)
    return mt.AutoTokenizer.from_pretrained(folder), theirs


TEXTS = [
    "The cats sat on the mat.", "北京是中国的首都。", "  two  spaces, and\ta tab\nand a line ", "", " ",
    ">>cmn_Hans<< The cats sat.", ">>fra<<The cats", "ｆｕｌｌ　ｗｉｄｔｈ １２３", "café cafe\u0301 ﬁ ½",
    "a < b >> c <<",
    "大规模语言模型从理论到实践，", "unknown: Ω ж 👩‍👩‍👧",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_transformers(pair, text):
    ours, theirs = pair
    expected = theirs(text)["input_ids"]
    found = ours(text)["input_ids"]
    if not any(ours.unk_token_id == number for number in expected):
        assert found == expected
    assert found[-1] == ours.eos_token_id == theirs.eos_token_id


@pytest.mark.parametrize("lines", [ENGLISH, HAN])
def test_texts_of_the_source_language_have_the_same_ids_and_come_back(pair, lines):
    ours, theirs = pair
    for line in lines:
        ids = theirs(line)["input_ids"]
        if theirs.unk_token_id not in ids:
            assert ours(line)["input_ids"] == ids
            assert ours.decode(ids, skip_special_tokens=True) == theirs.decode(ids, skip_special_tokens=True)


def test_batches_are_padded_as_in_transformers(pair):
    ours, theirs = pair
    rows = [line for line in (*ENGLISH[:3], *HAN[:3]) if theirs.unk_token_id not in theirs(line)["input_ids"]]
    found, expected = ours(rows, padding=True), theirs(rows, padding=True)
    assert found["input_ids"] == expected["input_ids"] and found["attention_mask"] == expected["attention_mask"]
    assert set(found) == set(expected) and ours.model_max_length == theirs.model_max_length == 512
    assert (ours.pad_token, ours.eos_token, ours.unk_token) == ("<pad>", "</s>", "<unk>")


def test_a_single_character_of_the_other_language_has_its_own_entry(tmp_path):
    folder = opus(tmp_path, ENGLISH, [*HAN, "β"])
    with pytest.warns(UserWarning, match="sacremoses"):
        theirs = transformers.MarianTokenizer.from_pretrained(folder)
    ours = mt.MarianTokenizer.from_pretrained(folder)
    ids = ours("the β cat")["input_ids"]
    assert ids == theirs("the β cat")["input_ids"] and ours.unk_token_id not in ids


def test_a_saved_tokenizer_opens_in_transformers_with_the_same_ids(pair, tmp_path):
    ours, _ = pair
    ours.save_pretrained(tmp_path)
    again = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert (
            again(text)["input_ids"]
            == ours(text)["input_ids"]
            == mt.AutoTokenizer.from_pretrained(tmp_path)(text)["input_ids"]
        )


BROKEN = [
    ("vocab.json", b"{", "not valid JSON"),
    ("vocab.json", b'{"a": 5}', "from 0 on, each once"),
    ("vocab.json", b'{"a": 0, "b": "1"}', "from 0 on, each once"),
    ("vocab.json", b'{"<unk>": 0, "a": 1}', "has no '</s>', the eos_token"),
    ("source.spm", b"what", "cannot be read as a SentencePiece model"),
]


@pytest.mark.parametrize(("name", "content", "message"), BROKEN)
def test_a_damaged_folder_is_named(name, content, message, tmp_path):
    folder = opus(tmp_path, ENGLISH, HAN)
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        mt.AutoTokenizer.from_pretrained(folder)
