"""One run: what it learns, what it writes, how it ends."""

import json
import math

import numpy as np
import pytest
import torch
from training_parts import CountingBatches, tiny_model, tiny_settings

from massivetext.errors import ConfigError, ModelError, StoreError
from massivetext.training.calibration import _check_time, resolve_steps
from massivetext.training.checkpoints import checkpoint_folders
from massivetext.training.loop import DivergenceError, Parts, train
from massivetext.training.metrics import cut_back, read_rows
from massivetext.training.objectives.causal import CausalObjective
from massivetext.training.validation import validation_losses


def losses(folder):
    return [row for row in read_rows(folder / "metrics.jsonl") if "loss" in row]


def steps_kept(folder):
    return [int(path.name.removeprefix("step-")) for path in checkpoint_folders(folder / "checkpoints")]


def test_the_loss_falls(model, batches, tmp_path):
    train(model, batches, tiny_settings(steps=40), tmp_path, quiet=True)
    rows = losses(tmp_path)
    assert rows[0]["loss"] == pytest.approx(math.log(64), abs=0.2)
    assert rows[-1]["loss"] < 0.75 * rows[0]["loss"]


def test_each_step_asks_for_its_own_batch(model, batches, tmp_path):
    train(model, batches, tiny_settings(), tmp_path, quiet=True)
    assert batches.asked == [0, 0, 1, 2, 3, 4, 5]  # the leak probe sees the first one


def test_rows_of_metrics_hold_reproducible_fields_only(model, batches, tmp_path):
    train(model, batches, tiny_settings(), tmp_path, quiet=True)
    row = losses(tmp_path)[2]
    assert list(row) == ["step", "tokens", "loss", "losses", "gradient_norm", "learning_rate"]
    assert (row["step"], row["tokens"]) == (3, 3 * 128)


def test_the_loss_of_a_source_is_the_mean_over_its_own_rows(model, batches, tmp_path):
    objective = CausalObjective(model, tiny_settings())
    batch = batches.batch(0)
    with torch.no_grad():
        _, nats = objective.loss(batch, slice(0, 4))
    train(model, batches, tiny_settings(steps=1), tmp_path, quiet=True)
    row = losses(tmp_path)[0]
    assert row["losses"]["even"] == pytest.approx(float(nats[::2].sum()) / 64, rel=1e-6)
    assert row["losses"]["odd"] == pytest.approx(float(nats[1::2].sum()) / 64, rel=1e-6)
    assert row["loss"] == pytest.approx(float(nats.sum()) / 128, rel=1e-6)


def test_the_loss_is_that_of_the_plain_model_with_all_its_logits(model, batches):
    batch = batches.batch(0)
    mean = CausalObjective(model, tiny_settings()).loss(batch, slice(0, 4))[0].detach()
    tensors = [torch.from_numpy(array) for array in (batch.input_ids, batch.positions, batch.segments)]
    logits = model(tensors[0], position_ids=tensors[1], segments=tensors[2]).logits
    plain = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(batch.labels).flatten()).detach()
    assert float(mean) == pytest.approx(float(plain), rel=1e-6)


def test_micro_batches_give_the_gradient_of_the_whole(batches, tmp_path):
    norms = []
    for parts in (1, 2, 4):
        folder = tmp_path / str(parts)
        train(tiny_model(), batches, tiny_settings(steps=2, micro_batches=parts), folder, quiet=True)
        norms.append([row["gradient_norm"] for row in losses(folder)])
    assert norms[1] == pytest.approx(norms[0], rel=1e-4)
    assert norms[2] == pytest.approx(norms[0], rel=1e-4)


def test_a_row_is_the_mean_since_the_one_before(batches, tmp_path):
    for every in (1, 3):
        train(tiny_model(), batches, tiny_settings(log_every_steps=every), tmp_path / str(every), quiet=True)
    each, mean = losses(tmp_path / "1"), losses(tmp_path / "3")
    assert [row["step"] for row in mean] == [3, 6]
    assert mean[0]["loss"] == pytest.approx(sum(row["loss"] for row in each[:3]) / 3)


