"""A score says what it is: task and part, system and facts, and which end of its scale is the good one."""

import dataclasses

import pytest

from massivetext.metrics.declarations import BITS_PER_BYTE, METRICS, SYSTEMS, Metric, metric_of, system_of
from massivetext.metrics.score import Score, change, describe

FACTS = {"context_tokens": 256, "corpus": "c7b92879"}


def test_a_score_has_the_fields_of_the_contract():
    names = [field.name for field in dataclasses.fields(Score)]
    assert names == ["task", "metric", "value", "unit", "low", "high", "items", "signature"]


def test_a_row_gives_the_score_back():
    score = BITS_PER_BYTE.score("test/code", 1.5, 1000, interval=(1.4, 1.6), facts=FACTS)
    assert Score(**score.row()) == score


@pytest.mark.parametrize(
    ("task", "group", "part"), [("test", "test", ""), ("test/code", "test", "code"), ("files/a/b", "files", "a/b")]
)
def test_a_task_has_a_group_and_a_part(task, group, part):
    score = BITS_PER_BYTE.score(task, 1.5, 1000)
    assert (score.group, score.part) == (group, part)


def test_a_signature_names_system_version_and_facts():
    score = BITS_PER_BYTE.score("test", 1.5, 1000, system="xz", facts=FACTS)
    assert score.signature == "system:xz|version:1|context_tokens:256|corpus:c7b92879"
    assert score.system == "xz" and score.facts["context_tokens"] == "256"


def test_a_bar_in_a_fact_ends_no_fact():
    assert describe("a|b", 1, {"path": "x|y:z"}) == "system:a/b|version:1|path:x/y:z"


@pytest.mark.parametrize(("lower", "best"), [(True, "low"), (False, "high")])
def test_the_direction_decides_what_is_best(lower, best):
    metric = Metric("m", "m", lower_is_better=lower)
    assert metric.best({"middle": 2.0, "low": 1.0, "high": 3.0})[0] == best
    assert metric.better(1.0, 2.0) == lower and metric.better(2.0, 1.0) != lower and not metric.better(1.0, 1.0)


def test_without_a_direction_nothing_is_better():
    metric = Metric("m", "m")
    assert not metric.better(1.0, 2.0) and not metric.better(2.0, 1.0) and metric.arrow == ""


def test_what_is_not_declared_is_shown_under_its_name():
    score = Score("test", "some_thing", 1.0, "things", None, None, 3, "system:my {model}|version:1")
    metric, system = metric_of(score), system_of(score)
    assert (metric.label, metric.unit, metric.lower_is_better) == ("some thing", "things", None)
    assert system.named(score) == "my {model}"


@pytest.mark.parametrize(
    ("own", "other", "by"), [(3.0, 2.0, 0.5), (1.0, 2.0, -0.5), (1.0, 0.0, None), (1.0, -2.0, None)]
)
def test_a_change_is_a_fraction_of_the_other_value(own, other, by):
    assert change(own, other) == by


def test_declarations_stand_under_their_names():
    assert all(metric.name == name for name, metric in METRICS.items())
    assert all(system.name == name for name, system in SYSTEMS.items())
