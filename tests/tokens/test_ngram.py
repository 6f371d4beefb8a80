"""The Kneser-Ney model against a twin that counts tuples, and what it promises."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.errors import ConfigError, DataError
from massivetext.tokens.ngram import FALLBACK_DISCOUNTS, KneserNey, estimate_discounts, fit

START = 0
VOCAB = 5
documents = st.lists(st.lists(st.integers(1, VOCAB - 1), max_size=12), min_size=1, max_size=6).filter(any)


class SlowKneserNey:
    """The twin: counts in dictionaries of tuples, probabilities by recursion, straight from the definition."""

    def __init__(self, texts: list[list[int]], order: int) -> None:
        self.order = order
        raw: Counter[tuple[int, ...]] = Counter()
        before: dict[tuple[int, ...], set[int]] = defaultdict(set)
        for text in texts:
            tokens = [START, *text]
            for length in range(1, order + 1):
                for at in range(len(tokens) - length + 1):
                    gram = tuple(tokens[at : at + length])
                    raw[gram] += gram != (START,)
                    if at:
                        before[gram].add(tokens[at - 1])
        self.counts = {
            gram: count if len(gram) == order or gram[0] == START else len(before[gram])
            for gram, count in raw.items()
            if count
        }
        lengths = range(1, order + 1)
        self.discounts = {
            length: estimate_discounts(np.array([c for gram, c in self.counts.items() if len(gram) == length] or [0]))
            for length in lengths
        }

    def probability(self, context: tuple[int, ...], token: int) -> float:
        after = {gram[-1]: count for gram, count in self.counts.items() if gram[:-1] == context}
        lower = self.probability(context[1:], token) if context else 1 / (VOCAB - 1)
        if not after:
            return lower
        discount = {word: self.discounts[len(context) + 1][min(count, 3) - 1] for word, count in after.items()}
        total = sum(after.values())
        return (after.get(token, 0) - discount.get(token, 0)) / total + sum(discount.values()) / total * lower

    def nll(self, text: list[int]) -> list[float]:
        tokens = [START, *text]
        contexts = [tuple(tokens[max(0, at - self.order + 1) : at]) for at in range(1, len(tokens))]
        return [-np.log(self.probability(context, token)) for context, token in zip(contexts, text, strict=True)]


def fitted(texts: list[list[int]], order: int = 3) -> KneserNey:
    return fit((np.array(text, dtype=np.uint16) for text in texts), order=order, start_id=START, vocab_size=VOCAB)


@settings(max_examples=150, deadline=None)
@given(documents, documents, st.integers(1, 5))
def test_the_model_gives_what_its_slow_twin_gives(
    training: list[list[int]], texts: list[list[int]], order: int
) -> None:
    model, twin = fitted(training, order), SlowKneserNey(training, order)
    for text in texts:
        np.testing.assert_allclose(model.nll(np.array(text, dtype=np.int64)), twin.nll(text), rtol=1e-12)


@settings(max_examples=100, deadline=None)
@given(documents, st.lists(st.integers(1, VOCAB - 1), max_size=6), st.integers(1, 5))
def test_probabilities_add_up_to_one_over_all_but_the_start_id(
    training: list[list[int]], context: list[int], order: int
) -> None:
    model = fitted(training, order)
    total = sum(np.exp(-model.nll(np.array([*context, token]))[-1]) for token in range(1, VOCAB))
    assert total == pytest.approx(1, abs=1e-12)


def test_estimated_discounts_are_those_of_chen_and_goodman() -> None:
    counts = np.repeat([1, 2, 3, 4, 9], [100, 40, 20, 10, 5])
    scale = 100 / 180
    expected = (1 - 2 * scale * 40 / 100, 2 - 3 * scale * 20 / 40, 3 - 4 * scale * 10 / 20)
    assert estimate_discounts(counts) == pytest.approx(expected)


@pytest.mark.parametrize("counts", [[1, 1, 2], [1, 2, 3], [2, 3, 4], [0], [1] * 10 + [2] + [3] * 9 + [4]])
def test_counts_that_allow_no_estimate_give_the_fallback_discounts(counts: list[int]) -> None:
    # In the last, so many n-grams were seen thrice that less than nothing would be taken from those seen twice.
    assert estimate_discounts(np.array(counts)) == FALLBACK_DISCOUNTS


def test_a_token_never_seen_has_a_finite_price() -> None:
    assert np.isfinite(fitted([[1, 1, 1]]).nll(np.array([4, 4]))).all()


def test_an_empty_document_has_no_prices() -> None:
    assert fitted([[1, 2]]).nll(np.array([], dtype=np.uint16)).shape == (0,)


def test_the_order_of_documents_changes_nothing() -> None:
    texts = [[1, 2, 3], [3, 2], [4, 1, 1, 2]]
    text = np.array([1, 2, 3, 4, 1])
    assert np.array_equal(fitted(texts).nll(text), fitted(texts[::-1]).nll(text))


def test_n_grams_do_not_cross_documents() -> None:
    apart, joined = fitted([[1, 2], [3, 4]] * 9), fitted([[1, 2, 3, 4]] * 9)
    text = np.array([1, 2, 3])
    assert apart.nll(text)[2] > joined.nll(text)[2]


def test_the_start_of_a_document_is_known() -> None:
    model = fitted([[1, 2, 3], [1, 3, 2], [1, 2, 2]] * 5)
    first = model.nll(np.array([1]))[0]
    later = model.nll(np.array([2, 1]))[1]
    assert first < later


def test_an_order_longer_than_every_document_is_cut_to_what_was_seen() -> None:
    assert fitted([[1], [2]], order=5).order == 2


def test_the_start_id_inside_a_document_is_refused_with_its_place() -> None:
    with pytest.raises(DataError, match="found the start id 0 at place 2 of a document"):
        fitted([[1, 2, START]])
    with pytest.raises(DataError, match="start id 0 at place 0"):
        fitted([[1, 2]]).nll(np.array([START]))


def test_an_id_outside_of_the_vocabulary_is_refused() -> None:
    with pytest.raises(DataError, match="found token id 5; allowed are 0 to 4"):
        fitted([[1, 5]])


@pytest.mark.parametrize("texts", [[], [[]], [[], []]])
def test_no_token_at_all_is_refused(texts: list[list[int]]) -> None:
    with pytest.raises(DataError, match=f"found no token in {len(texts)} documents"):
        fitted(texts)


@pytest.mark.parametrize("values", [{"order": 0}, {"vocab_size": 1}, {"start_id": 5}])
def test_settings_without_sense_are_refused_with_their_values(values: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="found order"):
        fit([np.array([1])], **{"order": 3, "start_id": 0, "vocab_size": 5, **values})


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "lowest", "highest"), [("tinyshakespeare/input.txt", 1.8, 2.6), ("zh/lunyu.json", 1.5, 3.2)]
)
def test_bytes_of_english_and_chinese_cost_less_with_longer_contexts(
    shared, file: str, lowest: float, highest: float
) -> None:
    data = np.frombuffer((shared / file).read_bytes(), dtype=np.uint8).astype(np.uint16) + 1
    training, test = data[: len(data) * 9 // 10], data[len(data) * 9 // 10 :]
    bits = [
        fit([training], order=order, start_id=0, vocab_size=257).nll(test).mean() / np.log(2) for order in (1, 3, 5)
    ]
    assert bits[0] > bits[1] > bits[2]
    assert lowest < bits[2] < highest
