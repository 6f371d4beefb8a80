"""Text statistics: the kernel against a slow twin, the definitions in English and Chinese, and cutting into batches."""

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.text.statistics import STATISTICS, text_statistics, words_and_symbols
from massivetext.text.unicode_table import DIGIT, HAN, IGNORED, LETTER, MARK, NUMBER, SPACE, class_table

STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}
WORD = re.compile(r"[hg]|[wnd](?:[wndmi]|a(?=w)|(?<=d)p(?=d)|u(?=[wnd]))*")
HOSTILE = (
    *("the ", "have", "To", "don't", "l’été", "3.14", "1,000.5", "a_b", "__x", "#", "...", "..", "…", "•", "- ", "\n"),
    *(
        "\n\n",
        " \n",
        "\t",
        "\r\n",
        "中",
        "文。",
        "，",
        "〇",
        "々",
        "⼀",
        "𠀀",
        "한국어",
        "かな",
        "e\u0301",
        "\u0301",
        "\u200b",
    ),
    *(
        "\u00ad",
        "\ufeff",
        "\u3000",
        "\x00",
        "\x85",
        "❤\ufe0f",
        "👩\u200d👩",
        "१२",
        "Ⅳ",
        "²",
        "\U000e0100",
        "'",
        "’",
        ".",
        "_",
    ),
)
texts = st.lists(
    st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=6)), max_size=30
).map("".join)


def letter_of(character: str) -> str:
    """Return one letter for the class of a character, for the twin's regular expressions."""
    bits = class_table()[ord(character)]
    for bit, letter in ((MARK, "m"), (IGNORED, "i"), (HAN, "h" if bits & LETTER else "g"), (SPACE, "s")):
        if bits & bit:
            return letter
    if bits & LETTER:
        return "w"
    if bits & NUMBER:
        return "d" if bits & DIGIT else "n"
    return {"'": "a", "’": "a", ".": "p", ",": "p", "_": "u"}.get(character, "x")


def is_space(character: str) -> bool:
    return letter_of(character) == "s"


def trim(line: str) -> str:
    while line and is_space(line[0]):
        line = line[1:]
    while line and is_space(line[-1]):
        line = line[:-1]
    return line


def repeated(parts: list[str]) -> tuple[int, int]:
    """Return how many parts equal an earlier one, and their characters."""
    later = [len(part) * (count - 1) for part, count in Counter(parts).items()]
    return len(parts) - len(later), sum(later)


def slow_statistics(text: str) -> dict[str, float]:
    """The twin of text_statistics for one text: regular expressions over the letters of its classes."""
    letters = "".join(map(letter_of, text))
    spans = [match.span() for match in WORD.finditer(letters)]
    # Invisible characters belong to no word's length; a mark does.
    words = [text[start:end] for start, end in spans]
    lengths = [sum(letters[at] != "i" for at in range(start, end)) for start, end in spans]
    between = re.sub("[mi]", "", WORD.sub("s", letters))
    symbols = len(re.findall("[apux]+", between))
    bare = {"".join(character for character in word if letter_of(character) != "i") for word in words}
    blocks = [[trim(line) for line in text.split("\n")]][0]
    lines = [line for line in blocks if line]
    paragraphs: list[str] = []
    for index, line in enumerate(blocks):
        if line and index and blocks[index - 1]:
            paragraphs[-1] += "\n" + line
        elif line:
            paragraphs.append(line)
    share = lambda part, whole: part / whole if whole else 0.0  # noqa: E731
    alphabetic = sum(bool(set("wh") & set(letters[start:end])) for start, end in spans)
    return {
        "characters": len(text),
        "words": len(words),
        "symbols": symbols,
        "hashes": text.count("#"),
        "ellipses": text.count("...") + text.count("…"),
        "stop_words": len(bare & STOP_WORDS),
        "lines": len(lines),
        "paragraphs": len(paragraphs),
        "longest_line_characters": max(map(len, lines), default=0),
        "mean_word_characters": share(sum(lengths), len(words)),
        "alphabetic_word_fraction": share(alphabetic, len(words) + symbols),
        "digit_fraction": share(letters.count("d"), len(text)),
        "space_fraction": share(letters.count("s"), len(text)),
        "han_fraction": share(letters.count("h") + letters.count("g"), len(text)),
        "bullet_line_fraction": share(sum(line[0] in "•-" for line in lines), len(lines)),
        "ellipsis_line_fraction": share(sum(line.endswith(("...", "…")) for line in lines), len(lines)),
        "duplicate_line_fraction": share(repeated(lines)[0], len(lines)),
        "duplicate_line_character_fraction": share(repeated(lines)[1], len(text)),
        "duplicate_paragraph_fraction": share(repeated(paragraphs)[0], len(paragraphs)),
        "duplicate_paragraph_character_fraction": share(repeated(paragraphs)[1], len(text)),
    }


