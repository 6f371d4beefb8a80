"""A recipe's list of steps becomes step objects, or an error that helps."""

from importlib import import_module

import pyarrow as pa
import pytest

from massivetext.corpus.gathering import Gathered, batch_of
from massivetext.corpus.lanes import Lane
from massivetext.corpus.settings import SplitSettings
from massivetext.corpus.steps import Barrier, Decide, Edit, Edited, Measure
from massivetext.corpus.steps.presets import PRESETS
from massivetext.corpus.steps.table import STEPS, make_steps
from massivetext.errors import ConfigError
from massivetext.text.arrays import replaced


def test_names_and_names_with_settings_become_steps_in_order() -> None:
    steps = make_steps(["normalise", "statistics", {"length": {"min_characters": 3}}, {"deduplicate": {"exact": True}}])
    assert [step.name for step in steps] == ["normalise", "statistics", "length", "deduplicate"]
    assert [isinstance(step, kind) for step, kind in zip(steps, (Edit, Measure, Decide, Barrier), strict=True)] == [
        True
    ] * 4


def test_every_name_in_the_table_makes_a_step_of_that_name() -> None:
    for name in STEPS:
        module, _, attribute = STEPS[name].partition(":")
        assert getattr(import_module(module), attribute).name == name


def test_a_needed_measure_is_put_in_before_the_step() -> None:
    assert [step.name for step in make_steps(["normalise", "gopher_quality"])] == [
        "normalise",
        "statistics",
        "gopher_quality",
    ]


def test_a_needed_measure_is_taken_once_between_edits_and_anew_after_one() -> None:
    names = [
        step.name for step in make_steps(["statistics", "gopher_quality", "length", "normalise", "gopher_quality"])
    ]
    assert names == ["statistics", "gopher_quality", "length", "normalise", "statistics", "gopher_quality"]


def test_a_description_holds_name_version_and_resolved_settings() -> None:
    assert make_steps([{"length": {"min_characters": 3}}])[0].describe() == {
        "name": "length",
        "version": 1,
        "settings": {"min_characters": 3, "max_characters": None},
    }


def test_a_step_without_settings_after_the_colon_takes_its_defaults() -> None:
    assert make_steps([{"length": None}])[0].describe() == make_steps(["length"])[0].describe()


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (["normalize"], r"corpus.steps\[0\]: unknown step 'normalize'; did you mean 'normalise'\? Allowed: "),
        (["normalise", {"length": {"min_chars": 3}}], r"steps\[1\].length: 'min_chars'; did you mean 'min_characters'"),
        ([{"length": 3}], r"corpus.steps\[0\].length: found 3; allowed is a mapping of settings"),
        ([{"length": {"min_characters": "many"}}], r"corpus.steps\[0\].length.min_characters: .*found 'many'"),
        ([{"length": {}, "gopher_quality": {}}], r"corpus.steps\[0\]: found .* one name with its settings"),
        ([7], r"corpus.steps\[0\]: found 7"),
        ([{7: {}}], r"corpus.steps\[0\]: unknown step 7"),
    ],
)  # fmt: skip
def test_what_is_no_step_is_an_error_with_place_and_remedy(listed: list, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_steps(listed)


def test_a_measure_gives_the_columns_it_promises() -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["a b", None]})
    measure = make_steps(["statistics"])[0]
    assert isinstance(measure, Measure)
    assert {name: values.type for name, values in measure.measure(batch).items()} == measure.columns


def has_defaults(name: str) -> bool:
    try:
        return bool(make_steps([name]))
    except ConfigError:
        return False


@pytest.mark.parametrize("name", [name for name in sorted({*STEPS, *PRESETS}) if has_defaults(name)])
def test_every_step_takes_a_batch_from_which_all_documents_have_gone(name: str) -> None:
    batch = batch_of(Lane("s", (), SplitSettings(), 0), Gathered())
    for step in make_steps(["normalise", name]):
        if isinstance(step, Measure):
            for column, values in step.measure(batch).items():
                batch = replaced(batch, column, values)
        elif isinstance(step, Edit):
            found = step.edit(batch)
            batch = replaced(batch, "text", found.texts if isinstance(found, Edited) else found)
        elif isinstance(step, Decide):
            assert len(step.decide(batch).reason) == 0
    assert batch.num_rows == 0 and batch.schema.field("text").type == pa.string()
