"""Tokens as people read them, for each kind of tokenizer."""

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from massivetext.explaining.pieces import byte_letters, pieces_of, token_labels, unfinished
from massivetext.tokens.tokenizer import Tokenizer


def test_the_byte_level_alphabet_is_that_of_tokenizers():
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    text = "".join(map(chr, range(0x250))) + "京😀"
    ((written, _),) = splitter.pre_tokenize_str(text)
    assert bytes(byte_letters()[letter] for letter in written).decode() == text
    assert sorted(byte_letters().values()) == list(range(256))


def test_parts_of_a_character_say_of_which_and_which_part(byte_tokenizer):
    pieces = pieces_of(byte_tokenizer, byte_tokenizer.encode("a 鱼b"))
    assert [piece.label for piece in pieces] == ["a", "␣", "鱼 1/3", "鱼 2/3", "鱼 3/3", "b"]
    labels = token_labels(byte_tokenizer, [piece.id for piece in pieces])
    assert [labels[piece.id] for piece in pieces] == ["a", "␣", "‹E9›", "‹B1›", "‹BC›", "b"]


def test_a_character_cut_off_by_the_end_or_a_special_token_is_shown_as_what_it_is(byte_tokenizer):
    first, second, _ = byte_tokenizer.encode("鱼")
    (end,) = byte_tokenizer.encode("<|end|>")
    pieces = pieces_of(byte_tokenizer, [first, end, first, second])
    assert [(piece.text, piece.part, piece.parts, piece.special) for piece in pieces] == [
        ("\ufffd", 1, 1, False), ("<|end|>", 1, 1, True), ("\ufffd", 1, 2, False), ("\ufffd", 2, 2, False)
    ]  # fmt: skip


def test_bytes_that_no_more_bytes_could_complete_stand_alone(byte_tokenizer):
    stray = byte_tokenizer.encode("鱼")[1]
    (letter,) = byte_tokenizer.encode("b")
    assert [piece.text for piece in pieces_of(byte_tokenizer, [stray, letter])] == ["\ufffd", "b"]
    assert unfinished("鱼".encode()[:2]) and not unfinished("鱼".encode()) and not unfinished(b"\xb1")


def test_the_texts_of_all_pieces_make_up_the_text(byte_tokenizer):
    for text in ("the cat\n\tsat", "北京 is 中国's 首都 😀!", "é\u0301"):
        pieces = pieces_of(byte_tokenizer, byte_tokenizer.encode(text))
        assert "".join(piece.text for piece in pieces if piece.part == 1) == text
        assert all(1 <= piece.part <= piece.parts for piece in pieces)


def test_word_pieces_and_special_tokens_are_shown_as_they_are(word_tokenizer):
    pieces = pieces_of(word_tokenizer, word_tokenizer.encode("the cat 北京"))
    assert [piece.label for piece in pieces] == ["[CLS]", "the", "cat", "北", "京", "[SEP]"]
    assert [piece.special for piece in pieces] == [True, False, False, False, False, True]


def test_sentencepiece_spaces_are_spaces(unigram_tokenizer):
    pieces = pieces_of(unigram_tokenizer, unigram_tokenizer.encode("the cat"))
    assert "".join(piece.text for piece in pieces if not piece.special) == " the cat"
    assert pieces[-1].label == "<|end|>"


def test_bytes_that_sentencepiece_falls_back_on_are_put_together():
    vocabulary = [("<unk>", 0.0), ("▁", -1.0), *((f"<0x{byte:02X}>", -9.0) for byte in range(256))]
    backend = Backend(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    tokenizer = Tokenizer(backend)
    assert [piece.label for piece in pieces_of(tokenizer, tokenizer.encode("京"))] == ["京 1/3", "京 2/3", "京 3/3"]


def test_an_id_that_the_tokenizer_does_not_know_is_a_number(byte_tokenizer):
    assert token_labels(byte_tokenizer, [100_000]) == {100_000: "[100000]"}
