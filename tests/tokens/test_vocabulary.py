import json
import random
import sys
import time

import pytest
from corpus_in_memory import CHINESE, CODE, PROSE, FakeCorpus, small_corpus, texts

from massivetext.errors import ConfigError, DataError
from massivetext.tokens.auto import AutoTokenizer
from massivetext.tokens.inspecting import summary, summary_text
from massivetext.tokens.settings import TokenizerSettings
from massivetext.tokens.store import build_store
from massivetext.tokens.vocabulary import RUN_CHARACTERS, Sample, cut_runs, train_tokenizer


def test_the_vocabulary_holds_the_start_token_first_and_every_byte(trained):
    vocabulary = trained.get_vocab()
    assert vocabulary["<|endoftext|>"] == 0 and len(vocabulary) == 400
    assert sorted(vocabulary.values()) == list(range(400))
    everything = "".join(chr(code) for code in range(0x300)) + "\U0001f600漢"
    assert trained.decode(trained.encode_ordinary(everything)) == everything


def test_the_smallest_vocabulary_is_the_bytes_and_the_start_token():
    tokenizer = train_tokenizer(["any text 任何"], TokenizerSettings(vocab_size=257), quiet=True)
    assert len(tokenizer) == 257
    assert len(tokenizer.encode_ordinary("任何")) == 6
    with pytest.raises(ConfigError, match="vocab_size is 256; at least 257 are needed"):
        TokenizerSettings.parse({"vocab_size": 256})


def test_the_same_texts_give_the_same_vocabulary_in_whatever_order_they_come():
    listed = texts(CODE, 60) + texts(PROSE, 40) + texts(CHINESE, 40)
    first = train_tokenizer(listed, TokenizerSettings(vocab_size=600), quiet=True)
    random.Random(0).shuffle(listed)
    again = train_tokenizer(iter(listed), TokenizerSettings(vocab_size=600), quiet=True)
    assert first.digest == again.digest and first.get_vocab() == again.get_vocab()


def test_only_the_training_split_is_learned_from():
    secret = ["Zyzzogeton " * 50]
    corpus = FakeCorpus({"train": {"a": texts(PROSE, 30)}, "validation": {"a": secret}, "test": {"a": secret}})
    tokenizer = train_tokenizer(corpus, TokenizerSettings(vocab_size=500), quiet=True)
    assert not any("zzo" in token or "Zy" in token for token in tokenizer.get_vocab())


def test_the_sample_is_bounded_and_the_same_in_any_order():
    listed = [f"{number} " * (1 + number % 50) for number in range(500)]
    samples = []
    for order in (listed, listed[::-1]):
        sample = Sample(5000)
        for text in order:
            sample.add(text)
        samples.append(sample.texts())
        assert 5000 <= sample.bytes < 5000 + 200
        assert sample.seen_bytes == sum(len(text) for text in listed)
    assert samples[0] == samples[1]
    assert 10 < len(samples[0]) < 400


def test_text_that_fits_the_sample_is_used_whole():
    sample = Sample(10_000)
    for text in ("one", "two 二", "three", "three"):
        sample.add(text)
    assert sorted(sample.texts()) == ["one", "three", "three", "two 二"]
    assert sample.bytes == sample.seen_bytes == 3 + 7 + 5 + 5


def test_the_folder_says_what_the_vocabulary_was_learned_from(tmp_path):
    corpus = small_corpus()
    settings = TokenizerSettings(vocab_size=300, sample_bytes_per_entry=50)
    tokenizer = train_tokenizer(corpus, settings, tmp_path, quiet=True)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["format"] == "massivetext-tokenizer/1" and manifest["digest"] == tokenizer.digest
    assert manifest["corpus"] == corpus.digest and manifest["settings"]["vocab_size"] == 300
    assert 15_000 <= manifest["learned_from"]["sample_bytes"] < manifest["learned_from"]["of_bytes"]
    assert AutoTokenizer.from_pretrained(tmp_path).digest == tokenizer.digest


def test_a_tokenizer_can_be_taken_from_elsewhere(trained, tmp_path):
    trained.save_pretrained(tmp_path / "given")
    settings = TokenizerSettings.parse({"from": str(tmp_path / "given")})
    assert train_tokenizer([], settings, tmp_path / "copy").digest == trained.digest
    assert AutoTokenizer.from_pretrained(tmp_path / "copy").digest == trained.digest


