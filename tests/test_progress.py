"""The line that shows long work: how much is done, how fast, and how much time is left, once that is known."""

import time

import pytest

from massivetext.progress import Task, duration_text, progress
from massivetext.translations import set_language


def line_after(seconds, done, total, unit="it"):
    task = Task("reading", total, unit, quiet=True)
    task.started_at -= seconds
    task.done = done
    return task.line()


def test_before_the_first_unit_no_time_is_guessed():
    assert line_after(5, 0, 100) == "reading  0 %  0.0 it/s"


def test_time_left_is_what_the_rate_so_far_makes_of_the_rest():
    assert line_after(10, 25, 100) == "reading  25 %  30 s left  2.5 it/s"
    assert line_after(3600, 1, 5) == "reading  20 %  4 h 00 min left  0.0 it/s"


def test_more_done_than_expected_is_all():
    assert "100 %  0.0 s left" in line_after(10, 120, 100)


def test_work_that_counts_nothing_says_how_long_it_has_taken():
    assert line_after(75, 0, None, "") == "reading  1 min 15 s"
    assert line_after(20, 4e6, None, "B") == "reading  20 s  0.2 MB/s"


def test_lines_come_while_the_work_is_busy_elsewhere(monkeypatch, capsys):
    monkeypatch.setattr("massivetext.progress.LINE_INTERVAL_SECONDS", 0.05)
    with progress("waiting"):
        time.sleep(0.3)
    printed = capsys.readouterr().err.splitlines()
    assert 1 <= len(printed) <= 7 and all(line.startswith("waiting  0.") for line in printed)
    with progress("waiting", quiet=True):
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_in_chinese():
    set_language("zh")
    assert "剩余 30 秒" in line_after(10, 25, 100)
    set_language("en")


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(100 * 3600 - 1, "99 h 59 min"), (100 * 3600, "4 days"), (1.3e18, "15,046,296,296,296 days")],
)
def test_very_long_durations_are_in_days(seconds, written):
    assert duration_text(seconds) == written
