"""Killed, damaged, extended, forked: a run goes on from where it was, exactly, or says why not."""

import shutil
import threading

import pytest
import torch
from training_parts import CountingBatches, tiny_model, tiny_settings

from massivetext.errors import CheckpointError, StoreError
from massivetext.state import read_json, write_state
from massivetext.storage import write_json
from massivetext.training.checkpoints import FILES, checkpoint_folders, newest_checkpoint, open_checkpoint
from massivetext.training.loop import train
from massivetext.training.metrics import read_rows

SETTINGS = tiny_settings(checkpoint_every_steps=2)


def run(folder, settings=SETTINGS, **options):
    model = tiny_model(seed=1)
    return model, train(model, CountingBatches(), settings, folder, quiet=True, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "undisturbed"
    run(folder)
    return folder


@pytest.fixture
def half_done(finished, tmp_path):
    """A run whose step-6 checkpoint was never written, though its rows were."""
    folder = tmp_path / "half"
    shutil.copytree(finished, folder)
    shutil.rmtree(folder / "checkpoints" / "step-00000006")
    return folder


def same_bytes(one, other):
    names = ["metrics.jsonl", *(f"checkpoints/step-00000006/{part}.safetensors" for part in ("model", "optimizer"))]
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def test_a_resumed_run_ends_with_the_same_bytes(finished, half_done):
    run(half_done)
    assert same_bytes(finished, half_done)


def test_a_finished_run_does_nothing_and_its_model_is_the_last_one(finished):
    model, result = run(finished)
    assert result.step == 6
    tensors = newest_checkpoint(finished).tensors("model")
    assert all(torch.equal(parameter, tensors[name]) for name, parameter in model.named_parameters())


@pytest.mark.parametrize("part", ["model.safetensors", "optimizer.safetensors", "state.json", "chunks.json"])
def test_a_damaged_newest_checkpoint_is_said_and_the_one_before_is_used(finished, tmp_path, capsys, part):
    folder = tmp_path / "damaged"
    shutil.copytree(finished, folder)
    damage(folder / "checkpoints" / "step-00000006" / part)
    run(folder)
    said = capsys.readouterr().err
    assert (
        f"step-00000006 is damaged and is not used: {part} does not have the digest" in said
        and "Continuing from step-00000004" in said
    )
    assert same_bytes(finished, folder)


def test_a_checkpoint_cut_short_before_COMPLETE_is_passed_over(finished, tmp_path, capsys):
    folder = tmp_path / "cut"
    shutil.copytree(finished, folder)
    (folder / "checkpoints" / "step-00000006" / "COMPLETE").unlink()
    run(folder)
    assert "COMPLETE is missing" in capsys.readouterr().err
    assert same_bytes(finished, folder)


def test_a_run_whose_checkpoints_are_all_damaged_is_never_started_over_unasked(finished, tmp_path):
    folder = tmp_path / "all"
    shutil.copytree(finished, folder)
    for checkpoint in checkpoint_folders(folder / "checkpoints"):
        damage(checkpoint / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"no intact checkpoint.*delete that folder"):
        run(folder)
    shutil.rmtree(folder / "checkpoints")
    run(folder)
    assert same_bytes(finished, folder)


def test_sums_between_two_rows_survive(tmp_path):
    settings = tiny_settings(checkpoint_every_steps=2, log_every_steps=3)
    run(tmp_path / "a", settings)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for step in (4, 6):
        shutil.rmtree(tmp_path / "b" / "checkpoints" / f"step-0000000{step}")
    run(tmp_path / "b", settings)
    assert same_bytes(tmp_path / "a", tmp_path / "b")


def test_an_interrupt_saves_a_checkpoint_and_the_run_can_go_on(finished, tmp_path, monkeypatch):
    from massivetext.training import loop

    def interrupted(work, threads):
        stop = threading.Event()
        stop.set()
        return work(stop)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "run_with_threads", interrupted)
        with pytest.raises(KeyboardInterrupt, match="stopped at step 1"):
            run(tmp_path)
    assert newest_checkpoint(tmp_path).step == 1
    run(tmp_path)
    assert same_bytes(finished, tmp_path)


@pytest.mark.parametrize(
    ("changed", "options", "said"),
    [
        ({"learning_rate": 0.5}, {}, r"train.learning_rate was 0.004, is 0.5"),
        ({"steps": 9}, {}, r"train.steps was 6, is 9"),
        ({}, {"identity": {"store": "abc"}}, r"store was None, is abc"),
    ],
)
def test_checkpoints_of_another_run_are_refused_and_the_difference_named(finished, tmp_path, changed, options, said):
    shutil.copytree(finished, tmp_path / "other")
    with pytest.raises(CheckpointError, match=said):
        run(tmp_path / "other", tiny_settings(checkpoint_every_steps=2, **changed), **options)


def test_what_does_not_change_the_numbers_may_change(half_done, finished):
    run(half_done, tiny_settings(checkpoint_every_steps=3, keep_checkpoints=1))
    assert same_bytes(finished, half_done)


