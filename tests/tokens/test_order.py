from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.errors import ConfigError
from massivetext.tokens import runs
from massivetext.tokens.mixture import LONGEST_PERIOD_ROWS, _rounded, rows_per_period
from massivetext.tokens.order import Schedule, Stream, TrainingOrder, permute
from massivetext.tokens.settings import MixtureSettings
from massivetext.tokens.store import build_store


@given(count=st.integers(1, 700), key=st.integers(0, 2**64 - 1))
def test_the_permutation_is_a_bijection(count, key):
    assert sorted(permute(index, count, key) for index in range(count)) == list(range(count))


def test_the_permutation_reaches_every_place_of_a_range_too_large_to_list():
    count = 10**15 + 7
    places = {permute(index, count, key=5) for index in range(2000)}
    assert len(places) == 2000 and max(places) < count
    assert min(places) < count // 10 and max(places) > count * 9 // 10


def test_permutations_of_different_keys_differ():
    orders = {tuple(permute(index, 100, key) for index in range(100)) for key in range(20)}
    assert len(orders) == 20


def test_the_permutation_sends_an_index_to_all_places_about_equally_often():
    places = Counter(permute(3, 8, key) for key in range(4000))
    assert len(places) == 8 and max(places.values()) < 620 and min(places.values()) > 390  # 500 each, sigma 21


@settings(deadline=None, max_examples=60)
@given(shares=st.lists(st.integers(1, 40), min_size=1, max_size=9))
def test_each_source_is_within_one_row_of_its_share_at_every_prefix(shares):
    schedule, total = Schedule(shares), sum(shares)
    taken = [0] * len(shares)
    for row in range(2 * total):
        source, earlier = schedule.place(row)
        assert earlier == taken[source]
        taken[source] += 1
        for count, share in zip(taken, shares, strict=True):
            assert abs(count - Fraction(share * (row + 1), total)) < 1
        assert schedule.counts(row + 1) == taken
    assert taken == [2 * share for share in shares]


def test_shares_too_fine_for_the_longest_period_are_rounded_and_keep_every_source():
    rounded = _rounded({"tiny": 1, "large": 10**12, "other": 3 * 10**12}, LONGEST_PERIOD_ROWS)
    assert rounded["tiny"] == 1
    assert abs(rounded["large"] / LONGEST_PERIOD_ROWS - 0.25) < 1e-6
    assert abs(sum(rounded.values()) - LONGEST_PERIOD_ROWS) <= 1


def test_weights_are_exact_shares_whatever_the_sizes():
    mixture = MixtureSettings(weights={"a": 0.3, "b": 0.5, "c": 0.2})
    assert rows_per_period(mixture, {"a": 7, "b": 1000, "c": 3, "unused": 5}) == {"a": 3, "b": 5, "c": 2}


def test_epochs_are_multiples_of_the_sizes():
    mixture = MixtureSettings(epochs={"a": 2, "b": 0.5})
    assert rows_per_period(mixture, {"a": 10, "b": 15}) == {"a": 8, "b": 3}


def test_a_source_that_the_store_lacks_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"'wikki'; did you mean 'wiki'"):
        rows_per_period(MixtureSettings(weights={"wikki": 1.0}), {"wiki": 3, "web": 2})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"weights": {"a": 1.0}, "epochs": {"a": 1.0}}, "both weights and epochs"),
        ({"weights": {"a": 0.0}}, "must be above 0"),
        ({"epochs": {"a": -1.0}}, "must be above 0"),
        ({"weights": {"a": float("inf")}}, "finite"),
        ({"weights": {}}, "names no source"),
    ],
)
def test_mixtures_that_cannot_be_meant_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        MixtureSettings.parse(values)


def plain_stream(store, split, source):
    """The slow twin: the whole stream as a list."""
    stream = []
    for ids in store.documents(split, source):
        stream += [store.start_id, *ids.tolist()]
    return [*stream, store.start_id]


@pytest.mark.parametrize("context_tokens", [3, 32, 100_000])
def test_one_pass_predicts_every_id_and_every_document_end_exactly_once(store, context_tokens):
    order = TrainingOrder(store, "train", context_tokens=context_tokens, rows_per_batch=1, seed=9)
    labels = {source: {} for source in order.sources}
    for row in range(order.rows_per_pass):
        source, window = order.place(row)
        batch = order.batch(row)
        assert batch.sources[0] == source
        labels[order.sources[source]][window] = batch.labels[0][batch.labels[0] >= 0].tolist()
    for source, windows in labels.items():
        predicted = [label for window in sorted(windows) for label in windows[window]]
        assert predicted == plain_stream(store, "train", source)[1:]


