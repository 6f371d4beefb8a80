"""Page statistics and C4's lines: each kernel against a slow twin, and the definitions by example."""

import re
from collections import Counter
from math import log

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.text.grams import repeated_grams
from massivetext.text.pages import MORE_ENDS, PAGES, page_statistics
from massivetext.text.statistics import words_and_symbols
from massivetext.text.terminals import CLOSING, SENTENCE_ENDS, WIDE_ENDS
from massivetext.text.unicode_table import DIGIT, HAN, IGNORED, MARK, SPACE, WORD_CLASSES, class_table
from massivetext.text.web_lines import POLICIES, keep_lines
from massivetext.text.words import fold_table

HOSTILE = (
    "A sentence. ",
    "Really?! ",
    "end.\n",
    "end...\n",
    '"quoted."\n',
    "它结束了。",
    "真的？”\n",
    "更多\n",
    "Read More\n",
    "。。。\n",
    "【广告】",
    "【【a】】",
    "12 ",
    "１２",
    "１．５",
    "走了．他说｡",
    "是。\n",
    "完｡\n",
    "了．\n",
    "好。｣\n",
    "Sanskrit ।\n",
    "𑁇",
    "﹗",
    "\n",
    "\n\n",
    " \n",
    "\u3000",
    "same line here\n",
    "javascript ",
    "Terms of Use\n",
    "[12]",
    "[edit]",
    "[citation needed]",
    "[]",
    "[x]",
    "...",
    "\u200b",
    "e\u0301",
    "𠀀",
    "中文中文中文中文中文中文中文",
    "a" * 20,
    "\x00",
    "{",
    "lorem ipsum",
    "\u0085",
    "한국어 ",
    "。",
    "!",
    "one two three.\n",
)
pieces = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=4))
texts = st.lists(pieces, max_size=30).map("".join)


def bits(character: str) -> int:
    return int(class_table()[ord(character)])


def trimmed(line: str) -> str:
    while line and bits(line[0]) & SPACE:
        line = line[1:]
    while line and bits(line[-1]) & SPACE:
        line = line[:-1]
    return line


def fold(text: str) -> str:
    return "".join(chr(ord(character) + fold_table()[ord(character)]) for character in text)


def ends(line: str) -> bool:
    while line and ord(line[-1]) in CLOSING:
        line = line[:-1]
    return bool(line) and ord(line[-1]) in SENTENCE_ENDS


def more(line: str) -> bool:
    return any(
        len(line) >= len(end) and all(c == e or fold(c) == e for c, e in zip(line[::-1], end[::-1]))
        for end in MORE_ENDS
    )


def slow_pages(text: str) -> dict[str, float]:
    """The twin of page_statistics for one text."""
    share = lambda part, whole: part / whole if whole else 0.0  # noqa: E731
    lines = [line for line in map(trimmed, text.split("\n")) if line]
    repeated = sum(len(line) for index, line in enumerate(lines) if line in lines[:index])
    punctuation = sum(not bits(c) & (WORD_CLASSES | SPACE | MARK | IGNORED | HAN) for c in text)
    sentences = 0
    for at, character in enumerate(text):
        if ord(character) in SENTENCE_ENDS:
            after = text[at + 1] if at + 1 < len(text) else " "
            free = bits(after) & SPACE or ord(after) in CLOSING or ord(character) in WIDE_ENDS
            if character in "．﹒․" and bits(after) & WORD_CLASSES and not bits(after) & HAN:
                free = False
            sentences += bool(ord(after) not in SENTENCE_ENDS and free)
    counts = Counter(text)
    return {
        "characters": len(text),
        "line_feeds": text.count("\n"),
        "sentences": sentences,
        "punctuation": punctuation,
        "ended_line_fraction": share(sum(map(ends, lines)), len(lines)),
        "short_line_fraction": share(sum(len(line) <= 30 for line in lines), len(lines)),
        "more_line_fraction": share(sum(map(more, lines)), len(lines)),
        "mean_line_characters": share(sum(map(len, lines)), len(lines)),
        "duplicate_line_character_fraction": share(repeated, len(text.replace("\n", ""))),
        "ideograph_fraction": share(len(re.findall("[\u4e00-\u9fa5]", text)), len(text)),
        "alphanumeric_fraction": share(sum(bool(bits(c) & WORD_CLASSES) for c in text), len(text)),
        "digit_fraction": share(sum(bool(bits(c) & DIGIT) for c in text), len(text) - punctuation),
        "bracketed_fraction": share(sum(map(len, re.findall("(?s)【(.*?)】", text))), len(text)),
        "unique_character_fraction": share(len(counts), len(text)),
        "character_entropy_nats": -sum(n / len(text) * log(n / len(text)) for n in counts.values()),
        "line_feeds_per_word": text.count("\n") / max(words_and_symbols(pa.array([text]))[0], 1),  # has a twin itself
    }


def slow_repeated_grams(text: str) -> float:
    """The twin of repeated_grams for one text."""
    bare = fold("".join(c for c in text if not bits(c) & SPACE))
    grams = [bare[at : at + 13] for at in range(len(bare) - 12)]
    counts = Counter(grams)
    return sum(counts[gram] > 1 for gram in grams) / max(len(grams), 1)


def rows(*documents: str) -> list[dict[str, float]]:
    columns = {name: values.to_pylist() for name, values in page_statistics(pa.array(documents, pa.string())).items()}
    return [{name: values[index] for name, values in columns.items()} for index in range(len(documents))]


