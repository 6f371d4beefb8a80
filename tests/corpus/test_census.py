"""Rows with equal keys are found whatever the memory."""

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.corpus.barrier.census import NOWHERE
from massivetext.corpus.barrier.scratch import Scratch, equal_rows

EDGES = [0, 1, 2**63 - 1, 2**63, 2**64 - 1]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([*EDGES, 7, 2**62]), st.sampled_from([0, 1]), st.booleans()), max_size=40),
    st.sampled_from([64, 200, 1000, 2**20]),
)
def test_equal_rows_are_those_of_a_dictionary(entries: list[tuple[int, int, bool]], memory_bytes: int) -> None:
    first, second = (np.array([entry[column] for entry in entries], np.uint64) for column in (0, 1))
    eligible = np.array([entry[2] for entry in entries], bool)
    expected = defaultdict(list)
    for row, (one, other, taken) in enumerate(entries):
        if taken:
            expected[one, other].append(row)
    found = []
    for rows, begins in equal_rows([first, second], eligible, memory_bytes):
        groups = defaultdict(list)
        for row, begin in zip(rows.tolist(), begins.tolist(), strict=True):
            groups[begin].append(row)
        assert all(rows[begin] == group[0] for begin, group in groups.items())
        found += groups.values()
    assert sorted(found) == sorted(group for group in expected.values() if len(group) > 1)


def resident_bytes() -> int:
    """Return how many bytes of mapped files this process holds in memory."""
    return 1024 * int(re.search(r"RssFile:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def test_arrays_on_disk_leave_memory_and_keep_their_values(tmp_path):
    scratch = Scratch(tmp_path)
    numbers = scratch.array("numbers", (3, 2_000_000), np.int64, NOWHERE)
    before = resident_bytes()
    numbers[1] = np.arange(2_000_000)
    assert resident_bytes() > before + 8_000_000
    scratch.release()
    assert resident_bytes() < before + 4_000_000
    assert numbers[1, -1] == 1_999_999 and (numbers[::2] == NOWHERE).all()
    assert len(scratch.array("none", (0,), np.uint8)) == 0


def test_stretches_cover_all_rows_once(tmp_path):
    found = list(Scratch(tmp_path).stretches(3, 10, 4))
    assert found == [slice(3, 7), slice(7, 10)]
