"""Files appear whole or not at all; a folder has one writer."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from massivetext.errors import BusyError, DiskFullError
from massivetext.state import read_json
from massivetext.storage import (
    clear_temporary,
    file_digest,
    locked_file,
    locked_folder,
    value_digest,
    write_json,
    write_text,
    write_whole,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_written_file_is_there_whole_and_alone(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "hello 世界\r\n")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "hello 世界\r\n".encode()
    assert names(tmp_path / "a") == ["b.txt"]


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), write_whole(path) as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    OSError("877 requested and 496 written"),  # numpy's words
    RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),  # as safetensors says it
]


@pytest.mark.parametrize("error", FULL, ids=str)
def test_a_full_disk_is_named_and_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    said = r"a.json could not be written: the disk is full \(.* MB free.*Make room"
    with pytest.raises(DiskFullError, match=said), write_whole(path) as stream:
        stream.write(b"half")
        raise error
    assert read_json(path) == {"a": 1}
    assert names(tmp_path) == ["a.json"]


def test_other_errors_of_a_writer_stay_what_they_are(tmp_path):
    with pytest.raises(OSError, match="Input/output error"), write_whole(tmp_path / "a") as stream:
        stream.write(b"half")
        raise OSError(errno.EIO, "Input/output error")
    assert names(tmp_path) == []


def test_what_killed_writers_left_is_cleared(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".tmp-123-x.bin").write_bytes(b"half")
    (tmp_path / ".tmp-124-folder").mkdir()
    (tmp_path / "deep" / "kept.bin").write_bytes(b"whole")
    clear_temporary(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["deep", "deep/kept.bin"]


def test_a_second_process_cannot_write_a_locked_folder(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom massivetext.storage import locked_folder\n"
        "with locked_folder(Path(sys.argv[1])):\n    print('in', flush=True)\n    sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "in\n"
        with pytest.raises(BusyError, match=f"pid {holder.pid}.*--out"), locked_folder(tmp_path):
            pass
        holder.stdin.close()
        holder.wait()
        with locked_folder(tmp_path):
            pass


def test_digests_are_sha256_and_do_not_depend_on_the_order_of_keys(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_digest(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert value_digest({"a": 1, "b": [2, "中"]}) == value_digest({"b": [2, "中"], "a": 1})
    assert value_digest({"a": 1}) != value_digest({"a": 2})


def test_a_lock_that_may_be_nested_is_taken_again_by_its_holder_alone(tmp_path):
    with locked_folder(tmp_path, nested=True):
        with locked_folder(tmp_path, nested=True):
            pass
        with pytest.raises(BusyError), locked_folder(tmp_path):
            pass
    with locked_folder(tmp_path), pytest.raises(BusyError), locked_folder(tmp_path, nested=True):
        pass


def test_a_lock_whose_file_was_removed_with_the_folder_protects_the_new_one(tmp_path):
    with locked_folder(tmp_path / "a"):
        (tmp_path / "a" / ".lock").unlink()
        (tmp_path / "a").rmdir()
        with locked_folder(tmp_path / "a"), pytest.raises(BusyError), locked_folder(tmp_path / "a"):
            pass


def test_a_lock_leaves_nothing_behind(tmp_path):
    with locked_folder(tmp_path / "a"):
        assert names(tmp_path / "a") == [".lock"]
    assert names(tmp_path) == []


def test_a_locked_file_is_cleared_of_what_killed_writers_of_it_left(tmp_path):
    for name in (".tmp-1-a[1].gguf", ".tmp-1-other.gguf"):
        (tmp_path / name).write_bytes(b"half")
    with locked_file(tmp_path / "a[1].gguf"), pytest.raises(BusyError), locked_file(tmp_path / "a[1].gguf"):
        pass
    assert names(tmp_path) == [".tmp-1-other.gguf"]