def rows(array: pa.Array) -> list[dict[str, float]]:
    columns = {name: values.to_pylist() for name, values in text_statistics(array).items()}
    assert words_and_symbols(array).tolist() == [
        (words or 0) + (symbols or 0) for words, symbols in zip(columns["words"], columns["symbols"], strict=True)
    ]
    return [{name: values[index] for name, values in columns.items()} for index in range(len(array))]


def one(text: str) -> dict[str, float]:
    return rows(pa.array([text]))[0]


@settings(max_examples=150, deadline=None)
@given(st.lists(texts, max_size=4))
def test_the_kernel_gives_what_its_slow_twin_gives(documents: list[str]) -> None:
    assert rows(pa.array(documents, pa.string())) == [slow_statistics(text) for text in documents]


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, min_size=1, max_size=8), st.data())
def test_cutting_into_batches_changes_nothing(documents: list[str], data: st.DataObject) -> None:
    whole = pa.array(documents, pa.large_string())
    cut = data.draw(st.integers(0, len(documents)))
    assert rows(whole) == rows(whole.slice(0, cut)) + rows(whole.slice(cut))


@pytest.mark.shared
@pytest.mark.parametrize("file", ["wikitext-2/valid.txt", "tinyshakespeare/input.txt", "zh/lunyu.json"])
def test_real_text_counts_as_the_slow_twin_counts_it(shared, file: str) -> None:
    text = (shared / file).read_text()[:40_000]
    assert one(text) == slow_statistics(text)


def test_an_english_word_keeps_apostrophe_underscore_and_decimal_point() -> None:
    assert one("don't max_x 3.14 1,000")["words"] == 4


def test_a_hyphen_parts_words() -> None:
    found = one("state-of-the-art")
    assert (found["words"], found["symbols"], found["stop_words"]) == (4, 3, 2)


def test_each_han_character_is_a_word_of_one_character() -> None:
    found = one("我用Python写代码。")
    assert (found["words"], found["symbols"]) == (6, 1)
    assert found["mean_word_characters"] == (5 + 6) / 6


def test_han_fraction_is_of_characters_and_counts_extension_b() -> None:
    assert one("中𠀀a。")["han_fraction"] == 0.5


def test_full_width_digits_are_digits_and_roman_numerals_are_not() -> None:
    assert one("１2Ⅳ")["digit_fraction"] == 2 / 3


def test_six_full_stops_are_two_ellipses_and_five_are_one() -> None:
    assert (one("......")["ellipses"], one(".....")["ellipses"], one("……")["ellipses"]) == (2, 1, 2)


def test_stop_words_count_with_what_is_invisible_in_them() -> None:
    assert one("have\x00 th\u200be \x00to be\u0301")["stop_words"] == 3


def test_stop_words_count_once_each_and_only_as_written() -> None:
    assert one("the the The of OF other thesis")["stop_words"] == 2


def test_blank_lines_are_no_lines_and_part_paragraphs() -> None:
    found = one("a\nb\n \t\nc\n\n\n")
    assert (found["lines"], found["paragraphs"]) == (3, 2)


def test_a_repeated_line_counts_after_its_first_time_without_its_margins() -> None:
    found = one("甲乙\n  甲乙 \n丙")
    assert found["duplicate_line_fraction"] == 1 / 3
    assert found["duplicate_line_character_fraction"] == 2 / 10


def test_a_repeated_paragraph_counts_with_its_inner_line_end() -> None:
    found = one("a\nb\n\na\nb")
    assert found["duplicate_paragraph_fraction"] == 0.5
    assert found["duplicate_paragraph_character_fraction"] == 3 / 8


def test_same_lines_in_another_order_are_another_paragraph() -> None:
    assert one("a\nb\n\nb\na")["duplicate_paragraph_fraction"] == 0


def test_a_null_has_null_statistics_and_an_empty_text_has_zeros() -> None:
    found = rows(pa.array(["a", None, ""]))
    assert set(found[1].values()) == {None}
    assert set(found[2].values()) == {0}


@pytest.mark.parametrize("array", [pa.array([], pa.string()), pa.nulls(3, pa.string()), pa.array([""], pa.string())])
def test_arrays_without_bytes_are_accepted(array: pa.Array) -> None:
    assert {len(values) for values in text_statistics(array).values()} == {len(array)}


def test_columns_come_in_the_stated_order_and_types() -> None:
    found = text_statistics(pa.array(["a"]))
    assert {name: values.type for name, values in found.items()} == STATISTICS


def test_other_types_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match="found an array of type int64; allowed are string and large_string"):
        text_statistics(pa.array([1]))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=12), min_size=1, max_size=5), st.binary(max_size=4))
def test_bytes_that_are_not_utf8_stay_inside_their_document(documents: list[bytes], after: bytes) -> None:
    def raw(parts: list[bytes]) -> pa.Array:
        offsets = np.cumsum([0, *map(len, parts)]).astype(np.int32)
        return pa.Array.from_buffers(
            pa.string(), len(parts), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(parts))]
        )

    assert rows(raw([*documents, after]))[:-1] == rows(raw(documents))
