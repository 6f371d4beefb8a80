"""WordPiece, Unigram and RoBERTa folders: parity with transformers' fast tokenizers, English and Chinese."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import transformers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

import massivetext as mt
from massivetext.errors import DataError, ModelError

ENGLISH = "The cats sat on the mats; unbelievable, isn't it? Café naïve."
CHINESE = "北京是中国的首都，人口众多。今天天气很好。"
MIXED = "I love 北京烤鸭 and ｆｕｌｌ width 2024年。 unaffable"
TEXTS = [ENGLISH, CHINESE, MIXED, "", " ", "a", "[MASK] is <mask> here [SEP]", "don't  double   space\n\ttab"]
CORPUS = [ENGLISH, CHINESE, MIXED, "the cat sat on the mat", "unbelievable unaffable", "中国的首都是北京"] * 4


def words_file(folder):
    """A BERT folder that holds vocab.txt and little else, as the first ones did."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz,.;'?!2024年"]
    tokens += ["the", "cat", "sat", "on", "mat", "un", "isn", "it", "love", "and", "here", *dict.fromkeys(CHINESE)]
    tokens += ["##" + letter for letter in "abcdefghijklmnopqrstuvwxyz"] + ["##aff", "##able", "##believ", "##s"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(tokens)) + "\n", encoding="utf-8")
    (folder / "config.json").write_text('{"model_type": "bert"}')
    return folder


def unigram_folder(folder, kind):
    """A T5 or XLM-R folder with a Unigram vocabulary learned here."""
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    from tokenizers import decoders

    backend.decoder = decoders.Metaspace()
    specials = ["<pad>", "</s>", "<unk>"] if kind == "t5" else ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend.train_from_iterator(
        CORPUS,
        trainers.UnigramTrainer(vocab_size=150, special_tokens=specials, unk_token="<unk>", show_progress=False),
    )
    end = ("</s>", backend.token_to_id("</s>"))
    if kind == "t5":
        backend.post_processor = processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", [end])
        names = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    else:
        start = ("<s>", backend.token_to_id("<s>"))
        backend.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> </s> $B </s>", [start, end])
        names = {"bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>"}
        names |= {"pad_token": "<pad>", "mask_token": "<mask>"}
    peer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **names)
    peer.save_pretrained(folder)
    return folder


def roberta_folder(folder):
    """A RoBERTa folder as published first: vocab.json and merges.txt."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(CORPUS, trainer)
    folder.mkdir(parents=True)
    backend.model.save(str(folder))
    (folder / "config.json").write_text('{"model_type": "roberta"}')
    return folder


@pytest.fixture(scope="module", params=["bert", "bert-cased", "t5", "xlm-roberta", "roberta"])
def pair(request, tmp_path_factory):
    """Our tokenizer, transformers' one, and the kind, from one folder."""
    folder = tmp_path_factory.mktemp("folders") / request.param
    if request.param.startswith("bert"):
        words_file(folder)
        if request.param == "bert-cased":
            (folder / "tokenizer_config.json").write_text(
                '{"do_lower_case": false, "tokenizer_class": "BertTokenizer"}'
            )
        peer = transformers.BertTokenizerFast.from_pretrained(folder)
    elif request.param == "roberta":
        # transformers 5 gives the mask token of such a folder no lstrip, unlike the published tokenizer.json
        mask = AddedToken("<mask>", lstrip=True, special=True, normalized=False)
        peer = transformers.RobertaTokenizerFast.from_pretrained(roberta_folder(folder), mask_token=mask)
    else:
        peer = transformers.PreTrainedTokenizerFast.from_pretrained(unigram_folder(folder, request.param))
    return mt.AutoTokenizer.from_pretrained(folder), peer, request.param


def same(ours, theirs):
    assert set(ours) == set(theirs)
    for name in ours:
        assert ours[name] == theirs[name], name


