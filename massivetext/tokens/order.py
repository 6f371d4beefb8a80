"""The order of training: the batch of any step, found from (seed, step) alone.

A source's stream is [start, document, start, document, ..., start]; row i of a pass reads `context_tokens` ids from
position i * context_tokens and predicts the id after each. So every id of the text is predicted exactly once a pass,
and so is every document's end (as the next start id). Rows are permuted per (source, pass) by a keyed permutation, and
a `Schedule` deals rows to sources by the shares of the mixture.
"""

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from massivetext.errors import ConfigError, StoreError
from massivetext.text.compiling import kernel
from massivetext.tokens.labels import IGNORED_LABEL
from massivetext.tokens.mixture import rows_per_period
from massivetext.tokens.settings import MixtureSettings
from massivetext.tokens.store import Documents, TokenStore

FEISTEL_ROUNDS = 6  # even, so that both halves have their width back at the end


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The rows of one training step; all arrays but `sources` are (rows, context_tokens)."""

    input_ids: NDArray[np.int64]
    """Ids that the model reads; padding at the end of a source's last row is the start id."""

    labels: NDArray[np.int64]
    """The id after each input, already shifted; -100 where nothing is to be predicted."""

    positions: NDArray[np.int64]
    """Distance of an input to the start of its document or, if that lies in an earlier row, of the row."""

    segments: NDArray[np.int32]
    """Number of the input's document inside its row, from 0; attention stays inside a segment."""

    sources: NDArray[np.int32]
    """(rows,): index of each row's source in `TrainingOrder.sources`."""


def permute(index: int, count: int, key: int) -> int:
    """Return where a keyed permutation of range(count) sends `index`, in O(1) time and memory.

    A Feistel network over the next power of two, walked until the value is below `count` (J. Black, P. Rogaway,
    "Ciphers with arbitrary finite domains", 2002). key: 64 bits.
    """
    bits = max((count - 1).bit_length(), 2)
    left_bits, right_bits = bits // 2, bits - bits // 2
    while True:
        left, right = index >> right_bits, index & ((1 << right_bits) - 1)
        width, other = left_bits, right_bits
        for turn in range(FEISTEL_ROUNDS):
            noise = xxh3_64_intdigest(b"%d:%d" % (turn, right), seed=key)
            left, right = right, left ^ (noise & ((1 << width) - 1))
            width, other = other, width
        index = left << right_bits | right
        if index < count:
            return index


@lru_cache(maxsize=1024)
def pass_key(seed: int, source: str, number: int) -> int:
    """Return the 64-bit key of the permutation of a source's rows in one pass."""
    return xxh3_64_intdigest(f"{seed}\0order of rows\0{source}\0{number}".encode())


