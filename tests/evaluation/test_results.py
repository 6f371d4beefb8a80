"""evaluation.json: a list of scores under a format; other formats are refused with what to do."""

import pytest
from made_up_metric import HOPS

from massivetext.errors import StoreError
from massivetext.evaluation.results import FORMAT, read_scores, write_scores
from massivetext.metrics.declarations import PERPLEXITY
from massivetext.state import read_json, write_state


def test_scores_read_back_as_they_were_written(tmp_path):
    scores = [PERPLEXITY.score("test", float("inf"), 10), HOPS.score("pond/边", 0.1, 3, interval=(0.0, 0.2))]
    write_scores(tmp_path / "evaluation.json", scores)
    assert read_scores(tmp_path / "evaluation.json", "") == scores
    found = read_json(tmp_path / "evaluation.json")
    assert found["format"] == FORMAT and found["scores"] == [score.row() for score in scores]


def test_another_format_is_refused_with_the_remedy(tmp_path):
    write_state(tmp_path / "evaluation.json", {"format": "massivetext-evaluation/1", "bits_per_byte": {"total": 1.0}})
    with pytest.raises(
        StoreError, match=r"format 'massivetext-evaluation/1', .* reads 'massivetext-evaluation/2'\. Do"
    ):
        read_scores(tmp_path / "evaluation.json", "Do it again")