@pytest.mark.parametrize("special", [True, False])
def test_ids_masks_and_kinds_are_those_of_transformers(pair, special):
    ours, theirs, _ = pair
    same(ours(TEXTS, add_special_tokens=special), theirs(TEXTS, add_special_tokens=special))


def test_pairs_are_those_of_transformers(pair):
    ours, theirs, _ = pair
    options = {"return_offsets_mapping": True, "return_special_tokens_mask": True, "return_token_type_ids": True}
    same(ours(TEXTS, TEXTS[::-1], **options), theirs(TEXTS, TEXTS[::-1], **options))


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_and_truncation_are_those_of_transformers(pair, side):
    ours, theirs, _ = pair
    for options in ({"padding": True}, {"padding": "max_length", "truncation": True, "max_length": 9}):
        same(ours(TEXTS, padding_side=side, **options), theirs(TEXTS, padding_side=side, **options))
    same(
        ours(TEXTS, TEXTS[::-1], truncation=True, max_length=11),
        theirs(TEXTS, TEXTS[::-1], truncation=True, max_length=11),
    )


@pytest.mark.parametrize("stride", [0, 3])
def test_overflow_with_stride_is_that_of_transformers(pair, stride):
    ours, theirs, _ = pair
    options = {"max_length": 12, "stride": stride, "return_overflowing_tokens": True, "return_offsets_mapping": True}
    mine, other = (t([ENGLISH, CHINESE, "a"], truncation=True, padding=True, **options) for t in (ours, theirs))
    same(mine, other)
    assert mine["overflow_to_sample_mapping"][0] == 0 and mine["overflow_to_sample_mapping"][-1] == 2
    question = "北京 cat?"
    same(
        ours([question] * 2, [ENGLISH, CHINESE], truncation="only_second", **{**options, "max_length": 22}),
        theirs([question] * 2, [ENGLISH, CHINESE], truncation="only_second", **{**options, "max_length": 22}),
    )


def test_one_long_text_overflows_into_rows_as_in_transformers(pair):
    ours, theirs, _ = pair
    options = {"truncation": True, "max_length": 10, "stride": 2, "return_overflowing_tokens": True}
    same(ours(CHINESE, **options), theirs(CHINESE, **options))


def test_words_given_apart_keep_their_numbers(pair):
    ours, theirs, kind = pair
    if kind == "roberta":
        pytest.skip("transformers asks for add_prefix_space=True there")
    words = [["unaffable", "北京", "cats"], ["a"]]
    mine, other = ours(words, is_split_into_words=True), theirs(words, is_split_into_words=True)
    assert mine["input_ids"] == other["input_ids"]
    assert [mine.word_ids(row) for row in range(2)] == [other.word_ids(row) for row in range(2)]
    assert ours(words[0], is_split_into_words=True)["input_ids"] == mine["input_ids"][0]


def test_texts_come_back_as_in_transformers(pair):
    ours, theirs, _ = pair
    for text in TEXTS:
        ids = ours(text)["input_ids"]
        for skip in (True, False):
            expected = theirs.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False)
            assert ours.decode(ids, skip_special_tokens=skip) == expected


def test_special_tokens_have_names(pair):
    ours, theirs, _ = pair
    for name in ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"):
        assert getattr(ours, name) == getattr(theirs, name)
        assert getattr(ours, f"{name}_id") == getattr(theirs, f"{name}_id")


def test_a_saved_tokenizer_opens_here_and_in_transformers_alike(pair, tmp_path):
    ours, _, _ = pair
    ours.save_pretrained(tmp_path)
    again, theirs = mt.AutoTokenizer.from_pretrained(tmp_path), transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert again.digest == ours.digest
    same(again(TEXTS), ours(TEXTS))
    same(again(TEXTS), theirs(TEXTS))


def test_a_character_leads_to_its_token(pair):
    ours, theirs, _ = pair
    mine, other = ours([CHINESE, MIXED]), theirs([CHINESE, MIXED])
    for place in (0, 3, 9):
        assert mine.char_to_token(1, place) == other.char_to_token(1, place)


