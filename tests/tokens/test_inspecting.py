import pytest

from massivetext.errors import DataError
from massivetext.tokens.inspecting import (
    longest_tokens,
    measure,
    store_summary,
    summary,
    summary_text,
    vocabulary_kinds,
)
from massivetext.translations import set_language


def test_every_token_is_of_one_kind(trained):
    kinds = vocabulary_kinds(trained)
    assert sum(kinds.values()) == len(trained) == 400
    assert kinds["special"] == 1 and kinds["fragments"] > 100 and kinds["han"] > 3 and kinds["letters"] > 50


def test_the_longest_tokens_come_first(trained):
    tokens = longest_tokens(trained, 20)
    sizes = [len(token.encode()) for token in tokens]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 8 and "<|endoftext|>" not in tokens


@pytest.mark.parametrize("text", ["It was a bright day", "话说天下大势", ""])
def test_a_text_is_measured_in_bytes_characters_and_tokens(trained, text):
    values = measure(trained, text)
    assert values["text_bytes"] == len(text.encode()) and values["characters"] == len(text)
    assert values["tokens"] == len(trained.encode_ordinary(text)) and values["reversible"]
    assert values["bytes_per_token"] * max(values["tokens"], 1) == pytest.approx(values["text_bytes"])


def test_a_tokenizer_that_loses_text_is_shown_as_such(tokenizer):
    from tokenizers import normalizers

    tokenizer.backend.normalizer = normalizers.Lowercase()
    assert measure(tokenizer, "Upper")["reversible"] is False
    assert "DOES NOT DECODE" in summary_text(summary(tokenizer))


def test_the_summary_measures_files_and_both_languages(trained, tmp_path):
    (tmp_path / "a.txt").write_bytes("一二三 and \xff".encode() + b"\xff")
    found = summary(trained, [tmp_path / "a.txt"])
    assert found["files"][str(tmp_path / "a.txt")]["characters"] == 10
    assert found["samples"]["english"]["tokens_per_word"] > 1
    assert found["samples"]["chinese"]["tokens_per_han_character"] > 1
    assert found["samples"]["chinese_to_english_tokens"] > 0.5
    assert found["vocab_size"] == 400 and found["special_tokens"] == {"<|endoftext|>": 0}


def test_the_text_form_is_in_the_chosen_language(trained):
    found = summary(trained)
    assert "tokens a Han character" in summary_text(found)
    try:
        set_language("zh")
        assert "每个汉字" in summary_text(found) and " tokens" not in summary_text(found)
    finally:
        set_language("en")


def test_a_store_shows_bytes_per_token_by_split_and_source(store):
    found = store_summary(store)
    assert set(found) == {"train", "validation", "test"} and set(found["train"]) == {"code", "prose", "zh"}
    assert 1 < found["train"]["prose"]["bytes_per_token"] < 20


def test_what_is_not_a_file_is_refused(trained, tmp_path):
    with pytest.raises(DataError, match="is a folder; give text files"):
        summary(trained, [tmp_path])
    with pytest.raises(DataError, match="is not there"):
        summary(trained, [tmp_path / "none"])
