"""Which files a path names: patterns as `glob` reads them, without going round loops of links."""

import glob
import os
import time
from pathlib import Path

import pytest

from massivetext.corpus.readers.finding import input_files, matching_files
from massivetext.corpus.settings import SourceSettings
from massivetext.errors import ConfigError, DataError

PATTERNS = [
    "**/*.txt", "*/*.txt", "**", "a/**", "a/**/b/*", "**/a/**/*.txt", "*/**", "*", "?/*.txt", "[ab]/x.txt", "**/.h/*",
    "**/x.txt", "**/**/x.txt", "a/../b/*", ".*/x.txt", "nothing*/x", "**/b", "中*/**/*.txt",
]  # fmt: skip


def tree(root: Path) -> Path:
    """Return a folder with files of several names at several depths, some of them hidden."""
    for number, folder in enumerate(["", "a", "b", "a/b", "a/b/a", "b/a/b", ".h", "a/.h", "中文", "中文/a"]):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in ("x.txt", ".z.txt", f"{number}.json"):
            (root / folder / name).write_text("some text", encoding="utf-8")
    return root


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_matches_the_files_that_glob_finds(pattern, tmp_path):
    root = tree(tmp_path)
    found = matching_files(root, Path(pattern).parts)
    assert {str(path) for path in found} == set(filter(os.path.isfile, glob.glob(str(root / pattern), recursive=True)))


def test_loops_of_links_end_and_each_file_has_its_shortest_name(tmp_path):
    for number in range(12):
        (tmp_path / f"d{number}").mkdir()
        for other in range(12):
            os.symlink(tmp_path / f"d{other}", tmp_path / f"d{number}" / f"l{other}")
        (tmp_path / f"d{number}" / "text.txt").write_text("text", encoding="utf-8")
    started = time.process_time()
    found = input_files(SourceSettings(name="s", path=str(tmp_path / "**" / "*.txt")))
    assert [file.uri for file in found] == sorted(f"d{number}/text.txt" for number in range(12))
    assert time.process_time() - started < 5


def test_a_home_of_nobody_is_refused():
    with pytest.raises(ConfigError, match=r"~nobody-of-this-name/texts.*no user of that name"):
        input_files(SourceSettings(name="s", path="~nobody-of-this-name/texts"))


def test_a_name_that_is_too_long_is_an_input_that_cannot_be_read():
    with pytest.raises(DataError, match=r"the input .* cannot be read .*too long"):
        input_files(SourceSettings(name="s", path="x" * 300))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_not_left_out_unsaid(tmp_path):
    closed = tree(tmp_path) / "a"
    closed.chmod(0)
    try:
        for path in (tmp_path, tmp_path / "**" / "*.txt"):
            with pytest.raises(DataError, match=r"the input .*a cannot be read \(Permission denied\)"):
                input_files(SourceSettings(name="s", path=str(path)))
    finally:
        closed.chmod(0o700)
