"""The normal form of text: the kernels against a slow twin, and when nothing is copied."""

import re
import unicodedata
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.text.kernels import IS_SETTLED, decode_at, ideograph_at
from massivetext.text.normalising import compose_text, normalise_text
from massivetext.text.unicode_table import UNSETTLED, class_table

HOSTILE = (
    *(
        "\r",
        "\r\n",
        "\n",
        "\t",
        "\x00",
        "\x0c",
        "\x1b",
        "\x7f",
        "\x85",
        "\x9f",
        "\xa0",
        "\ufeff",
        "\ufffe",
        "e\u0301",
        "é",
    ),
    *(
        "\u0323\u0307",
        "\u0307\u0323",
        "각",
        "\u1100\u1161\u11a8",
        "豈",
        "\u2000",
        "Å",
        "中文",
        "ff",
        "ﬀ",
        "👍",
        "a\u200db",
    ),
)
characters = st.characters(exclude_categories=["Cs", "Cn", "Co"])
texts = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(characters, max_size=4)), max_size=20).map("".join)


def slow_normalise(text: str) -> str:
    text = re.sub("\r\n?", "\n", text)
    kept = [c for c in text if c in "\n\t" or (unicodedata.category(c) != "Cc" and c != "\ufeff")]
    return unicodedata.normalize("NFC", "".join(kept))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.none(), texts), max_size=5), st.sampled_from([pa.string(), pa.large_string()]))
def test_the_kernels_give_what_their_slow_twin_gives(documents: list[str | None], kind: pa.DataType) -> None:
    array = pa.array([None, "x", *documents], kind).slice(2)
    found = normalise_text(array)
    found.validate(full=True)
    assert found.type == kind
    assert found.to_pylist() == [None if text is None else slow_normalise(text) for text in documents]


@settings(max_examples=100, deadline=None)
@given(texts)
def test_normal_text_is_given_back_uncopied_the_second_time(text: str) -> None:
    once = normalise_text(pa.array([text]))
    assert normalise_text(once).equals(once)


def test_text_in_normal_form_is_the_same_array() -> None:
    array = pa.array(["plain\n\ttext", None, "中文，标点。", "café"])
    assert normalise_text(array) is array


def test_windows_and_old_mac_line_ends_become_line_feeds() -> None:
    assert normalise_text(pa.array(["a\r\nb\rc\r\r\nd"])).to_pylist() == ["a\nb\nc\n\nd"]


def test_a_control_between_letter_and_accent_does_not_keep_them_apart() -> None:
    assert normalise_text(pa.array(["e\x00\u0301"])).to_pylist() == ["é"]


def test_full_width_and_ligatures_stay_because_the_form_is_nfc() -> None:
    assert normalise_text(pa.array(["ＡＢＣ１ﬀ"])).to_pylist() == ["ＡＢＣ１ﬀ"]


def test_other_types_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match="found an array of type binary"):
        normalise_text(pa.array([b"a"]))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), texts), max_size=5))
def test_composing_changes_nothing_but_the_form(documents: list[str | None]) -> None:
    found = compose_text(pa.array(documents, pa.string())).to_pylist()
    assert found == [None if text is None else unicodedata.normalize("NFC", text) for text in documents]


def test_no_unsettled_character_begins_with_a_settled_byte() -> None:
    unsettled = [
        chr(code).encode() for code in np.flatnonzero(class_table() & UNSETTLED) if not 0xD800 <= code < 0xE000
    ]
    assert len(unsettled) > 1000
    assert not any(IS_SETTLED[character[0]] for character in unsettled)


def test_ideographs_are_those_characters_that_any_are_decoded_to() -> None:
    edges = (0x00, 0x41, 0x7F, 0x80, 0xBF, 0xC0, 0xE3, 0xE4, 0xE9, 0xEA, 0xFF)
    for data in (np.array(three, np.uint8) for three in product(edges, repeat=3)):
        code, size = decode_at(data, 0, 3)
        assert ideograph_at(data, 0, 3) == (code if size == 3 and 0x4000 <= code <= 0x9FFF else 0)
        assert ideograph_at(data, 0, 2) == 0


@pytest.mark.parametrize("marks", ["\u0323\u0301", "\u0301\u0323", "\u064e\u0651", "\u3099"])
def test_runs_of_marks_longer_than_any_language_has_are_parted_by_joiners(marks: str) -> None:
    text = "字" + marks * (20_000 // len(marks)) + "e\u0301"
    once = normalise_text(pa.array([text, "e\u0301", None]))
    assert [value and len(value) for value in once.to_pylist()[1:]] == [1, None]
    found = once[0].as_py()
    assert found[0] == "字" and found[-1] == "é" and max(map(len, found.split("\u034f"))) <= 32
    assert sorted(found.replace("\u034f", "")) == sorted(unicodedata.normalize("NFC", text))
    assert normalise_text(once).equals(once)


def test_shorter_runs_of_marks_are_left_as_nfc_has_them() -> None:
    text = "e" + "\u0301\u0323" * 31 + "x"
    assert normalise_text(pa.array([text]))[0].as_py() == unicodedata.normalize("NFC", text)