def test_a_text_too_small_for_the_vocabulary_says_how_many_entries_it_gave(capsys):
    tokenizer = train_tokenizer(["tiny"], TokenizerSettings(vocab_size=4096))
    assert len(tokenizer) < 270
    assert f"gave only {len(tokenizer)} entries of the 4096" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "words"),
    [([], "no text to learn"), ("one string", "give a list of str"), (["a", None], "text 1 is a NoneType")],
)
def test_what_cannot_be_learned_from_is_refused(given, words):
    with pytest.raises(DataError, match=words):
        train_tokenizer(given, quiet=True)


def test_empty_texts_alone_are_no_text():
    with pytest.raises(DataError, match="no text to learn"):
        train_tokenizer(["", ""], quiet=True)


MIXED = [*texts(PROSE, 40), *texts(CHINESE, 40)]
ROUND = ["The cats sat on the mat.\nNew  line", "北京是中国的首都，𠮷野家 café 👩‍👩‍👧", " leading", "", "a\n\n\nb \t c"]


def test_word_pieces_are_learned_and_open_in_transformers(tmp_path):
    import transformers

    tokenizer = train_tokenizer(MIXED, folder=tmp_path, quiet=True, kind="wordpiece", vocab_size=700)
    assert len(tokenizer) <= 700
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = AutoTokenizer.from_pretrained(tmp_path)
    for text in [*ROUND, MIXED[0], MIXED[-1]]:
        assert ours(text)["input_ids"] == theirs(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert ours.mask_token_id == 4 and ours.pad_token_id is not None
    assert len(ours.encode_ordinary(MIXED[0])) < len(MIXED[0]) / 2
    assert len(ours.encode_ordinary(MIXED[-1])) < len(MIXED[-1]) * 1.2
    again = train_tokenizer(MIXED[::-1], quiet=True, kind="wordpiece", vocab_size=700)
    assert again.digest == tokenizer.digest


def test_lower_case_is_a_choice():
    tokenizer = train_tokenizer(MIXED, quiet=True, kind="wordpiece", vocab_size=500, lowercase=True)
    assert tokenizer("The")["input_ids"] == tokenizer("the")["input_ids"]
    assert tokenizer("the", "cat")["token_type_ids"][-1] == 1
    with pytest.raises(ConfigError, match="kind bpe keeps every text"):
        train_tokenizer(MIXED, lowercase=True)


def test_options_and_settings_together_are_refused():
    with pytest.raises(ConfigError, match="both given"):
        train_tokenizer(MIXED, TokenizerSettings(), kind="wordpiece")
    with pytest.raises(ConfigError, match="vocab_size is 5; at least 6 are needed for kind wordpiece"):
        train_tokenizer(MIXED, kind="wordpiece", vocab_size=5)


EVERYTHING = "".join(chr(code) for code in range(0x300)) + "\U0001f600漢 ▁ <|endoftext|> \r\n"


@pytest.mark.parametrize("kind", ["unigram", "word", "character", "byte"])
class TestKindsOfBytes:
    def train(self, kind, given=MIXED, folder=None, **options):
        size = {} if kind == "byte" else {"vocab_size": 600}
        return train_tokenizer(given, folder=folder, quiet=True, kind=kind, **size, **options)

    def test_every_text_comes_back(self, kind):
        tokenizer = self.train(kind)
        for text in [EVERYTHING, *ROUND, MIXED[0], MIXED[-1]]:
            assert tokenizer.decode(tokenizer.encode_ordinary(text)) == text
        assert tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id == 0

    def test_the_same_texts_give_the_same_vocabulary_in_whatever_order_they_come(self, kind):
        assert self.train(kind).digest == self.train(kind, MIXED[::-1]).digest

    def test_the_folder_opens_in_transformers(self, kind, tmp_path):
        import transformers

        tokenizer = self.train(kind, folder=tmp_path)
        theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
        for text in [*ROUND, MIXED[0], MIXED[-1]]:
            assert theirs(text)["input_ids"] == tokenizer(text)["input_ids"]

    def test_it_can_be_inspected(self, kind):
        found = summary(self.train(kind))
        assert all(found["samples"][language]["reversible"] for language in ("english", "chinese"))
        assert sum(found["vocabulary"].values()) == found["vocab_size"] and summary_text(found)

    def test_a_token_store_gives_every_document_back(self, kind, tmp_path):
        corpus, tokenizer = small_corpus(), self.train(kind)
        store = build_store(corpus, tokenizer, tmp_path, quiet=True)
        for source, listed in corpus.by_split["train"].items():
            assert sorted(tokenizer.batch_decode(list(store.documents("train", source)))) == sorted(listed)


def test_words_are_whole_and_han_characters_are_words():
    tokenizer = train_tokenizer(["the cat sat on the mat 北京很大"] * 3, kind="word", vocab_size=300, quiet=True)
    shown = [tokenizer.decode([number]) for number in tokenizer.encode_ordinary("the cat 北大 zoo")]
    assert shown[:5] == ["the", " cat", " ", "北", "大"] and shown[5:] == [" ", "z", "o", "o"]


def test_characters_beyond_the_vocabulary_are_bytes():
    tokenizer = train_tokenizer(["北京北京北海 é"], kind="character", vocab_size=258, quiet=True)
    assert [len(tokenizer.encode_ordinary(character)) for character in "北京é a"] == [1, 3, 2, 1, 1]


@pytest.mark.parametrize("text", ["a", "a " + "═" * 3000, "=" * 5000 + " b"])
def test_unigram_is_learned_from_tiny_and_odd_texts_too(text):
    tokenizer = train_tokenizer([text], kind="unigram", vocab_size=258, quiet=True)
    assert len(tokenizer) <= 258
    for back in (text, "北 a"):
        assert tokenizer.decode(tokenizer.encode_ordinary(back)) == back


def test_unigram_without_a_word_is_the_bytes():
    tokenizer = train_tokenizer(["=" * 5000], kind="unigram", vocab_size=300, quiet=True)
    assert tokenizer.decode(tokenizer.encode_ordinary("== 北")) == "== 北"


def test_unigram_makes_about_as_few_tokens_as_bpe():
    english = texts(CODE, 60)
    sizes = {}
    for kind in ("bpe", "unigram"):
        tokenizer = train_tokenizer(english + MIXED, kind=kind, vocab_size=450, quiet=True)
        sizes[kind] = sum(len(tokenizer.encode_ordinary(text)) for text in english + MIXED)
    assert sizes["unigram"] < 1.3 * sizes["bpe"]


def test_byte_has_one_size():
    assert len(train_tokenizer(["any"], kind="byte", quiet=True)) == 257
    with pytest.raises(ConfigError, match="vocab_size is 512; kind byte has 257"):
        train_tokenizer(["any"], kind="byte", vocab_size=512)


def test_without_sentencepiece_unigram_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ConfigError, match="pip install sentencepiece"):
        train_tokenizer(["any"], kind="unigram", vocab_size=300, quiet=True)


@pytest.mark.parametrize("run", ["字" * 5000, "a" * 5000, "7" * 5000, "=-" * 2500, " " * 5000, "あ字a1" * 1250])
def test_long_runs_are_cut_and_nothing_is_lost(run):
    pieces = list(cut_runs(["before " + run + " after"]))
    assert "".join(pieces) == "before " + run + " after"
    assert max(map(len, pieces)) <= RUN_CHARACTERS + len("before ")


@pytest.mark.parametrize("text", ["", "the quick brown fox " * 50, "这是一句话，" * 200, "字" * RUN_CHARACTERS])
def test_text_with_breaks_stays_whole(text):
    assert list(cut_runs([text])) == [text]


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram"])
def test_learning_from_one_long_line_takes_time_with_its_length(kind):
    chance = random.Random(0)
    line = "".join(chance.choices([chr(0x4E00 + code) for code in range(800)], k=24_000))
    times = []
    for characters in (6_000, 12_000, 24_000):
        started = time.process_time()
        train_tokenizer([line[:characters]], kind=kind, vocab_size=1500, quiet=True)
        times.append(time.process_time() - started)
    assert times[2] < 3 * times[1] + 0.2 and times[1] < 3 * times[0] + 0.2, times
