"""Pictures and quantities: numbers stand where they belong and are written as readers expect."""

import itertools
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext.progress import duration_text
from massivetext.report.figures import Axis, Bar, Series, bar_chart, below, line_chart, smoothed, thinned
from massivetext.report.quantities import (
    bytes_text,
    change_text,
    count_text,
    joined,
    share_text,
    tick_text,
)
from massivetext.report.svg import Drawing, nice_ticks, spread, text_width
from massivetext.translations import set_language

LOSS = [(float(step), 8.0 / step + 3.0) for step in range(1, 1001)]
numbers = st.floats(-1e6, 1e6)


@pytest.fixture
def in_chinese():
    set_language("zh")
    yield
    set_language("en")


def plain(text):
    return text.replace("\u202f", " ")


@pytest.mark.parametrize(
    ("size", "written"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (20_300_000, "20.3 MB"), (999_900, "1.00 MB"), (3e12, "3.00 TB")],
)
def test_bytes(size, written):
    assert plain(bytes_text(size)) == written


@pytest.mark.parametrize(
    ("count", "english", "chinese"),
    [
        (8412, "8,412", "8,412"),
        (56_144, "56,144", "5.61 万"),
        (5_390_000, "5.39 M", "539 万"),
        (2.1e9, "2.10 B", "21.0 亿"),
    ],
)
def test_counts_in_both_languages(count, english, chinese):
    assert plain(count_text(count)) == english
    set_language("zh")
    assert plain(count_text(count)) == chinese
    set_language("en")


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.84, "0.8 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations(seconds, written):
    assert duration_text(seconds) == written


def test_durations_in_chinese(in_chinese):
    assert duration_text(185) == "3 分 05 秒"


@pytest.mark.parametrize(("fraction", "written"), [(0.0003, "0.03 %"), (0.042, "4.2 %"), (1.0, "100 %"), (0.0, "0 %")])
def test_shares(fraction, written):
    assert plain(share_text(fraction)) == written


def test_changes_carry_their_sign():
    assert plain(change_text(-0.0523)) == "−5.2 %"
    assert plain(change_text(0.141)) == "+14.1 %"


@pytest.mark.parametrize(
    ("value", "written"), [(0, "0"), (0.004, "0.004"), (2e-5, "2·10⁻⁵"), (1e-4, "10⁻⁴"), (1500, "1,500")]
)
def test_ticks_are_short(value, written):
    assert tick_text(value) == written


def test_lists_in_words():
    assert joined(["a"]) == "a"
    assert joined(["a", "b", "c"]) == "a, b and c"


def test_lists_in_chinese_words(in_chinese):
    assert joined(["甲", "乙", "丙"]) == "甲、乙、丙"


@given(low=numbers, span=st.floats(1e-3, 1e6), wanted=st.integers(1, 10))
def test_ticks_lie_inside_and_are_not_many(low, span, wanted):
    ticks = nice_ticks(low, low + span, wanted)
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in ticks)
    assert len(ticks) <= 2 * wanted + 2


@given(wanted=st.lists(st.floats(0, 100), max_size=8))
def test_labels_keep_their_distance_and_order(wanted):
    places = spread(wanted, 10, 0, 100)
    ordered = [place for _, place in sorted(zip(wanted, places))]
    assert all(b - a >= 10 - 1e-9 for a, b in itertools.pairwise(ordered))


def test_a_han_character_is_twice_as_wide():
    assert text_width("中文") > 1.8 * text_width("ab")


def test_thinning_keeps_the_first_point_and_few_others():
    found = thinned(LOSS, 100)
    assert found[0] == LOSS[0]
    assert len(found) == 101


@given(points=st.lists(st.tuples(numbers, numbers), max_size=30))
def test_short_lines_are_left_as_they_are(points):
    assert thinned(points) == points


@given(level=st.floats(-5, 5), count=st.integers(1, 200))
def test_smoothing_keeps_a_flat_line(level, count):
    assert all(abs(y - level) < 1e-9 for _, y in smoothed([(float(i), level) for i in range(count)]))


