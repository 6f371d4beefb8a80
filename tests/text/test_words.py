"""Word hashes, repetition of n-grams and MinHash: each kernel against a slow twin, and the definitions by example."""

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.text.minhash import band_keys, common, hash_functions, shingle_sets, signatures
from massivetext.text.repetition import DUPLICATE_ORDERS, TOP_ORDERS, repetition_statistics
from massivetext.text.unicode_table import DIGIT, HAN, IGNORED, LETTER, MARK, NUMBER, class_table
from massivetext.text.words import fold_table, hash_words

HOSTILE = (
    "the cat ", "a b c ", "the cat sat on the mat ", "don't ", "3.14 ", "1,000 ", "x_y ", "Ａ", "ﬁ ", "İ ", "ß", "_",
    "'", "’", ".", "，", "春眠不觉晓", "处处闻啼鸟。", "中文 and English ", "⼀", "𠀀", "한국어 ", "かな",
    "e\u0301", "\u0301", "\u200b", "\u00ad", "\ufeff", "\x00", "\n\n", "\u3000", "❤\ufe0f", "👩\u200d👩", "१२",
    "\U000e0100", "A ", "a ", "THE CAT ",
)  # fmt: skip
pieces = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=4))
texts = st.lists(pieces, max_size=40).map("".join)
WORD = re.compile(r"h[mi]*|[wnd](?:[wndmi]|a(?=w)|(?<=d)p(?=d)|u(?=[wnd]))*")


def letter_of(character: str) -> str:
    bits = class_table()[ord(character)]
    for bit, letter in ((MARK, "m"), (IGNORED, "i"), (HAN, "h"), (LETTER, "w"), (DIGIT, "d"), (NUMBER, "n")):
        if bits & bit:
            return letter
    return {"'": "a", "’": "a", ".": "p", ",": "p", "_": "u"}.get(character, "x")


def fold(character: str) -> str:
    return chr(ord(character) + fold_table()[ord(character)])


def slow_words(text: str) -> list[tuple[str, int, int]]:
    """The twin of hash_words: (word as compared, first character, character after the last)."""
    letters = "".join(map(letter_of, text))
    found = []
    for match in WORD.finditer(letters):
        start, end = match.span()
        if letters[start] == "h":
            found.append((fold(text[start]), start, start + 1))
            continue
        while letters[end - 1] == "i":
            end -= 1
        kept = [at for at in range(start, end) if letters[at] != "i"]
        found.append(("".join(text[at] if letters[at] == "m" else fold(text[at]) for at in kept), start, end))
    return found


def slow_repetition(text: str) -> dict[str, float]:
    """The twin of repetition_statistics: n-grams as tuples, characters as a set."""
    words = slow_words(text)
    found = {}
    for order in (*TOP_ORDERS, *DUPLICATE_ORDERS):
        grams = [tuple(word for word, _, _ in words[at : at + order]) for at in range(len(words) - order + 1)]
        counts = Counter(grams)
        covered: set[int] = set()
        most = max(counts.values(), default=0)
        top = next((gram for gram in grams if counts[gram] == most), None) if most > 1 else None
        seen = set()
        for at, gram in enumerate(grams):
            if gram == top if order in TOP_ORDERS else gram in seen:
                covered.update(range(words[at][1], words[at + order - 1][2]))
            seen.add(gram)
        kind = "top" if order in TOP_ORDERS else "duplicate"
        found[f"{kind}_{order}_gram_character_fraction"] = len(covered) / max(len(text), 1)
    return found


def slow_shingles(text: str, ngram: int, han_ngram: int) -> set[tuple[str, ...]]:
    """The twin of shingle_sets: shingles as tuples of words."""
    words = [word for word, _, _ in slow_words(text)]
    found = set()
    for at, word in enumerate(words):
        size = han_ngram if class_table()[ord(word[0])] & HAN and len(word) == 1 else ngram
        if at + size <= len(words):
            found.add(tuple(words[at : at + size]))
    return found or ({tuple(words)} if words else set())


def repetition(*documents: str) -> list[dict[str, float]]:
    array = pa.array(documents, pa.string())
    columns = {name: values.to_pylist() for name, values in repetition_statistics(hash_words(array), array).items()}
    return [{name: values[row] for name, values in columns.items()} for row in range(len(documents))]


def sets(*documents: str, ngram: int = 5, han_ngram: int = 8) -> list[set[int]]:
    found, offsets = shingle_sets(hash_words(pa.array(documents, pa.string())), ngram, han_ngram)
    return [set(found[start:end].tolist()) for start, end in pairwise(offsets)]


@settings(max_examples=150, deadline=None)
@given(st.lists(texts, max_size=4))
def test_words_are_those_of_the_slow_twin_and_equal_words_have_equal_hashes(documents: list[str]) -> None:
    words = hash_words(pa.array(documents, pa.string()))
    expected = [entry for text in documents for entry in slow_words(text)]
    assert list(zip(words.starts.tolist(), words.ends.tolist())) == [(start, end) for _, start, end in expected]
    hashes = {}
    for (word, _, _), value in zip(expected, words.hashes.tolist()):
        assert hashes.setdefault(word, value) == value
        assert bool(value & 1) == bool(len(word) == 1 and class_table()[ord(word)] & HAN)
    assert len(set(hashes.values())) == len(hashes)
    assert words.characters.tolist() == [len(text) for text in documents]


