"""Lists of scores become tables: grouped by task and metric, a row for each system, a column for each part."""

import pytest
from made_up_metric import HOPS

from massivetext.metrics.declarations import BITS_PER_BYTE, PERPLEXITY
from massivetext.metrics.tables import by_task, scores_text, tables
from massivetext.translations import language, set_language

SCORES = [
    BITS_PER_BYTE.score("test", 1.5, 300),
    BITS_PER_BYTE.score("test/code", 1.25, 200),
    BITS_PER_BYTE.score("test", 2.0, 300, system="gzip"),
    HOPS.score("pond", 7, 3),
    PERPLEXITY.score("test", 1234.5, 100),
]


def test_a_table_holds_one_metric_of_one_task():
    assert [(table.task, table.metric.name) for table in tables(SCORES)] == [
        ("test", "bits_per_byte"), ("pond", "hops"), ("test", "perplexity"),
    ]  # fmt: skip
    assert [[table.metric.name for table in group] for group in by_task(SCORES)] == [
        ["bits_per_byte", "perplexity"], ["hops"],
    ]  # fmt: skip


def test_rows_are_systems_and_columns_are_parts():
    table = tables(SCORES)[0]
    assert list(table.systems) == ["model", "gzip"] and table.parts == ["", "code"]
    assert [score.value for score in table.column("").values()] == [1.5, 2.0]
    assert list(table.column("code")) == ["model"]


def test_a_terminal_shows_the_model_last_and_which_end_is_better():
    assert scores_text(SCORES) == [
        "bits per byte (test) ↓".ljust(40) + "total".rjust(12) + "code".rjust(12),
        "gzip -9".ljust(40) + "2.000".rjust(12) + "—".rjust(12),
        "this model".ljust(40) + "1.500".rjust(12) + "1.250".rjust(12),
        "",
        "hops (pond)".ljust(40) + "total".rjust(12),
        "this model".ljust(40) + "7.000".rjust(12),
        "",
        "perplexity (test) ↓".ljust(40) + "total".rjust(12),
        "this model".ljust(40) + "1,234.5".rjust(12),
        "",
    ]


@pytest.fixture
def in_chinese():
    before = language()
    set_language("zh")
    yield
    set_language(before)


def test_a_terminal_shows_chinese_names(in_chinese):
    lines = scores_text(SCORES[:1])
    assert lines[0].startswith("比特/字节（测试） ↓") and lines[1].startswith("本模型")


def test_no_scores_are_no_lines():
    assert scores_text([]) == []
