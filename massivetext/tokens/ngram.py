"""An n-gram language model on token ids: interpolated Kneser-Ney with modified discounts.

Kneser and Ney 1995; Chen and Goodman 1998 (three discounts per order); the counts and the handling of the document's
start are those of KenLM (Heafield et al. 2013). It is the statistical baseline beside neural bits-per-byte numbers.

The n-grams form a tree: a node of level k is one distinct run of k tokens, and its key is `parent * vocab_size + last
token`, where the parent is the node of its first k - 1 tokens. A node's number is the place of its key in the sorted
list, so fitting is a few sorts and scoring a few binary searches, all in NumPy: nothing is compiled.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from massivetext.errors import ConfigError, DataError

Ids = npt.NDArray[np.integer[Any]]
Nodes = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""Used, as in KenLM, where there are too few n-grams to estimate discounts from."""


@dataclass(frozen=True)
class Level:
    """The n-grams of one length k, and what they say about their last token."""

    keys: Nodes
    """`parent * vocab_size + last token` of each node, ascending; empty at level 1, where a node is its token."""
    shares: Values
    """For each node: the discounted part of its parent's probability that goes to its last token."""
    backoffs: Values
    """For each node of level k - 1: the part of its probability that is left to the level below."""


class KneserNey:
    """A fitted model; `fit` makes one."""

    def __init__(self, levels: list[Level], start_id: int, vocab_size: int) -> None:
        self.levels = levels
        self.start_id = start_id
        self.vocab_size = vocab_size

    @property
    def order(self) -> int:
        """The longest n-gram that was seen, in tokens."""
        return len(self.levels)

    def nll(self, ids: Ids) -> Values:
        """Return the negative log probability of each token of one document, in nats, (tokens,) float64.

        ids: (tokens,) token ids of the document alone; the start id before it is understood. Over all tokens but the
        start id, which is never predicted, the probabilities add up to 1. Errors: DataError for the start id or an id
        outside of the vocabulary.
        """
        check_ids(ids, self.start_id, self.vocab_size)
        tokens = np.concatenate([[self.start_id], ids]).astype(np.int64)
        first = self.levels[0]
        probability = first.shares[tokens[1:]] + first.backoffs[0] / (self.vocab_size - 1)
        contexts = tokens[:-1]  # the node of the k - 1 tokens before each predicted one; -1 where it was never seen
        for level in self.levels[1:]:
            nodes = find(level.keys, contexts * self.vocab_size + tokens[1:])
            nodes[contexts < 0] = -1
            share = np.where(nodes >= 0, level.shares[nodes], 0.0)
            backoff = np.where(contexts >= 0, level.backoffs[contexts], 1.0)
            probability = share + backoff * probability
            contexts = np.concatenate([[-1], nodes[:-1]])[: len(nodes)]
        nats: Values = -np.log(probability)
        return nats


def fit(documents: Iterable[Ids], *, order: int, start_id: int, vocab_size: int) -> KneserNey:
    """Return the model of the documents' n-grams up to `order` tokens.

    documents: token ids of one document each, without the start id; n-grams do not cross documents, and each document
    is read as if the start id stood before it. Takes about 160 bytes of memory a token while it works.
    Errors: ConfigError for an order below 1 or a vocabulary without room; DataError for ids that do not belong, or when
    there is not one token.
    """
    if order < 1 or vocab_size < 2 or not 0 <= start_id < vocab_size:
        raise ConfigError(
            f"found order {order}, start id {start_id}, vocabulary of {vocab_size}; allowed are an order of 1 or more, "
            "2 or more ids and a start id among them"
        )
    text = join_documents(documents, start_id, vocab_size)
    runs = Runs(
        nodes=text.tokens.astype(np.int64),
        keys=np.empty(0, dtype=np.int64),
        parents=np.zeros(vocab_size, dtype=np.int64),
        counts=np.bincount(text.tokens[text.tokens != start_id], minlength=vocab_size),  # it is never predicted
        places=np.empty(0, dtype=np.int64),
        opening=np.zeros(vocab_size, dtype=bool),
    )
    levels = []
    contexts = 1
    for length in range(1, order):
        longer = lengthen(runs, length, text)
        # What counts for a shorter n-gram is before how many different tokens it stood, unless it opens a document.
        before = np.bincount(runs.nodes[longer.places + 1], minlength=len(runs.counts))
        levels.append(make_level(runs, np.where(runs.opening, runs.counts, before), contexts))
        contexts = len(runs.counts)
        runs = longer
    levels.append(make_level(runs, runs.counts, contexts))
    return KneserNey([level for level in levels if len(level.shares)], start_id, vocab_size)