def test_the_named_classes_open_their_kind_only(tmp_path):
    folder = words_file(tmp_path / "bert")
    assert mt.BertTokenizer.from_pretrained(folder)("the cat").input_ids[0] == 2
    mt.BertTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "saved")
    with pytest.raises(ModelError, match=r"kind WordPiece, and GPT2Tokenizer reads BPE; open it with AutoTokenizer"):
        mt.GPT2Tokenizer.from_pretrained(tmp_path / "saved")


def test_gpt2s_special_token_is_known_by_the_class(tmp_path):
    folder = roberta_folder(tmp_path / "gpt2")
    vocabulary = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").write_text(json.dumps({**vocabulary, "<|endoftext|>": len(vocabulary)}))
    (folder / "config.json").unlink()
    tokenizer = mt.GPT2Tokenizer.from_pretrained(folder)
    assert tokenizer.eos_token_id == tokenizer.bos_token_id == len(vocabulary)
    assert mt.AutoTokenizer.from_pretrained(folder).eos_token is None


def test_a_switch_of_the_configuration_goes_before_tokenizer_json(tmp_path):
    tokenizer = mt.BertTokenizer.from_pretrained(words_file(tmp_path))
    tokenizer.save_pretrained(tmp_path)
    assert mt.AutoTokenizer.from_pretrained(tmp_path).tokenize("The") == ["the"]
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**config, "do_lower_case": False}))
    assert mt.AutoTokenizer.from_pretrained(tmp_path).tokenize("The") == ["[UNK]"]


def test_threads_that_cut_differently_do_not_disturb_each_other(pair):
    ours, _, _ = pair
    lengths = [4, 7, 10, 13] * 10
    expected = [ours(CHINESE, truncation=True, max_length=length)["input_ids"] for length in lengths]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda length: ours(CHINESE, truncation=True, max_length=length)["input_ids"], lengths))
    assert found == expected
    assert len(pickle.loads(pickle.dumps(ours))(CHINESE, truncation=True, max_length=5)["input_ids"]) == 5


class TestBadInput:
    def test_a_stride_as_long_as_the_row_is_refused(self, tmp_path):
        tokenizer = mt.BertTokenizer.from_pretrained(words_file(tmp_path))
        with pytest.raises(DataError, match="stride is 8 and a row has room for 8"):
            tokenizer(ENGLISH, truncation=True, max_length=10, stride=8, return_overflowing_tokens=True)

    def test_a_vocabulary_without_its_special_tokens_is_refused(self, tmp_path):
        (tmp_path / "vocab.txt").write_text("a\nb\n")
        with pytest.raises(ModelError, match=r"lacks \[UNK\], \[SEP\], \[PAD\], \[CLS\]"):
            mt.AutoTokenizer.from_pretrained(tmp_path)

    def test_a_token_that_occurs_twice_is_named(self, tmp_path):
        words_file(tmp_path)
        with (tmp_path / "vocab.txt").open("a") as file:
            file.write("cat\n")
        with pytest.raises(ModelError, match="'cat' empty or twice"):
            mt.AutoTokenizer.from_pretrained(tmp_path)

    def test_other_sentencepiece_files_are_refused_with_the_way_out(self, tmp_path):
        (tmp_path / "source.spm").write_bytes(b"x")
        with pytest.raises(ModelError, match=r"source\.spm.*save_pretrained"):
            mt.AutoTokenizer.from_pretrained(tmp_path)

    def test_words_that_are_one_text_are_refused(self, tmp_path):
        tokenizer = mt.BertTokenizer.from_pretrained(words_file(tmp_path))
        with pytest.raises(DataError, match="list of words"):
            tokenizer("the cat", is_split_into_words=True)

    def test_a_length_below_the_special_tokens_is_refused(self, tmp_path):
        tokenizer = mt.BertTokenizer.from_pretrained(words_file(tmp_path))
        with pytest.raises(DataError, match="max_length is 1, and 2 special tokens"):
            tokenizer(ENGLISH, truncation=True, max_length=1)