def test_evaluations_are_rows_and_the_last_step_has_one(model, batches, tmp_path):
    def evaluate(objective, step):
        return validation_losses(objective, CountingBatches(), most=2)

    train(model, batches, tiny_settings(evaluate_every_steps=4), tmp_path, evaluate=evaluate, quiet=True)
    rows = [row for row in read_rows(tmp_path / "metrics.jsonl") if "validation_loss" in row]
    assert [row["step"] for row in rows] == [4, 6]
    assert rows[0]["validation_losses"].keys() == {"even", "odd"}


def test_speeds_go_to_timing(model, batches, tmp_path):
    train(model, batches, tiny_settings(), tmp_path, quiet=True)
    row = read_rows(tmp_path / "timing.jsonl")[-1]
    assert list(row) == ["step", "tokens_per_second", "utilisation_fraction", "elapsed_seconds"]
    assert row["tokens_per_second"] > 0 and 0 < row["utilisation_fraction"] < 1.5


def test_tensorboard_gets_the_scalars(model, batches, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(model, batches, tiny_settings(), tmp_path, quiet=True)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4, 5, 6]
    assert {"losses/odd", "learning_rate", "gradient_norm", "tokens_per_second"} <= set(events.Tags()["scalars"])


def test_a_loss_that_is_not_finite_names_the_step_and_the_source(model, tmp_path):
    class Poisoned(CausalObjective):
        def loss(self, batch, rows):
            mean, nats = super().loss(batch, rows)
            return (mean * math.nan, torch.where(torch.arange(4) == 1, math.nan, nats)) if self.bad else (mean, nats)

    class Batches(CountingBatches):
        def batch(self, step):
            objective.bad = step == 2
            return super().batch(step)

    objective = Poisoned(model, tiny_settings())
    with pytest.raises(DivergenceError, match=r"step 3: the loss is nan.*rows of odd"):
        settings = tiny_settings(checkpoint_every_steps=1)
        train(model, Batches(), settings, tmp_path, parts=Parts(objective=objective), quiet=True)
    assert steps_kept(tmp_path) == [2, 1]


def test_a_learning_rate_far_too_high_is_an_error_not_a_broken_model(model, batches, tmp_path):
    settings = tiny_settings(learning_rate=1e30, muon_learning_rate=1e30, warmup_steps=0)
    with pytest.raises(DivergenceError, match="Lower train"):
        train(model, batches, settings, tmp_path, quiet=True)


def test_only_the_newest_checkpoints_are_kept(model, batches, tmp_path):
    train(model, batches, tiny_settings(checkpoint_every_steps=1, keep_checkpoints=2), tmp_path, quiet=True)
    assert steps_kept(tmp_path) == [6, 5]


def test_the_leak_probe_finds_a_model_that_sees_other_documents(model, batches, tmp_path):
    inner = model.hidden
    model.hidden = lambda embeddings, positions, segments: inner(embeddings, positions, segments * 0)
    with pytest.raises(ModelError, match="a document before it in the same row"):
        train(model, batches, tiny_settings(), tmp_path, quiet=True)


def test_the_leak_probe_finds_a_model_that_sees_the_future(model, batches, tmp_path):
    inner = model.hidden
    model.hidden = lambda embeddings, positions, segments: (
        inner(embeddings, positions, segments) + embeddings.flip(1).cumsum(1).flip(1)
    )
    with pytest.raises(ModelError, match="leak probe"):
        train(model, batches, tiny_settings(), tmp_path, quiet=True)


def test_a_model_without_the_parts_of_packed_training_is_refused_by_name(batches, tmp_path):
    with pytest.raises(ModelError, match="Linear has no embed, hidden, head_weight"):
        train(torch.nn.Linear(2, 2), batches, tiny_settings(), tmp_path, quiet=True)