@dataclass(frozen=True)
class TrainingText:
    """All documents in a row."""

    tokens: npt.NDArray[np.int32]
    """(tokens and documents,) with the start id before each document."""
    left: npt.NDArray[np.int32]
    """For each place: how many tokens, its own among them, are left in its document."""
    start_id: int
    vocab_size: int


@dataclass(frozen=True)
class Runs:
    """The distinct n-grams of one length in the training text, while a model is fitted."""

    nodes: Nodes
    """For each place of the text: the node of the n-gram that begins there; meaningless where none fits."""
    keys: Nodes
    """For each node, as in Level."""
    parents: Nodes
    """For each node: the node of all its tokens but the last."""
    counts: npt.NDArray[np.integer[Any]]
    """For each node: how often it occurs."""
    places: Nodes
    """For each node: a place where it begins."""
    opening: npt.NDArray[np.bool_]
    """For each node: whether it begins with the start id."""


def lengthen(runs: Runs, length: int, text: TrainingText) -> Runs:
    """Return the n-grams of `length` + 1 tokens, from those of `length`."""
    fitting = np.flatnonzero(text.left > length)
    keys, first, inverse, counts = np.unique(
        runs.nodes[fitting] * text.vocab_size + text.tokens[fitting + length],
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    nodes = np.zeros(len(text.tokens), dtype=np.int64)
    nodes[fitting] = inverse
    places = fitting[first]
    return Runs(nodes, keys, keys // text.vocab_size, counts, places, text.tokens[places] == text.start_id)


def join_documents(documents: Iterable[Ids], start_id: int, vocab_size: int) -> TrainingText:
    """Return the documents in a row, each with the start id before it."""
    parts = [np.empty(0, dtype=np.int32)]
    for ids in documents:
        check_ids(ids, start_id, vocab_size)
        part = np.empty(len(ids) + 1, dtype=np.int32)
        part[0], part[1:] = start_id, ids
        parts.append(part)
    lengths = np.array([len(part) for part in parts])
    tokens = np.concatenate(parts)
    if len(tokens) == len(parts) - 1:
        raise DataError(f"found no token in {len(parts) - 1} documents; an n-gram model needs at least one")
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(tokens))
    return TrainingText(tokens, left.astype(np.int32), start_id, vocab_size)


def make_level(runs: Runs, counts: npt.NDArray[np.integer[Any]], contexts: int) -> Level:
    """Return the level of these n-grams, by what counts for each; `contexts` is how many nodes the level above has."""
    discount = np.array([0.0, *estimate_discounts(counts)])[np.minimum(counts, 3)]
    total = np.bincount(runs.parents, weights=counts, minlength=contexts)
    removed = np.bincount(runs.parents, weights=discount, minlength=contexts)
    # A context that was seen only at the end of documents has no total: all of it is left to the level below.
    backoffs = np.divide(removed, total, out=np.ones(contexts), where=total > 0)
    shares = np.divide(counts - discount, total[runs.parents], out=np.zeros(len(counts)), where=counts > 0)
    return Level(runs.keys, shares, backoffs)


def estimate_discounts(counts: npt.NDArray[np.integer[Any]]) -> tuple[float, float, float]:
    """Return what is taken from counts of 1, of 2, and of 3 or more (Chen and Goodman 1998, equation 26)."""
    once, twice, thrice, four_times = (int(np.count_nonzero(counts == count)) for count in range(1, 5))
    if min(once, twice, thrice, four_times) == 0:
        return FALLBACK_DISCOUNTS
    scale = once / (once + 2 * twice)
    found = (1 - 2 * scale * twice / once, 2 - 3 * scale * thrice / twice, 3 - 4 * scale * four_times / thrice)
    in_range = all(0 < discount < count for count, discount in enumerate(found, start=1))
    return found if in_range else FALLBACK_DISCOUNTS


def find(keys: Nodes, wanted: Nodes) -> Nodes:
    """Return the place of each wanted key in the ascending keys, -1 where it is not among them."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)


def check_ids(ids: Ids, start_id: int, vocab_size: int) -> None:
    """Raise DataError if the ids hold the start id or one outside of the vocabulary."""
    if len(ids) == 0:
        return
    lowest, highest = int(np.min(ids)), int(np.max(ids))
    if lowest < 0 or highest >= vocab_size:
        raise DataError(
            f"found token id {lowest if lowest < 0 else highest}; allowed are 0 to {vocab_size - 1}; "
            "give the vocab_size of the tokenizer that made the ids"
        )
    if np.any(np.equal(ids, start_id)):
        raise DataError(
            f"found the start id {start_id} at place {int(np.argmax(np.equal(ids, start_id)))} of a document; "
            "give each document alone, without start ids"
        )
