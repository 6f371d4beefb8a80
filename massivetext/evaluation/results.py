"""The file `evaluation.json`: the scores of a run on its test split."""

from collections.abc import Sequence
from pathlib import Path

from massivetext.errors import StoreError
from massivetext.metrics.score import Score
from massivetext.state import read_state, write_state

FORMAT = "massivetext-evaluation/2"


def write_scores(path: Path, scores: Sequence[Score]) -> None:
    """Write scores with the file's format and digest, whole or not at all."""
    write_state(path, {"format": FORMAT, "scores": [score.row() for score in scores]})


def read_scores(path: Path, remedy: str) -> list[Score]:
    """Return the scores in a file that `write_scores` wrote; raise StoreError, which ends with `remedy`, otherwise."""
    found = read_state(path, ("format",), remedy)
    if found["format"] != FORMAT:
        raise StoreError(f"{path} has the format {found['format']!r}, and this version reads {FORMAT!r}. {remedy}")
    return [Score(**row) for row in found["scores"]]
