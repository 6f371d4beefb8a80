"""A corpus in memory with the interface of `massivetext.corpus.reading.Corpus`, for tests of the token room."""

import hashlib

import pyarrow as pa

CODE = "def add(a, b):\n    return a + b  # {}\n\n\nclass Thing:\n    pass\n"
PROSE = "It was a bright cold day in April, number {}, and the clocks didn't strike. "
CHINESE = "第{}回　话说天下大势，分久必合，合久必分。学而时习之，不亦说乎？\n"


def texts(kind, count):
    """`count` different texts of one kind, of different lengths."""
    return [(kind.format(i) * (1 + i * 7 % 11)) for i in range(count)]


class FakeCorpus:
    """Documents given as {split: {source: [text]}}; `batch_rows` cuts the batches."""

    def __init__(self, documents, batch_rows=7, chunk_hook=None):
        self.by_split = documents
        self.batch_rows = batch_rows
        self.splits = list(documents)
        self.sources = sorted({source for sources in documents.values() for source in sources})
        self.digest = hashlib.sha256(repr(documents).encode()).hexdigest()
        self.manifest = {}

    def documents(self, split, source=None, columns=("id", "text")):
        rows = []
        for name, listed in sorted(self.by_split[split].items()):
            for position, text in enumerate(listed):
                if source in (None, name):
                    key = hashlib.md5(f"{split}{name}{position}".encode()).hexdigest()
                    rows.append((key, name, text, len(text.encode()), "0001"))
        for start in range(0, len(rows), self.batch_rows):
            part = rows[start : start + self.batch_rows]
            whole = dict(zip(("id", "source", "text", "text_bytes", "build"), zip(*part, strict=True), strict=True))
            yield pa.RecordBatch.from_pydict({column: list(whole[column]) for column in columns})


def small_corpus(**options):
    """English code and prose and Chinese, three splits."""
    made = {
        "train": {"code": texts(CODE, 40), "prose": texts(PROSE, 30), "zh": texts(CHINESE, 25)},
        "validation": {"code": texts("x = {}\n", 5), "zh": texts("今天{}号。", 4)},
        "test": {"prose": texts("A short one, {}. ", 6)},
    }
    return FakeCorpus(made, **options)