@settings(max_examples=150, deadline=None)
@given(st.lists(texts, max_size=3))
def test_repetition_is_that_of_the_slow_twin(documents: list[str]) -> None:
    assert repetition(*documents) == [slow_repetition(text) for text in documents]


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, min_size=2, max_size=4), st.integers(1, 5), st.integers(1, 8))
def test_shingles_are_shared_as_those_of_the_slow_twin_are(documents: list[str], ngram: int, han_ngram: int) -> None:
    fast = sets(*documents, ngram=ngram, han_ngram=han_ngram)
    slow = [slow_shingles(text, ngram, han_ngram) for text in documents]
    assert [len(found) for found in fast] == [len(found) for found in slow]
    for left, right in pairwise(range(len(documents))):
        assert len(fast[left] & fast[right]) == len(slow[left] & slow[right])


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, min_size=1, max_size=3))
def test_a_signature_is_the_smallest_value_of_each_function_over_the_shingles(documents: list[str]) -> None:
    found, counts = signatures(hash_words(pa.array(documents, pa.string())), 14, 5, 8)
    factors, summands = (numbers.tolist() for numbers in hash_functions(14))
    for row, shingles in enumerate(sets(*documents)):
        assert (counts[row] > 0) == bool(shingles)
        for function in range(14):
            values = [(factors[function] * (shingle >> 32) + summands[function]) % 2**32 for shingle in shingles]
            assert found[row, function] == min(values, default=2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, min_size=1, max_size=6), st.data())
def test_cutting_into_batches_changes_nothing(documents: list[str], data: st.DataObject) -> None:
    whole = pa.array(documents, pa.large_string())
    cut = data.draw(st.integers(0, len(documents)))
    parts = [whole.slice(0, cut), whole.slice(cut)]
    signed = [signatures(hash_words(part), 8, 5, 8)[0] for part in (whole, *parts)]
    assert (signed[0] == np.concatenate(signed[1:])).all()
    measured = [repetition_statistics(hash_words(part), part) for part in (whole, *parts)]
    for name, values in measured[0].items():
        assert values.to_pylist() == measured[1][name].to_pylist() + measured[2][name].to_pylist()


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_common_counts_what_two_sets_share(left: set[int], right: set[int]) -> None:
    arrays = [np.array(sorted(values), np.uint64) for values in (left, right)]
    assert common(*arrays) == len(left & right)


@pytest.mark.shared
@pytest.mark.parametrize("file", ["wikitext-2/valid.txt", "zh/lunyu.json"])
def test_real_text_is_measured_as_the_slow_twin_measures_it(shared, file: str) -> None:
    text = (shared / file).read_text()[:15_000]
    assert repetition(text) == [slow_repetition(text)]
    assert len(sets(text)[0]) == len(slow_shingles(text, 5, 8))


def test_case_width_and_invisible_characters_make_no_other_word() -> None:
    words = hash_words(pa.array(["Word ＷＯＲＤ wo\u00adrd word", "一⼀"]))
    assert len(set(words.hashes[:4].tolist())) == 1 and len(set(words.hashes[4:].tolist())) == 1


def test_the_top_bigram_covers_each_of_its_characters_once() -> None:
    assert repetition("ha ha ha ha")[0]["top_2_gram_character_fraction"] == 1.0
    assert repetition("春眠春眠春眠")[0]["top_2_gram_character_fraction"] == 1.0
    assert repetition("a b c a b d")[0]["top_2_gram_character_fraction"] == 6 / 11


def test_a_text_whose_n_grams_occur_once_repeats_nothing() -> None:
    assert set(repetition("one two three four")[0].values()) == {0.0}


def test_a_duplicate_n_gram_counts_from_its_second_time_with_what_stands_between_its_words() -> None:
    found = repetition("a b c d e! a b c d e")[0]
    assert found["duplicate_5_gram_character_fraction"] == 9 / 20
    assert found["duplicate_6_gram_character_fraction"] == 0


def test_punctuation_does_not_part_shingles_and_order_does() -> None:
    left, right, other = sets("one two, three four five", "One two three. Four five!", "five four three two one")
    assert left == right and not left & other


def test_chinese_shingles_are_runs_of_characters() -> None:
    assert [len(found) for found in sets("春眠不觉晓处处闻啼鸟", "春眠", "。")] == [3, 1, 0]


def test_similar_texts_meet_in_a_band_and_others_do_not() -> None:
    base = [f"word{number}" for number in range(300)]
    near = " ".join([*base[:150], "changed", *base[151:]])
    far = " ".join(f"other{number}" for number in range(300))
    signed, _ = signatures(hash_words(pa.array([" ".join(base), near, far])), 112, 5, 8)
    keys = band_keys(signed, 16, 7)
    assert (keys[:, 0] == keys[:, 1]).any() and not (keys[:, 0] == keys[:, 2]).any()


def test_signatures_estimate_similarity() -> None:
    base = [f"w{number}" for number in range(2000)]
    documents = [" ".join(base), " ".join([*base[:1600], *(f"x{number}" for number in range(400))])]
    signed, _ = signatures(hash_words(pa.array(documents)), 2000, 1, 1)
    assert abs((signed[0] == signed[1]).mean() - 1600 / 2400) < 0.04


def test_a_null_has_no_words_and_null_fractions() -> None:
    array = pa.array(["a b a b", None])
    words = hash_words(array)
    assert words.offsets.tolist() == [0, 4, 4]
    assert {values[1].as_py() for values in repetition_statistics(words, array).values()} == {None}


@pytest.mark.parametrize("array", [pa.array([], pa.string()), pa.nulls(2, pa.string()), pa.array([""], pa.string())])
def test_arrays_without_words_are_accepted(array: pa.Array) -> None:
    words = hash_words(array)
    assert signatures(words, 4, 5, 8)[1].tolist() == [0] * len(array)
    assert len(shingle_sets(words, 5, 8)[0]) == 0
