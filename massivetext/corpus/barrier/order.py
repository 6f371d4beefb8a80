"""The order in which judges decide about the documents, and how their verdicts are applied."""

import numpy as np

from massivetext.corpus.barrier.census import Census
from massivetext.corpus.barrier.exact import Exact
from massivetext.corpus.barrier.index import write_index
from massivetext.corpus.barrier.near import Near
from massivetext.corpus.barrier.repeats import Repeats
from massivetext.corpus.barrier.requirements import Requirements
from massivetext.corpus.barrier.split import Split
from massivetext.corpus.barrier.takedowns import Takedowns
from massivetext.corpus.barrier.verdicts import Editor, IndexColumn, Judge, apply_verdict
from massivetext.engines import Engine


def judges_for(required: Requirements, splits: int) -> list[Judge]:
    """Return the judges in their order. splits: the number of splits."""
    near = [Near(required.near, required.memory_bytes, splits > 1)] if required.near else []
    return [
        Takedowns(),
        *required.judges,
        Exact(required.memory_bytes),
        *near,
        *(Split(judge) for judge in near if judge.finds_sides),
        Repeats(required.repeats, required.memory_bytes),
    ]


def decide(census: Census, judges: list[Judge], engine: Engine) -> tuple[Editor, ...]:
    """Decide about all rows of this build and write its index; return the editors of the documents that stay."""
    for judge in judges:
        for verdict in judge.judge(census, engine):
            apply_verdict(census, verdict, judge)
    _name_clusters(census)
    columns: dict[str, IndexColumn] = {}
    for judge in judges:
        columns |= judge.index_columns(census, engine)
    write_index(census, columns)
    return tuple(editor for judge in judges if (editor := judge.editor(census)) is not None)


def _name_clusters(census: Census) -> None:
    """Assign each row of this build to a cluster: that of the row it duplicates."""
    cluster, like = census.writable("cluster"), census.like
    for place in census.scratch.stretches(census.earlier, census.rows):
        rows = place.start + np.flatnonzero(like[place] != np.arange(place.start, place.stop))
        for row in rows.tolist():
            cluster[row] = cluster[like[row]]
