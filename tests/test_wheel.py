"""The wheel that `pip wheel .` builds works in a fresh environment and holds every file of the package."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from newcomer import prose, write

from massivetext import __version__
from massivetext.cli.help import chinese_help

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(*command, **options):
    options = {"env": ENVIRONMENT, "cwd": "/", **options}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=300, **options)


def pip(*arguments):
    quiet = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index")
    done = run(sys.executable, "-m", "pip", *arguments[:-1], *quiet, arguments[-1])
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built with the build program that is installed here: nothing is downloaded."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(REPOSITORY))
    (built,) = folder.glob("massivetext-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of programs of a fresh environment that holds the wheel; other packages are those installed here."""
    folder = tmp_path_factory.mktemp("fresh")
    assert run(sys.executable, "-m", "venv", "--without-pip", folder).returncode == 0
    pip("--python", str(folder / "bin" / "python"), "install", str(wheel))
    (packages,) = folder.glob("lib/python*/site-packages")
    write(packages / "others.pth", sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin"


def test_the_wheel_holds_every_file_of_the_package(wheel):
    files = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "massivetext").rglob("*")
             if path.is_file() and "__pycache__" not in path.parts}  # fmt: skip
    held = {name for name in zipfile.ZipFile(wheel).namelist() if not name.split("/")[0].endswith(".dist-info")}
    assert held == files
    suffixes = {Path(name).suffix for name in held}
    assert {".py", ".json", ".yaml", ".html", ".css", ".bin", ".typed"} <= suffixes


def test_what_is_installed_is_what_runs(installed):
    done = run(installed / "python", "-c", "import massivetext; print(massivetext.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(installed.parent)
    assert run(installed / "massivetext", "--version").stdout.strip() == __version__


def test_help_comes_in_both_languages(installed):
    assert "corpus" in run(installed / "massivetext", "--help").stdout
    chinese = run(installed / "massivetext", "run", "--help", env={**ENVIRONMENT, "LC_ALL": "zh_CN.UTF-8"}).stdout
    first = "Run every stage: corpus, tokenizer, tokens, training, scores, samples, report."
    assert chinese.startswith("用法") and chinese_help()[first][:8] in chinese


def test_the_schema_is_printed(installed):
    assert {"corpus", "train"} <= set(json.loads(run(installed / "massivetext", "schema").stdout)["properties"])


def test_the_built_in_recipes_are_found(installed):
    code = "from massivetext.recipe import BUILT_IN, load_recipe; [load_recipe(name) for name in BUILT_IN]"
    done = run(installed / "python", "-c", code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_corpus_is_built_with_its_page(installed, language, tmp_path):
    for number in range(12):
        write(tmp_path / "texts" / f"{number}.txt", prose(language, number))
    source = "{name: mine, path: texts}"
    recipe = f"corpus: {{sources: [{source}], steps: [normalise, statistics], split: {{validation: 0, test: 0}}}}\n"
    write(tmp_path / "r.yaml", recipe)
    command = ["corpus", "build", "r.yaml", "--out", "out", "--language", language, "--quiet"]
    done = run(installed / "massivetext", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "out/corpus/manifest.json").read_text(encoding="utf-8"))
    assert manifest["splits"]["train"]["documents"] == 12
    assert "<style>" in next((tmp_path / "out").rglob("report.html")).read_text(encoding="utf-8")