class Stream:
    """The stream of one source: a start id before each document, and one after the last."""

    def __init__(self, documents: Documents, start_id: int) -> None:
        self.documents = documents
        self.start_id = start_id
        self.predicted = documents.tokens + len(documents)  # one for each id and one for each document's end
        self._shard_starts = [0]
        for shard in documents.shards:
            self._shard_starts.append(self._shard_starts[-1] + shard.tokens + len(shard))

    def windows(self, context_tokens: int) -> int:
        """Return the number of rows in one pass."""
        return ceil(self.predicted / context_tokens)

    def read(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the ids at stream positions [start, stop), start ids as -1 so that they differ from text.

        stop is at most `predicted` + 1 (the last position holds the closing start id).
        """
        ids = np.full(stop - start, -1, dtype=np.int64)
        for shard, (first, end) in zip(self.documents.shards, pairwise(self._shard_starts), strict=True):
            low, high = max(start, first) - first, min(stop, end) - first
            if low < high:
                ids[first + low - start : first + high - start] = _read_shard(shard.ids, shard.offsets, low, high)
        return ids


def _read_shard(
    ids: NDArray[np.unsignedinteger], offsets: NDArray[np.uint64], low: int, high: int
) -> NDArray[np.int64]:
    """Return stream positions [low, high) of one shard; document d begins at position offsets[d] + d."""
    documents = range(len(offsets) - 1)
    first = bisect_left(documents, low, key=lambda document: int(offsets[document]) + document)
    last = bisect_left(documents, high, key=lambda document: int(offsets[document]) + document)
    is_text = np.ones(high - low, dtype=np.bool_)
    is_text[offsets[first:last].astype(np.int64) + np.arange(first, last) - low] = False
    window = np.full(high - low, -1, dtype=np.int64)
    begin = low - first  # as many ids lie before `low` as positions, less the documents that began there
    window[is_text] = ids[begin : begin + high - low - (last - first)]
    return window


class Schedule:
    """Deals rows to sources so that at every prefix each source is less than one row away from its share.

    shares: rows of each source in one period, in the order of the sources; the schedule repeats after `sum(shares)`
    rows. The rule is the chairman assignment of R. Tijdeman, "The chairman assignment problem", Discrete Mathematics
    32 (1980): among the sources that may take a row without running ahead, the one whose row is due first.
    """

    def __init__(self, shares: list[int]) -> None:
        self.shares = shares
        self.period_rows = sum(shares)
        self._source, self._earlier = _deal(np.array(shares, dtype=np.int64))

    def place(self, row: int) -> tuple[int, int]:
        """Return (source, number of earlier rows of that source) for a row of training, counted from 0."""
        period, inside = divmod(row, self.period_rows)
        source = int(self._source[inside])
        return source, period * self.shares[source] + int(self._earlier[inside])

    def counts(self, rows: int) -> list[int]:
        """Return how many of the first `rows` rows fall to each source."""
        periods, inside = divmod(rows, self.period_rows)
        head = np.bincount(self._source[:inside], minlength=len(self.shares))
        return [periods * share + int(extra) for share, extra in zip(self.shares, head, strict=True)]


@kernel
def _deal(shares: NDArray[np.int64]) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Return for each row of one period its source and the number of earlier rows of that source.

    All in whole numbers: `lag` is the period times (share of the rows so far, this one included, minus rows taken).
    """
    period, sources = shares.sum(), len(shares)
    slack = max(2 * sources - 2, 1)
    taken = np.zeros(sources, np.int64)
    source_of_row = np.zeros(period, np.uint16)
    earlier = np.zeros(period, np.int32)
    for row in range(period):
        chosen, chosen_due = -1, np.int64(0)
        for source in range(sources):
            lag = shares[source] * (row + 1) - period * taken[source]
            if slack * lag >= period or sources == 1:
                due = (slack - 1) * period - slack * lag
                # due / share, compared by cross multiplication; the first of equals wins
                if chosen < 0 or due * shares[chosen] < chosen_due * shares[source]:
                    chosen, chosen_due = source, due
        source_of_row[row] = chosen
        earlier[row] = taken[chosen]
        taken[chosen] += 1
    return source_of_row, earlier


class TrainingOrder:
    """All rows of training in order; `batch(step)` needs no earlier step.

    sources: names of the sources trained on, sorted. rows_per_pass: rows that go through the text once (with `epochs`
    as often as those say; with `weights` as many rows as the sources have, whatever their shares).
    """

    def __init__(
        self,
        store: TokenStore,
        split: str = "train",
        mixture: MixtureSettings | None = None,
        context_tokens: int = 256,
        rows_per_batch: int = 16,
        seed: int = 0,
    ) -> None:
        if context_tokens < 1 or rows_per_batch < 1:
            raise ConfigError(
                f"context_tokens is {context_tokens} and the batch has {rows_per_batch} rows; both must be at least 1: "
                f"make batch_tokens at least context_tokens"
            )
        self.context_tokens, self.rows_per_batch, self.seed = context_tokens, rows_per_batch, seed
        streams = {name: Stream(store.documents(split, name), store.start_id) for name in store.sources(split)}
        if not streams:
            raise StoreError(f"the split {split!r} of {store.folder} has no documents; build the store from more text")
        windows = {name: stream.windows(context_tokens) for name, stream in streams.items()}
        mixture = (mixture or MixtureSettings()).for_sources(windows)
        shares = rows_per_period(mixture, windows)
        self.sources = sorted(shares)
        self._streams = [streams[name] for name in self.sources]
        self.windows = [windows[name] for name in self.sources]
        self.schedule = Schedule([shares[name] for name in self.sources])
        epochs = mixture.exact() if mixture.epochs else dict.fromkeys(self.sources, Fraction(1))
        self.rows_per_pass = ceil(sum(epochs[name] * windows[name] for name in self.sources))

    @property
    def tokens_per_pass(self) -> int:
        """Return rows_per_pass times context_tokens: the padding of each source's last row is counted."""
        return self.rows_per_pass * self.context_tokens

    def passes(self, steps: int) -> dict[str, float]:
        """Return how often each source's rows have been gone through after `steps` steps."""
        counts = self.schedule.counts(steps * self.rows_per_batch)
        return {name: count / rows for name, count, rows in zip(self.sources, counts, self.windows, strict=True)}

    def place(self, row: int) -> tuple[int, int]:
        """Return (index of the source, window of its stream) for a row of training, counted from 0 over all steps."""
        source, earlier = self.schedule.place(row)
        number, index = divmod(earlier, self.windows[source])
        return source, permute(index, self.windows[source], pass_key(self.seed, self.sources[source], number))

    def batch(self, step: int) -> Batch:
        """Return the rows of a step; the first step is 0."""
        shape = (self.rows_per_batch, self.context_tokens)
        input_ids, labels, positions = (np.empty(shape, dtype=np.int64) for _ in range(3))
        segments, sources = np.empty(shape, dtype=np.int32), np.empty(self.rows_per_batch, dtype=np.int32)
        for row in range(self.rows_per_batch):
            sources[row], window = self.place(step * self.rows_per_batch + row)
            row_arrays = self._row(self._streams[sources[row]], window)
            input_ids[row], labels[row], positions[row], segments[row] = row_arrays
        return Batch(input_ids=input_ids, labels=labels, positions=positions, segments=segments, sources=sources)

    def _row(self, stream: Stream, window: int) -> tuple[NDArray[np.int64], ...]:
        """Return inputs, labels, positions and segments, each (context_tokens,), of one window of a stream."""
        width, start = self.context_tokens, window * self.context_tokens
        stop = min(start + width, stream.predicted)
        padding = width - (stop - start)
        ids = stream.read(start, stop + 1)
        inputs = np.concatenate([ids[:-1], np.full(padding, -1)])  # padding: empty documents, seen by no other
        labels = np.where(ids[1:] < 0, stream.start_id, ids[1:])
        labels = np.concatenate([labels, np.full(padding, IGNORED_LABEL)])
        begins = inputs < 0
        here = np.arange(width)
        positions = here - np.maximum.accumulate(np.where(begins, here, 0))
        segments = np.cumsum(begins) - int(begins[0])
        return np.where(begins, stream.start_id, inputs), labels, positions, segments