def test_a_curve_is_cut_where_it_crosses():
    assert below([(0.0, 4.0), (1.0, 2.0), (2.0, 1.0)], 3.0) == [(0.5, 3.0), (1.0, 2.0), (2.0, 1.0)]


def draw(points, **kinds):
    lines = [Series("training", points, "plain")]
    return line_chart(lines, Axis("tokens"), Axis("loss"), width=900.0, height=300.0, name="Loss", **kinds)


def test_the_chart_is_well_formed_and_names_its_line_and_axes():
    tree = ElementTree.fromstring(draw(LOSS))
    words = [element.text or "" for element in tree.iter() if element.tag.endswith("text")]
    assert {"tokens", "loss", "training"} <= set(words)


def test_a_cut_curve_says_where_it_starts():
    assert "↑ from 11" in draw(LOSS)


def test_everything_stays_inside_the_picture():
    tree = ElementTree.fromstring(draw(LOSS))
    for circle in (element for element in tree.iter() if element.tag.endswith("circle")):
        assert 0 <= float(circle.get("cx")) <= 900 and 0 <= float(circle.get("cy")) <= 300


@pytest.mark.parametrize("points", [[(1.0, 3.0)], [(1.0, 3.0), (2.0, 3.0)], [(1.0, 0.0), (2.0, 0.0)]])
def test_flat_and_single_points_can_be_drawn(points):
    ElementTree.fromstring(draw(points))


def bars(width, groups=("read", "fresh")):
    rows = [Bar("this model", 2.0, "model", 0, (1.9, 2.1)), Bar("gzip -9", 4.0, "fresh", 1, (), -0.5)]
    return ElementTree.fromstring(bar_chart(rows, groups, 4.0, width=width, name="Bits"))


@pytest.mark.parametrize("width", [940.0, 400.0, 300.0])
def test_the_length_of_a_bar_is_its_value(width):
    mine, other = [float(e.get("width")) for e in bars(width).iter() if e.tag.endswith("rect")]
    assert other == pytest.approx(2 * mine, abs=0.2)
    assert other < width


def test_a_bar_names_value_and_change():
    words = [plain("".join(e.itertext())) for e in bars(940.0).iter() if e.tag.endswith("text")]
    assert "4.000\u2002−50.0 %" in words and "2.000" in words and "read" in words


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1_090_000, "1.09 M"),
        (1_048_576, "1.05 M"),
        (1_000_000, "1 M"),
        (1_200_000, "1.2 M"),
        (10_000_000, "10 M"),
        (100_000_000, "100 M"),
        (20_400, "20,400"),
        (10_000, "10,000"),
        (-2_070_000, "-2.07 M"),
        (1_001_000_000, "1 B"),
    ],
)
def test_ticks_lose_only_zeros_that_mean_nothing(value, written):
    assert plain(tick_text(value)) == written


def test_ticks_in_chinese_lose_only_zeros_that_mean_nothing(in_chinese):
    assert [plain(tick_text(value)) for value in (1_090_000, 10_900, 12_000)] == ["109 万", "1.09 万", "1.2 万"]


def test_a_smoothed_curve_ends_on_the_mean_of_its_last_points_and_begins_on_its_first():
    noisy = [(float(x), 2.0 + (-1) ** x * 0.5) for x in range(200)] + [(200.0, 9.0)]
    ends = smoothed(noisy)
    assert ends[-1][1] == pytest.approx(sum(y for _, y in noisy[-4:]) / 4)
    assert ends[0] == noisy[0]
    assert len(ends) == len(noisy)


@pytest.mark.parametrize("words", ["a\x00b", "bell\x07", "\x1b[31m北京", "\ud800", "\ufffe<&>", "tab\tline\n"])
def test_any_words_make_a_picture_that_is_xml(words):
    drawing = Drawing(100, 20, words)
    drawing.text(1, 2, words)
    drawing.add("rect", title=words, x=1)
    found = ElementTree.fromstring(drawing.finish())
    assert "\x00" not in "".join(found.itertext())
