"""Kernels run whether or not there is a folder to keep their machine code in."""

import subprocess
import sys
from pathlib import Path

import pytest

from massivetext.text import compiling


def test_without_a_writable_folder_a_kernel_is_compiled_for_the_process_only(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_function = compiling.njit

    def without_cache(**options: bool):
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'add': no locator available for file 'kernels.py'")
        return compile_function(**options)

    monkeypatch.setattr(compiling, "njit", without_cache)
    add = compiling.kernel(lambda first, second: first + second)
    assert add(2, 3) == 5


def test_other_errors_of_compiling_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**options: bool):
        raise RuntimeError("out of registers")

    monkeypatch.setattr(compiling, "njit", broken)
    with pytest.raises(RuntimeError, match="out of registers"):
        compiling.kernel(lambda value: value)


@pytest.mark.slow
def test_a_fresh_machine_compiles_all_kernels_in_less_than_twenty_seconds(tmp_path: Path) -> None:
    # Measured at 6 seconds of processor time; the limit leaves room for busy machines.
    program = (
        "import time, pyarrow as pa\n"
        "from massivetext.text.statistics import text_statistics\n"
        "from massivetext.text.normalising import normalise_text\n"
        "text_statistics(normalise_text(pa.array(['a\\r\\nb', '中文'])))\n"
        "print(time.process_time())\n"
    )
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 20


def test_machine_code_is_dropped_when_a_file_with_kernels_that_it_calls_has_changed(tmp_path: Path) -> None:
    folder = tmp_path / "massivetext"
    (folder / "text").mkdir(parents=True)
    for name in ("__init__.py", "text/__init__.py"):
        (folder / name).touch()
    (folder / "text/compiling.py").write_bytes(Path(compiling.__file__).read_bytes())
    head = "from massivetext.text.compiling import kernel\n"
    (folder / "outer.py").write_text(
        f"{head}from massivetext.text.inner import inner\n@kernel\ndef outer():\n    return inner()\nprint(outer())\n"
    )
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}
    said = []
    for value in (1, 22, 22):
        if said[-1:] != [str(value)]:
            (folder / "text/inner.py").write_text(f"{head}@kernel\ndef inner():\n    return {value}\n")
        program = [sys.executable, "-c", "import massivetext.outer"]
        done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        said.append(done.stdout.strip())
    assert said == ["1", "22", "22"]
    assert list((tmp_path / "cache").rglob("*.nbi"))
