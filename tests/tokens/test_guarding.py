"""Tokenizers that make the library panic, or a text a million times as long, end in an error by name."""

import json

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

import massivetext as mt
from massivetext.errors import DataError, ModelError
from massivetext.tokens.guarding import growth


def folder_of(path, **parts):
    backend = Tokenizer(models.BPE({letter: number for number, letter in enumerate("abc北京 ▁")}, []))
    for name, part in parts.items():
        setattr(backend, name, part)
    backend.save(str(path / "tokenizer.json"))
    return path


@pytest.mark.parametrize("text", ["a" * 60 + "b", "北" + "a" * 60 + "京"])
def test_a_pattern_that_explodes_is_an_error_and_no_panic(text, tmp_path):
    cut = pre_tokenizers.Split(Regex(r"(a+)+$"), "isolated")
    tokenizer = mt.AutoTokenizer.from_pretrained(folder_of(tmp_path, pre_tokenizer=cut))
    assert tokenizer("aa")["input_ids"]
    for call in (tokenizer, tokenizer.encode, tokenizer.encode_ordinary, tokenizer.tokenize):
        with pytest.raises(DataError, match=r"gave up encoding texts .*retry-limit.*shorter pieces"):
            call(text)
    with pytest.raises(DataError, match="gave up"):
        tokenizer(text, truncation=True, max_length=4)


def doubling(times):
    return normalizers.Sequence([normalizers.Replace("a", "aa")] * times)


def test_a_normaliser_that_multiplies_text_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"Sequence can make a text 1,099,511,627,776 times as long.*1,000 times"):
        mt.AutoTokenizer.from_pretrained(folder_of(tmp_path, normalizer=doubling(40)))


def test_one_long_replacement_is_refused_too(tmp_path):
    replaced = normalizers.Replace(Regex("."), "京" * 5000)
    with pytest.raises(ModelError, match="Replace can make a text 5,000 times"):
        mt.AutoTokenizer.from_pretrained(folder_of(tmp_path, normalizer=replaced))
    replaced = normalizers.Replace(Regex("x*"), "b" * 5000)
    with pytest.raises(ModelError, match="10,000 times"):
        mt.AutoTokenizer.from_pretrained(folder_of(tmp_path, normalizer=replaced))


def test_a_decoder_that_multiplies_text_is_refused(tmp_path):
    decoder = decoders.Sequence([decoders.Replace("a", "a" * 100)] * 3)
    with pytest.raises(ModelError, match="1,000,000 times"):
        mt.AutoTokenizer.from_pretrained(folder_of(tmp_path, decoder=decoder))


PUBLISHED = {
    "Llama": normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
    "ALBERT": normalizers.Sequence(
        [normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(),
         normalizers.Lowercase(), normalizers.Replace(Regex(" {2,}"), " ")]
    ),
    "BERT": normalizers.BertNormalizer(),
    "Qwen": normalizers.NFC(),
    "a few": doubling(9),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_normalisers_of_published_tokenizers_are_far_below_the_bound(name, tmp_path):
    mt.AutoTokenizer.from_pretrained(folder_of(tmp_path, normalizer=PUBLISHED[name]))
    assert growth(json.loads(PUBLISHED[name].__getstate__())) <= 512
