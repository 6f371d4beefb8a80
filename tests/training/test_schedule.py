"""The learning rate at its corners."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext.training.optimisers import learning_rate_factor
from massivetext.training.settings import TrainSettings


def factors(steps, **fields):
    settings = TrainSettings(steps=steps, **{"decay_fraction": 1.0, **fields})
    return [learning_rate_factor(step, steps, settings) for step in range(steps)]


def test_warm_up_rises_evenly_and_neither_starts_at_zero_nor_meets_the_peak():
    assert factors(10, warmup_steps=3, decay="none")[:4] == [0.25, 0.5, 0.75, 1.0]


def test_without_warm_up_the_first_step_has_the_peak():
    assert factors(4, warmup_steps=0)[0] == 1.0


def test_linear_decay_would_reach_zero_one_step_after_the_last():
    assert factors(4, warmup_steps=0) == [1.0, 0.75, 0.5, 0.25]


def test_warm_down_holds_the_peak_until_the_last_share():
    assert factors(8, warmup_steps=0, decay_fraction=0.5) == [1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]


def test_decay_ends_at_the_final_fraction():
    assert factors(2, warmup_steps=0, final_fraction=0.5) == [1.0, 0.75]


def test_cosine_is_half_way_down_in_the_middle():
    assert factors(4, warmup_steps=0, decay="cosine")[2] == pytest.approx(0.5)


def test_warm_up_longer_than_the_run_is_cut_to_it():
    assert factors(2, warmup_steps=500) == [1 / 3, 2 / 3]


def test_one_step_has_a_learning_rate():
    assert factors(1, warmup_steps=0) == [1.0]


def test_a_step_outside_the_run_is_refused():
    with pytest.raises(ValueError, match="outside a run of 3"):
        learning_rate_factor(3, 3, TrainSettings(steps=3))


@given(
    steps=st.integers(1, 300),
    warmup=st.floats(0, 1),
    share=st.floats(0, 1),
    final=st.floats(0, 1),
    decay=st.sampled_from(["linear", "cosine", "none"]),
)
def test_it_is_positive_never_above_the_peak_and_rises_then_falls(steps, warmup, share, final, decay):
    found = factors(steps, warmup_fraction=warmup, decay=decay, decay_fraction=share, final_fraction=final)
    assert all(0 < value <= 1 for value in found)
    top = found.index(max(found))
    assert found[: top + 1] == sorted(found[: top + 1])
    assert found[top:] == sorted(found[top:], reverse=True)