@pytest.mark.parametrize("context_tokens", [5, 64])
def test_rows_equal_the_slow_twin(store, context_tokens):
    order = TrainingOrder(store, "train", context_tokens=context_tokens, rows_per_batch=1, seed=1)
    streams = {source: plain_stream(store, "train", source) for source in order.sources}
    for row in range(0, order.rows_per_pass, 3):
        source, window = order.place(row)
        batch, stream = order.batch(row), streams[order.sources[source]]
        inputs = stream[:-1][window * context_tokens : (window + 1) * context_tokens]
        real = len(inputs)
        assert batch.input_ids[0].tolist() == inputs + [store.start_id] * (context_tokens - real)
        assert batch.labels[0].tolist()[:real] == stream[window * context_tokens + 1 :][:real]
        assert set(batch.labels[0].tolist()[real:]) <= {-100}
        position, segment, positions, segments = -1, 0, [], []
        for index, number in enumerate(batch.input_ids[0].tolist()):
            if number == store.start_id and index > 0:
                position, segment = -1, segment + 1
            position += 1
            positions.append(position)
            segments.append(segment)
        assert batch.positions[0].tolist() == positions
        assert batch.segments[0].tolist() == segments


def test_a_batch_has_the_promised_shapes_and_types(store):
    batch = TrainingOrder(store, "train", context_tokens=16, rows_per_batch=3).batch(0)
    for name in ("input_ids", "labels", "positions"):
        assert getattr(batch, name).shape == (3, 16) and getattr(batch, name).dtype == np.int64
    assert batch.segments.shape == (3, 16) and batch.segments.dtype == np.int32
    assert batch.sources.shape == (3,) and batch.sources.dtype == np.int32


def test_the_batch_of_a_step_needs_no_earlier_step(store):
    mixture = MixtureSettings(weights={"code": 0.5, "zh": 0.5})
    used = TrainingOrder(store, "train", mixture, 24, 3, seed=5)
    for step in range(40):
        used.batch(step)
    fresh = TrainingOrder(store, "train", mixture, 24, 3, seed=5).batch(40)
    for name in ("input_ids", "labels", "positions", "segments", "sources"):
        assert np.array_equal(getattr(used.batch(40), name), getattr(fresh, name))


def test_another_seed_and_another_pass_give_another_order_of_the_same_rows(store):
    order, other = (TrainingOrder(store, "train", context_tokens=16, seed=seed) for seed in (0, 1))
    rows = order.rows_per_pass
    first, second = ([order.place(row) for row in range(start, start + rows)] for start in (0, rows))
    third = [other.place(row) for row in range(rows)]
    assert len(set(first)) == rows
    assert sorted(first) == sorted(second) == sorted(third)
    assert first != second and first != third


def test_weights_decide_the_passes_of_each_source(store):
    order = TrainingOrder(store, "train", MixtureSettings(epochs={"code": 2.0, "zh": 1.0}), 16, 1)
    passes = order.passes(order.rows_per_pass)
    assert passes["code"] == pytest.approx(2.0, abs=0.01) and passes["zh"] == pytest.approx(1.0, abs=0.02)
    assert order.sources == ["code", "zh"]
    assert order.tokens_per_pass == order.rows_per_pass * 16


def test_streams_do_not_depend_on_where_shards_end(corpus, trained, store, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "SHARD_IDS_BYTES", 2000)
    cut = build_store(corpus, trained, tmp_path, seed=3, quiet=True)
    documents = cut.documents("train", "code")
    assert len(documents.shards) > 3
    whole = plain_stream(store, "train", "code")
    stream = Stream(documents, store.start_id)
    for start, stop in ((0, len(whole)), (5, 6), (700, 3000), (len(whole) - 1, len(whole))):
        read = stream.read(start, stop)
        assert np.where(read < 0, store.start_id, read).tolist() == whole[start:stop]


def test_a_batch_without_rows_is_refused(store):
    with pytest.raises(ConfigError, match="make batch_tokens at least context_tokens"):
        TrainingOrder(store, "train", context_tokens=256, rows_per_batch=0)