def test_another_environment_is_named_and_the_run_goes_on(half_done, capsys):
    folder = half_done / "checkpoints" / "step-00000004"
    state = read_json(folder / "state.json")
    state["environment"]["torch"] = "1.0"
    write_json(folder / "state.json", state)
    from massivetext.storage import file_digest

    complete = read_json(folder / "COMPLETE")
    del complete["sha256"]
    write_state(folder / "COMPLETE", {**complete, "state.json": file_digest(folder / "state.json")})
    run(half_done)
    assert "torch was 1.0 and is 2." in capsys.readouterr().err


def test_a_checkpoint_of_another_model_is_refused_by_tensor(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "other")
    with pytest.raises(CheckpointError, match=r"mlp.down_proj.weight \(32, \d+\) for \(32, 48\)"):
        train(tiny_model(intermediate_size=48), CountingBatches(), SETTINGS, tmp_path / "other", quiet=True)


def test_an_unknown_format_is_refused(half_done):
    from massivetext.storage import file_digest

    folder = half_done / "checkpoints" / "step-00000004"
    write_json(folder / "state.json", {**read_json(folder / "state.json"), "format": "massivetext-checkpoint/9"})
    write_state(folder / "COMPLETE", {name: file_digest(folder / name) for name in FILES})
    with pytest.raises(CheckpointError, match="massivetext-checkpoint/9"):
        open_checkpoint(folder)


@pytest.mark.parametrize("named", ["", "checkpoints", "checkpoints/step-00000006"])
def test_from_starts_another_run_at_a_checkpoint_a_run_or_its_checkpoints(finished, tmp_path, named):
    run(tmp_path, tiny_settings(steps=2, **{"from": finished / named}))
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert [(row["step"], row["tokens"]) for row in rows] == [(7, 7 * 128), (8, 8 * 128)]
    assert newest_checkpoint(tmp_path).step == 8


def test_a_fork_has_a_schedule_of_its_own_and_goes_on_in_the_data(finished, tmp_path):
    batches = CountingBatches()
    fork = tiny_settings(steps=2, warmup_steps=0, decay_fraction=1.0, **{"from": finished})
    train(tiny_model(), batches, fork, tmp_path, quiet=True)
    assert batches.asked == [6, 6, 7]
    rates = [row["learning_rate"] for row in read_rows(tmp_path / "metrics.jsonl")]
    assert rates == [fork.learning_rate, fork.learning_rate / 2]


def test_a_killed_fork_resumes_exactly_without_its_origin(finished, tmp_path):
    origin = tmp_path / "origin"
    shutil.copytree(finished, origin)
    fork = tiny_settings(steps=3, checkpoint_every_steps=1, **{"from": origin})
    run(tmp_path / "a", fork)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for step in (8, 9):
        shutil.rmtree(tmp_path / "b" / "checkpoints" / f"step-0000000{step}")
    shutil.rmtree(origin)
    run(tmp_path / "b", fork)
    names = ["metrics.jsonl", "checkpoints/step-00000009/model.safetensors"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


def test_a_run_is_extended_in_its_own_folder(finished, tmp_path):
    folder = tmp_path / "longer"
    shutil.copytree(finished, folder)
    run(folder, tiny_settings(steps=2, **{"from": folder}))
    assert [row["step"] for row in read_rows(folder / "metrics.jsonl")] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_folder_with_later_checkpoints_of_another_run_is_refused(finished, tmp_path):
    folder = tmp_path / "back"
    shutil.copytree(finished, folder)
    with pytest.raises(CheckpointError, match="later than step 2"):
        run(folder, tiny_settings(steps=2, **{"from": folder / "checkpoints" / "step-00000002"}))


def test_from_a_folder_without_checkpoints_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no complete checkpoint at"):
        run(tmp_path / "new", tiny_settings(steps=2, **{"from": tmp_path}))


def test_a_checkpoint_names_every_tensor_its_shape_and_offsets(finished):
    chunks = read_json(finished / "checkpoints" / "step-00000006" / "chunks.json")
    entry = chunks["tensors"]["model/model.embed_tokens.weight"]
    assert entry["shape"] == [64, 32]
    assert entry["chunks"] == [{"file": "model.safetensors", "offsets": [0, 0], "shape": [64, 32]}]


def test_a_checkpoint_records_what_decides_the_last_bits(finished):
    state = open_checkpoint(finished / "checkpoints" / "step-00000006").state
    assert state["environment"].keys() == {"massivetext", "torch", "device", "threads", "compiled", "precision"}


def test_rows_that_are_spoiled_behind_the_checkpoint_are_cut_off(half_done, finished):
    with open(half_done / "metrics.jsonl", "ab") as stream:
        stream.write(b'{"step": 5, "loss"' + bytes(64) + b"\n[]\n")
    run(half_done)
    assert same_bytes(finished, half_done)


@pytest.mark.parametrize("spoil", [lambda data: data[:20] + b"\0" + data[21:], lambda data: b"", lambda data: data[1:]])
def test_damaged_rows_before_the_checkpoint_stop_the_run(half_done, spoil):
    path = half_done / "metrics.jsonl"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(StoreError, match=r"metrics.jsonl is damaged.*Restore it from a copy, or delete .*checkpoints"):
        run(half_done)
