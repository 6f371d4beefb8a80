"""A disk that is full while a run is written: one clear message, nothing half written, and the run resumes."""

import subprocess

import pytest
from crash_harness import folder_digests
from small_run import small_recipe, write_texts

import massivetext as mt
from massivetext.errors import DiskFullError

WRITTEN = ("corpus/**/*.parquet", "tokens/**/*.bin", "checkpoints/**/*.safetensors", "model/*", "metrics.jsonl")


def mounted(*options):
    done = subprocess.run(["mount", "-t", "tmpfs", *options], capture_output=True, text=True, check=False)
    return done.returncode == 0


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mounted("-o", "size=64k", "tmpfs", str(disk)):
        pytest.skip("a small file system can be mounted by root only")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def recipe_for(texts):
    write_texts(texts, documents=40)
    recipe = small_recipe(texts)
    recipe["train"] |= {"steps": 4, "checkpoint_every_steps": 2, "evaluate_every_steps": 4}
    return recipe


def fill_and_go_on(tmp_path, disk, sizes):
    """Run on a disk of each of these sizes, in turn, then on one that is large enough; compare with a run elsewhere."""
    recipe = recipe_for(tmp_path / "texts")
    mt.run(recipe, tmp_path / "whole", quiet=True)
    for size in sizes:
        assert mounted("-o", f"remount,size={size}k", "tmpfs", str(disk))
        with pytest.raises(DiskFullError, match=r"the disk is full \(\d.* MB free at .*Make room"):
            mt.run(recipe, disk / "run", quiet=True)
        assert not list(disk.rglob(".tmp-*"))
    assert mounted("-o", "remount,size=64m", "tmpfs", str(disk))
    mt.run(recipe, disk / "run", quiet=True)
    assert folder_digests(disk / "run", WRITTEN) == folder_digests(tmp_path / "whole", WRITTEN)


def test_a_full_disk_stops_a_run_with_one_message_and_the_run_resumes(tmp_path, small_disk):
    fill_and_go_on(tmp_path, small_disk, [48, 600])


@pytest.mark.slow
def test_a_disk_that_is_full_at_any_moment_of_a_run(tmp_path, small_disk):
    fill_and_go_on(tmp_path, small_disk, [8, 16, 32, 64, 96, 128, 160, 200, 260, 320, 400, 500, 600, 700, 800, 900])
