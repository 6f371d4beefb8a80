"""Streams: expanded within limits, damage told after all that could be read, encodings detected."""

import bz2
import gzip
import lzma

import pytest
import zstandard
from corpus.readers.reading import read

from massivetext.corpus.readers.streams import Budget
from massivetext.errors import BadDocument

PACKERS = {
    ".gz": gzip.compress,
    ".bz2": lambda data: bz2.compress(data, 1),
    ".xz": lambda data: lzma.compress(data, preset=0),
    ".zst": zstandard.ZstdCompressor().compress,
}
CHINESE = "我们在学习自然语言处理，文本的编码各不相同。今天天气很好，大家一起去公园散步。"


@pytest.mark.parametrize("suffix", PACKERS)
def test_lines_before_the_cut_of_a_truncated_file_are_kept(tmp_path, suffix):
    import random

    rows = "".join(f'{{"text": "{random.Random(row).getrandbits(200)}"}}\n' for row in range(8_000))
    packed = PACKERS[suffix](rows.encode())
    (tmp_path / f"a.jsonl{suffix}").write_bytes(packed[: len(packed) * 3 // 4])
    records = read(tmp_path)
    assert records[-1].bad == "cut short: the file ends before its content does"
    good = [record for record in records if not record.bad]
    assert len(good) == len(records) - 1
    assert len(good) > 4_000
    assert good[-1].text == str(random.Random(len(good) - 1).getrandbits(200))


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_compressed_file_that_is_something_else_is_listed(tmp_path, suffix):
    (tmp_path / f"a.jsonl{suffix}").write_bytes(b"no such thing at all" * 10)
    (tmp_path / "b.jsonl").write_text('{"text": "good"}\n')
    records = read(tmp_path)
    assert [record.text for record in records if not record.bad] == ["good"]
    assert sum("damaged file" in record.bad for record in records) == 1


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_bomb_is_left_where_its_allowance_ends(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr("massivetext.corpus.readers.streams.ALWAYS_ALLOWED_BYTES", 2**20)
    bomb = b'{"text": "first"}\n' + b"\n" * 2**22
    (tmp_path / f"a.jsonl{suffix}").write_bytes(PACKERS[suffix](bomb))
    records = read(tmp_path, max_expansion=3)
    assert records[0].text == "first"
    assert "expands to more than" in records[-1].bad


def test_a_budget_allows_exactly_its_bytes():
    budget = Budget(10)
    budget.spend(10)
    assert not budget.is_spent
    with pytest.raises(BadDocument, match="more than 10 bytes"):
        budget.spend(1)


class Endless:
    """A stream of one line that never ends, made as it is read; it counts the most that was asked for at once."""

    def __init__(self, size):
        self.left, self.largest = size, 0

    def readline(self, limit):
        size = min(limit, self.left)
        self.left -= size
        self.largest = max(self.largest, size)
        return b"a" * size


def test_a_line_of_a_gigabyte_is_skipped_in_bounded_memory():
    from massivetext.corpus.readers.streams import read_lines

    stream = Endless(2**30)
    (line,) = read_lines(stream, 0, None, 2**20)
    assert (line.size, line.data) == (2**30, None)
    assert stream.largest <= 2**20 + 2


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("unit", ["file", "block", "paragraph", "line"])
def test_what_is_readable_of_a_cut_text_file_is_kept_and_the_cut_reported(tmp_path, suffix, unit):
    import random

    text = "".join(f"{random.Random(row).getrandbits(200)} 天地玄黄\n\n" for row in range(15_000))
    packed = PACKERS[suffix](text.encode())
    (tmp_path / f"a.txt{suffix}").write_bytes(packed[: len(packed) * 3 // 4])
    *kept, last = read(tmp_path, unit=unit)
    joined = "".join(record.text.replace("\n", "").rstrip("\ufffd") for record in kept)
    assert not any(record.bad for record in kept)
    assert len(joined) > len(text) // 4
    assert text.replace("\n", "").startswith(joined)
    assert last.bad == "cut short: the file ends before its content does"
