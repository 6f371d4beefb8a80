"""An n-gram language model on token ids: interpolated Kneser-Ney with modified discounts.

Kneser and Ney 1995; Chen and Goodman 1998 (three discounts per order). The counts and the handling of the document
start follow KenLM (Heafield et al. 2013). The model is the statistical baseline for the bits per byte of neural models.

The n-grams form a tree. A node of level k is one distinct run of k tokens, and its key is `parent * vocab_size + last
token`, where the parent is the node of its first k - 1 tokens. A node's number is the index of its key in the sorted
list. So fitting needs a few sorts and scoring a few binary searches, all in NumPy without compiled code.
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
"""Discounts used, as in KenLM, if there are too few n-grams to estimate them."""


@dataclass(frozen=True)
class Level:
    """Hold the n-grams of one length k and the probabilities of their last tokens."""

    keys: Nodes
    """`parent * vocab_size + last token` of each node, ascending; empty at level 1, where a node is its token."""
    shares: Values
    """For each node: the discounted probability of its last token, given its parent."""
    backoffs: Values
    """For each node of level k - 1: the fraction of its probability that is left to the level below."""


class KneserNey:
    """Score token ids with a fitted model; `fit` creates it."""

    def __init__(self, levels: list[Level], start_id: int, vocab_size: int) -> None:
        self.levels = levels
        self.start_id = start_id
        self.vocab_size = vocab_size

    @property
    def order(self) -> int:
        """Return the length of the longest n-gram that was seen, in tokens."""
        return len(self.levels)

    def nll(self, ids: Ids) -> Values:
        """Return the negative log probability of each token of one document, in nats, (tokens,) float64.

        ids: (tokens,) token ids of the document; the start id before it is implied. The probabilities of all tokens
        except the start id, which is never predicted, add up to 1. Errors: DataError for the start id or an id outside
        the vocabulary.
        """
        check_ids(ids, self.start_id, self.vocab_size)
        tokens = np.concatenate([[self.start_id], ids]).astype(np.int64)
        first = self.levels[0]
        probability = first.shares[tokens[1:]] + first.backoffs[0] / (self.vocab_size - 1)
        contexts = tokens[:-1]  # the node of the k - 1 tokens before each predicted one; -1 if never seen
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
    """Return a model of the documents' n-grams up to `order` tokens.

    documents: the token ids of each document, without the start id, which is added before each; n-grams do not cross
    documents. Fitting takes about 160 bytes of memory per token. Errors: ConfigError for an order below 1, a vocabulary
    of fewer than 2 ids or a start id outside it; DataError for invalid ids, or if there is no token.
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
        # The count of a shorter n-gram is the number of different tokens before it, unless it opens a document.
        before = np.bincount(runs.nodes[longer.places + 1], minlength=len(runs.counts))
        levels.append(make_level(runs, np.where(runs.opening, runs.counts, before), contexts))
        contexts = len(runs.counts)
        runs = longer
    levels.append(make_level(runs, runs.counts, contexts))
    return KneserNey([level for level in levels if len(level.shares)], start_id, vocab_size)


@dataclass(frozen=True)
class TrainingText:
    """Hold all documents, concatenated."""

    tokens: npt.NDArray[np.int32]
    """(tokens + documents,), with the start id before each document."""
    left: npt.NDArray[np.int32]
    """For each position: the number of tokens left in its document, its own included."""
    start_id: int
    vocab_size: int


@dataclass(frozen=True)
class Runs:
    """Hold the distinct n-grams of one length in the training text during fitting."""

    nodes: Nodes
    """For each position of the text: the node of the n-gram that begins there; meaningless if none fits."""
    keys: Nodes
    """For each node: its key, as in Level."""
    parents: Nodes
    """For each node: the node of all its tokens except the last."""
    counts: npt.NDArray[np.integer[Any]]
    """For each node: the number of its occurrences."""
    places: Nodes
    """For each node: a position where it begins."""
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
    """Return the documents concatenated, each with the start id before it."""
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
    """Return the level of these n-grams; counts: of each n-gram; contexts: number of nodes of the level above."""
    discount = np.array([0.0, *estimate_discounts(counts)])[np.minimum(counts, 3)]
    total = np.bincount(runs.parents, weights=counts, minlength=contexts)
    removed = np.bincount(runs.parents, weights=discount, minlength=contexts)
    # A context seen only at the end of documents has no total: all its probability is left to the level below.
    backoffs = np.divide(removed, total, out=np.ones(contexts), where=total > 0)
    shares = np.divide(counts - discount, total[runs.parents], out=np.zeros(len(counts)), where=counts > 0)
    return Level(runs.keys, shares, backoffs)


def estimate_discounts(counts: npt.NDArray[np.integer[Any]]) -> tuple[float, float, float]:
    """Return the discounts of counts of 1, of 2, and of 3 or more (Chen and Goodman 1998, equation 26)."""
    once, twice, thrice, four_times = (int(np.count_nonzero(counts == count)) for count in range(1, 5))
    if min(once, twice, thrice, four_times) == 0:
        return FALLBACK_DISCOUNTS
    scale = once / (once + 2 * twice)
    found = (1 - 2 * scale * twice / once, 2 - 3 * scale * thrice / twice, 3 - 4 * scale * four_times / thrice)
    in_range = all(0 < discount < count for count, discount in enumerate(found, start=1))
    return found if in_range else FALLBACK_DISCOUNTS


def find(keys: Nodes, wanted: Nodes) -> Nodes:
    """Return the index of each wanted key in the ascending keys, -1 if it is not among them."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)


def check_ids(ids: Ids, start_id: int, vocab_size: int) -> None:
    """Raise DataError if the ids contain the start id or an id outside the vocabulary."""
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
