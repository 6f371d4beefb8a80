"""Rows with equal keys are found whatever the memory."""

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.corpus.census import equal_rows

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
