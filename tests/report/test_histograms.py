"""Histograms of rules: any limit can be drawn, and every document lies on its side of it."""

import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext.report.histograms import histogram_picture
from massivetext.report.tallies import Histogram

LIMITS = [0.0, 1.0, 0.3, 1e-6, 15.0, 100_000.0, -2.5, -1e9, 1e300, 1e-300, math.inf, -math.inf, math.nan]
NAMES = ["max_hashes_per_word", "min_ended_line_fraction", "max_words", "min_words", "braces"]


def picture(histogram):
    drawn = histogram_picture(histogram, "c0", width=300, height=132, name="a rule")
    ElementTree.fromstring(drawn)
    assert "nan" not in drawn and "inf" not in drawn
    return drawn


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("values", [[0.0, 0.0], [0.0, 0.5, 1.0], [3.0, 1e12, 1e-12], [-4.0, -1.0, 2.0], [math.inf]])
def test_every_limit_has_a_picture(name, limit, values):
    histogram = Histogram.for_limit(name, limit)
    histogram.add(np.array([*values, math.nan]))
    assert histogram.counts.sum() == len(values)
    picture(histogram)


@given(
    st.sampled_from(["max_x", "min_x"]),
    st.sampled_from([0.0, 1.0, 15.0, -2.0]),
    st.lists(st.sampled_from([-3.0, -2.0, -1.0, 0.0, 0.01, 1.0, 2.0, 15.0, 16.0, 1e5]), min_size=1),
)
def test_documents_lie_on_their_side_of_the_limit(name, limit, values):
    histogram = Histogram.for_limit(name, limit)
    histogram.add(np.array(values))
    broken = [value > limit if name == "max_x" else value < limit for value in values]
    assert histogram.counts[histogram.broken()].sum() == sum(broken)


@pytest.mark.parametrize("name", ["max_a_fraction", "min_a_fraction", "max_hashes_per_word"])
@pytest.mark.parametrize("limit", [0.0, 0.3, 1.0])
@given(st.lists(st.sampled_from([0.0, 0.2, 0.3, 0.4, 0.9, 1.0]), min_size=1))
def test_fractions_lie_on_their_side_of_limits_at_the_ends_of_the_scale(name, limit, values):
    histogram = Histogram.for_limit(name, limit)
    histogram.add(np.array(values))
    broken = [value < limit if name.startswith("min") else value > limit for value in values]
    assert histogram.counts[histogram.broken()].sum() == sum(broken)


def test_a_limit_of_zero_is_written_where_the_zeros_are():
    histogram = Histogram.for_limit("max_hashes_per_word", 0)
    histogram.add(np.array([0.0] * 9 + [0.5] * 3))
    drawn = picture(histogram)
    limit = float(re.search(r'<line x1="([\d.]+)"[^>]*class="limit"', drawn)[1])
    bars = {kind: float(x) for x, kind in re.findall(r'<rect x="([\d.]+)"[^>]*class="bar (\w+)"', drawn)}
    assert bars["c0"] < limit < bars["lost"]
    assert "-0" not in drawn