def test_minutes_become_steps_and_the_model_is_as_it_was(model, batches):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    settings = resolve_steps(model, batches, tiny_settings(minutes=0.05), quiet=True)
    assert settings.steps >= 1 and settings.minutes is None and settings.checkpoint_every_steps >= 1
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(("length", "steps"), [({"tokens": 129}, 2), ({"epochs": 1.05}, 11), ({"tokens": 128}, 1)])
def test_tokens_and_epochs_are_rounded_up_to_whole_steps(model, batches, length, steps):
    assert resolve_steps(model, batches, tiny_settings(**length)).steps == steps


def test_unresolved_minutes_are_refused(model, batches, tmp_path):
    with pytest.raises(ConfigError, match="resolve_steps"):
        train(model, batches, tiny_settings(minutes=1), tmp_path)


def speeds(*steps):
    row = {"tokens_per_second": 1.0, "utilisation_fraction": 0.5, "elapsed_seconds": 2.0}
    return b"".join(json.dumps({"step": step, **row}).encode() + b"\n" for step in steps)


@pytest.mark.parametrize("rest", [b'{"step": 2, "to', b"\0\0\0\n", b"[]\n", b"\xff\n", b'{"step": 2}\n'])
def test_cutting_back_drops_later_rows_and_what_is_broken(tmp_path, rest):
    path = tmp_path / "timing.jsonl"
    path.write_bytes(speeds(1, 2, 3) + rest)
    cut_back(path, 2)
    assert [row["step"] for row in read_rows(path)] == [1, 2]
    path.write_bytes(speeds(1, 2) + rest + speeds(3))
    cut_back(path, 9)
    assert [row["step"] for row in read_rows(path)] == [1, 2]


@pytest.mark.parametrize("line", [b"\0\0\0\n", b"[]\n", b"\xff\n", b'{"step": 2}\n', b'{"step": 2, "tok\n'])
def test_a_damaged_row_is_named_by_its_line(tmp_path, line):
    (tmp_path / "timing.jsonl").write_bytes(speeds(1) + line + speeds(3))
    with pytest.raises(StoreError, match=r"timing.jsonl is damaged: line 2 is no row"):
        read_rows(tmp_path / "timing.jsonl")


def test_labels_left_out_do_not_count(model, tmp_path):
    class Partly(CountingBatches):
        def batch(self, step):
            batch = super().batch(step)
            batch.labels[:, 10:] = -100
            return batch

    train(model, Partly(), tiny_settings(steps=1), tmp_path, quiet=True)
    row = losses(tmp_path)[0]
    assert row["tokens"] == 40
    assert row["loss"] == pytest.approx(math.log(64), abs=0.3)
    assert np.isfinite(row["gradient_norm"])


def test_minutes_in_which_no_step_fits_are_refused_with_the_reason(model, batches):
    with pytest.raises(ConfigError, match=r"train.minutes is 1e-05, and no step fits: compiling and timing took"):
        resolve_steps(model, batches, tiny_settings(minutes=1e-5), quiet=True)


def test_minutes_that_evaluations_use_up_are_refused_with_enough_minutes():
    with pytest.raises(ConfigError, match=r"8 evaluations takes 2\.0 s.*Set train.minutes to 0\.\d or more"):
        _check_time(0.05, prepared=1.0, evaluation=2.0, steps=0, step=0.1)


def test_minutes_of_which_little_is_left_for_training_are_warned_of(capsys):
    _check_time(1.0, prepared=35.0, evaluation=1.0, steps=50, step=0.2)
    assert "only 10.0 s are left for training, 50 steps" in capsys.readouterr().err
    _check_time(1.0, prepared=5.0, evaluation=1.0, steps=200, step=0.2)
    assert capsys.readouterr().err == ""
