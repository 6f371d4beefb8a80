"""The `train` section: one length, whole rows, names that are known."""

import pytest

from massivetext.errors import ConfigError
from massivetext.training.settings import TrainSettings


@pytest.mark.parametrize("length", [{"steps": 3}, {"minutes": 0.5}, {"tokens": 10}, {"epochs": 1.5}])
def test_any_one_length_is_accepted(length):
    assert TrainSettings.parse(length)


@pytest.mark.parametrize(("length", "said"), [({}, "found none"), ({"steps": 1, "minutes": 1}, "found minutes, steps")])
def test_no_length_or_two_are_refused_by_name(length, said):
    with pytest.raises(ConfigError, match=said):
        TrainSettings.parse(length)


def test_a_batch_that_is_no_whole_number_of_rows_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"not a whole number of rows.*256"):
        TrainSettings.parse({"steps": 1, "context_tokens": 128, "batch_tokens": 300})


def test_rows_that_do_not_split_into_micro_batches_are_refused():
    with pytest.raises(ConfigError, match="divisor of 4"):
        TrainSettings.parse({"steps": 1, "context_tokens": 8, "batch_tokens": 32, "micro_batches": 3})


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'learning_rate'"):
        TrainSettings.parse({"steps": 1, "learningrate": 1.0}, where="train")


def test_from_is_written_without_underscore():
    assert str(TrainSettings.parse({"steps": 1, "from": "run"}).from_) == "run"
