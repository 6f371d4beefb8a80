"""SentencePiece's own files alone: the ids are those of the sentencepiece library."""

import io
import struct

import pytest
import sentencepiece
from corpus_in_memory import CHINESE, PROSE, texts

import massivetext as mt
from massivetext.errors import ModelError

TRAINED_ON = [*texts(PROSE, 40), *texts(CHINESE, 40), "The cats sat on the mat.", "北京是中国的首都。", "café naïve"]
HOSTILE = [
    "The cats sat on the mat.", "  two  spaces, and\ta tab\nand a line ", "", " ", "北京是中国的首都，𠮷野家。",
    "ｆｕｌｌ　ｗｉｄｔｈ １２３", "café cafe\u0301 ﬁ ½ 👩‍👩‍👧", "unknown: Ω ж ▁ literal",
]  # fmt: skip


def train(folder, name="spiece.model", **options):
    """Write a tiny SentencePiece file and return the library's own reader of it."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAINED_ON), model_writer=written, vocab_size=400, minloglevel=2, num_threads=1,
        hard_vocab_limit=False, character_coverage=1.0, **options,
    )  # fmt: skip
    (folder / name).write_bytes(written.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())


IDENTITY = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}
KINDS = {
    "unigram": {"model_type": "unigram"},
    "unigram as it is": {"model_type": "unigram", "byte_fallback": True, "vocab_size": 600, **IDENTITY},
    "bpe": {"model_type": "bpe"},
    "llama": {"model_type": "bpe", "byte_fallback": True, **IDENTITY},
    "no first space": {"model_type": "bpe", "byte_fallback": True, "add_dummy_prefix": False, **IDENTITY},
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_ids_and_texts_are_those_of_sentencepiece(kind, tmp_path):
    options = {key: value for key, value in KINDS[kind].items() if key != "vocab_size"}
    gold = train(tmp_path, "tokenizer.model", **options)
    tokenizer = mt.AutoTokenizer.from_pretrained(tmp_path)
    assert len(tokenizer) == gold.get_piece_size()
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (1, 2, 0)
    for text in [*HOSTILE, *TRAINED_ON[::20]]:
        ids = gold.encode(text)
        assert tokenizer.encode_ordinary(text) == tokenizer(text)["input_ids"] == ids, text
        if gold.unk_id() not in ids:
            assert tokenizer.decode(ids) == gold.decode(ids), text


def test_t5_adds_its_end_and_its_missing_spans(tmp_path):
    gold = train(tmp_path)
    tokenizer = mt.T5Tokenizer.from_pretrained(tmp_path)
    size = gold.get_piece_size()
    assert tokenizer("The cats")["input_ids"] == [*gold.encode("The cats"), 2]
    assert tokenizer("The", "cats")["input_ids"] == [*gold.encode("The"), 2, *gold.encode("cats"), 2]
    assert len(tokenizer) == size + 100
    assert tokenizer.convert_tokens_to_ids(["<extra_id_0>", "<extra_id_99>"]) == [size + 99, size]
    assert tokenizer("<extra_id_0>")["input_ids"][0] == size + 99


def test_xlm_r_counts_from_its_own_first_ids(tmp_path):
    gold = train(tmp_path, "sentencepiece.bpe.model")
    tokenizer = mt.XLMRobertaTokenizer.from_pretrained(tmp_path)
    moved = [number + 1 for number in gold.encode("The cats")]
    assert tokenizer("The cats")["input_ids"] == [0, *moved, 2]
    assert tokenizer("The", "cats")["input_ids"].count(2) == 3
    assert tokenizer.mask_token_id == gold.get_piece_size() + 1 and tokenizer.pad_token_id == 1


def test_llama_begins_texts(tmp_path):
    gold = train(tmp_path, "tokenizer.model", model_type="bpe", byte_fallback=True, **IDENTITY)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    assert mt.AutoTokenizer.from_pretrained(tmp_path)("北京")["input_ids"] == [1, *gold.encode("北京")]


def test_it_is_saved_as_a_folder_that_transformers_opens(tmp_path):
    import transformers

    gold = train(tmp_path)
    mt.T5Tokenizer.from_pretrained(tmp_path).save_pretrained(tmp_path / "saved")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "saved")
    for text in HOSTILE:
        assert theirs(text)["input_ids"] == [*gold.encode(text), 2]


@pytest.mark.parametrize("data", [b"x", b"", b"\x0a\xff\xff\xff\xff\x7f", b"\x0a\x02\x15\x00", struct.pack("<f", 1)])
def test_what_is_no_sentencepiece_file_is_refused(data, tmp_path):
    (tmp_path / "spiece.model").write_bytes(data)
    with pytest.raises(ModelError, match=r"spiece\.model cannot be read as a SentencePiece model"):
        mt.AutoTokenizer.from_pretrained(tmp_path)


def test_kinds_without_published_models_are_refused(tmp_path):
    train(tmp_path, model_type="char")
    with pytest.raises(ModelError, match="kind 4; allowed"):
        mt.AutoTokenizer.from_pretrained(tmp_path)


OTHER_PLACES = {
    "other ids": {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    "other names": {"eos_piece": "[SEP]", "bos_piece": "[CLS]", "unk_piece": "[UNK]"},
    "both": {"pad_id": 3, "pad_piece": "[PAD]", "eos_id": 4, "eos_piece": "<eod>", "bos_id": -1},
}


@pytest.mark.parametrize("places", list(OTHER_PLACES))
@pytest.mark.parametrize("class_name", ["T5Tokenizer", "LlamaTokenizer", None])
def test_special_tokens_are_where_the_file_says(places, class_name, tmp_path):
    gold = train(tmp_path, "tokenizer.model", **OTHER_PLACES[places])
    if class_name is not None:
        (tmp_path / "tokenizer_config.json").write_text(f'{{"tokenizer_class": "{class_name}"}}')
    starts = class_name == "LlamaTokenizer"
    if starts and gold.bos_id() < 0:
        with pytest.raises(ModelError, match=r"has no piece '<s>', which LlamaTokenizer .*bos_token"):
            mt.AutoTokenizer.from_pretrained(tmp_path)
        return
    tokenizer = mt.AutoTokenizer.from_pretrained(tmp_path)
    assert (tokenizer.eos_token_id, tokenizer.unk_token_id) == (gold.eos_id(), gold.unk_id())
    for text in ("The cats", "北京是"):
        first = [gold.bos_id()] if starts else []
        last = [gold.eos_id()] if class_name == "T5Tokenizer" else []
        assert tokenizer(text)["input_ids"] == [*first, *gold.encode(text), *last]


def test_a_file_without_any_end_is_refused_where_the_class_needs_one(tmp_path):
    train(tmp_path, eos_id=-1)
    with pytest.raises(ModelError, match=r"has no piece '</s>', which T5Tokenizer .*eos_token"):
        mt.T5Tokenizer.from_pretrained(tmp_path)


def test_a_file_that_does_not_begin_as_xlm_rs_is_refused(tmp_path):
    train(tmp_path, "sentencepiece.bpe.model", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    with pytest.raises(ModelError, match="begins with <unk>, <s>, </s>, and this one with <pad>, </s>, <unk>"):
        mt.XLMRobertaTokenizer.from_pretrained(tmp_path)