@settings(max_examples=150, deadline=None)
@given(st.lists(texts, max_size=3))
def test_pages_are_measured_as_the_slow_twin_measures_them(documents: list[str]) -> None:
    for found, text in zip(rows(*documents), documents, strict=True):
        assert found == pytest.approx(slow_pages(text))
    fractions = repeated_grams(pa.array(documents, pa.string())).to_pylist()
    assert fractions == pytest.approx([slow_repeated_grams(text) for text in documents])


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, min_size=1, max_size=5), st.data())
def test_cutting_into_batches_changes_nothing(documents: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(documents)))
    assert rows(*documents) == rows(*documents[:cut]) + rows(*documents[cut:])
    whole = pa.array(documents, pa.large_string())
    arguments = (True, 3, 1000, True)
    parts = [keep_lines(part, *arguments).to_pylist() for part in (whole, whole.slice(0, cut), whole.slice(cut))]
    assert parts[0] == parts[1] + parts[2]


BLANK = "[ \t-\r\u3000]"
WORD = re.compile(f"[\u3400-\u4dbf\u4dc0-\u9fff]|(?:(?!{BLANK}|[\u3400-\u9fff]).)+", re.DOTALL)

HAN_WORD = re.compile("[\u3400-\u9fff]")
LETTER = re.compile("[0-9A-Za-z]|[^\x00-\xbf\u2000-\u203f\u3000-\u303f\uff00-\uff7f]")


LINE_ENDS = (*(chr(code) for code in SENTENCE_ENDS - {ord("…"), ord("‥")}), *"\"'”’」』｣")


def slow_lines(text: str, ended: bool, min_words: int, longest: int, policies: bool) -> str:
    """The twin of keep_lines for one text."""
    kept = []
    for line in text.split("\n"):
        line = re.sub(r"(?i)\[\d*\]|\[edit\]|\[citation needed\]".replace(r"\d", "[0-9]"), "", line)
        line = re.sub(f"^{BLANK}+|{BLANK}+$", "", line)
        ascii_lower = re.sub("[A-Z]", lambda found: found[0].lower(), line)
        words = WORD.findall(line)
        if not line or (ended and (not line.endswith(LINE_ENDS) or line.endswith("..."))):
            continue
        counted = [word for word in words if LETTER.search(word)]
        if (policies and any(word in ascii_lower for word in POLICIES)) or len(counted) < min_words:
            continue
        if max((len(word) for word in words if not HAN_WORD.fullmatch(word)), default=0) <= longest:
            kept.append(line)
    return "\n".join(kept)


@settings(max_examples=250, deadline=None)
@given(st.lists(texts, max_size=3), st.booleans(), st.integers(0, 4), st.sampled_from([5, 1000]), st.booleans())
def test_lines_are_kept_as_the_slow_twin_keeps_them(
    documents: list[str], ended: bool, min_words: int, longest: int, policies: bool
) -> None:
    array = pa.array(documents, pa.string())
    expected = [slow_lines(text, ended, min_words, longest, policies) for text in documents]
    assert keep_lines(array, ended, min_words, longest, policies).to_pylist() == expected


@pytest.mark.shared
@pytest.mark.parametrize("file", ["wikitext-2/valid.txt", "zh/lunyu.json"])
def test_real_text_is_measured_and_cut_as_the_slow_twins_do(shared, file: str) -> None:
    text = (shared / file).read_text()[:30_000]
    assert rows(text)[0] == pytest.approx(slow_pages(text))
    assert keep_lines(pa.array([text]), True, 3, 1000, True).to_pylist() == [slow_lines(text, True, 3, 1000, True)]


def test_a_null_stays_null() -> None:
    assert {values[0].as_py() for values in page_statistics(pa.array([None], pa.string())).values()} == {None}
    assert keep_lines(pa.array(["no", None]), True, 3, 1000, True).to_pylist() == ["", None]


def test_columns_come_in_the_stated_order_and_types() -> None:
    assert {name: values.type for name, values in page_statistics(pa.array(["a"])).items()} == PAGES


@pytest.mark.parametrize("end", ["．", "｡", "。", "！", "？", "﹒", "﹗", "⁇", "‼", "։", "។", "။", "꓿", "𑁇"])
def test_every_script_s_terminal_punctuation_ends_lines_and_sentences(end: str) -> None:
    text = f"清晨的港口很安静{end}海鸥从船上飞过{end}"
    assert rows(text)[0]["sentences"] == 2
    assert rows(f"{text}\n{text}”")[0]["ended_line_fraction"] == 1
    assert keep_lines(pa.array([text]), True, 3, 1000, True).to_pylist() == [text]


@pytest.mark.parametrize("end", ["，", "、", "；", "：", ",", "…", "..."])
def test_other_punctuation_ends_no_line(end: str) -> None:
    assert keep_lines(pa.array([f"清晨的港口很安静{end}"]), True, 3, 1000, True).to_pylist() == [""]


@pytest.mark.parametrize(
    ("text", "sentences"), [("高１．５米", 0), ("他走了．１人留下", 0), ("他走了．她留下", 1), ("Ｕ．Ｓ", 0)]
)
def test_a_wide_full_stop_before_a_digit_or_a_letter_ends_no_sentence(text: str, sentences: int) -> None:
    assert rows(text)[0]["sentences"] == sentences
