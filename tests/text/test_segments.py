"""The segmenter's words: the kernel against a slow twin, in Chinese, English and hostile Unicode."""

import pyarrow as pa
import rjieba
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.text.segments import STOP_WORDS, segment
from massivetext.text.unicode_table import HAN, IGNORED, LETTER, MARK, SPACE, WORD_CLASSES, class_table

PIECES = (
    "我们喜欢吃苹果",
    "的",
    "·",
    "中国人民",
    "的年",
    "the cat ",
    "3.14",
    "。",
    "，，",
    " ",
    "\n",
    "\u200b",
    "e\u0301",
    "𠀀",
    "\x00",
    "\x1f",
)
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(st.characters(exclude_categories=["Cs"]), max_size=4)),
                 max_size=20).map("".join)  # fmt: skip


def slow_segment(text: str) -> tuple[list[tuple[str, int, int]], list[int]]:
    """The twin: (word, first character, character after the last), and the counts."""
    words, stops, symbols, alphabetic, at = [], set(), 0, 0, 0
    for token in rjieba.cut(text):
        bits = [int(class_table()[ord(character)]) for character in token]
        if token in STOP_WORDS:
            stops.add(token)
        if any(bit & (WORD_CLASSES | HAN) for bit in bits):
            words.append((token, at, at + len(token)))
            alphabetic += any(bit & (LETTER | HAN) for bit in bits)
        else:
            symbols += not all(bit & (SPACE | IGNORED | MARK) for bit in bits)
        at += len(token)
    return words, [len(words), symbols, len(stops), sum(len(word) for word, _, _ in words), alphabetic]


@settings(max_examples=150, deadline=None)
@given(st.lists(texts, max_size=4))
def test_words_and_counts_are_those_of_the_slow_twin(documents):
    words, counts = segment(pa.array([*documents, None], pa.string()))
    met = {}
    for row, text in enumerate(documents):
        expected, numbers = slow_segment(text)
        place = slice(words.offsets[row], words.offsets[row + 1])
        assert list(zip(words.starts[place], words.ends[place])) == [(start, end) for _, start, end in expected]
        assert counts[row].tolist() == numbers and words.characters[row] == len(text)
        for value, (word, _, _) in zip(words.hashes[place].tolist(), expected):
            assert met.setdefault(word, value) == value
    assert len(set(met.values())) == len(met)
    assert not counts[-1].any()
