"""Clusters of duplicates as the page shows them: how many there are of each size, and the largest with their texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from massivetext.corpus.reading import Corpus
from massivetext.parquet import OwnParquet
from massivetext.report.sampling import BATCH_ROWS, RowPlace, Sample, id_hashes, mixed

LARGEST = 8
MEMBERS = 3
"""Duplicates shown of a cluster, beside its first document."""
SIZES = (2, 3, 4, 5, 10, 100, 1000)
"""Least sizes of the rows of the table, in documents."""
SIMILARITIES = np.linspace(0.5, 1.0, 21)


@dataclass
class Cluster:
    """One of the largest clusters."""

    key: int
    documents: int
    members: list[tuple[int, float | None, str]] = field(default_factory=list)
    """(first 64 bits of the id, similarity to the document it duplicates, why it was dropped)."""
    first: Sample | None = None
    shown: list[tuple[Sample, float | None]] = field(default_factory=list)


@dataclass
class Clusters:
    """What is known of all clusters."""

    sizes: dict[int, int] = field(default_factory=dict)
    """Least size -> clusters of at least that size and less than the next."""
    clusters: int = 0
    duplicates: int = 0
    similarities: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(SIMILARITIES) - 1, np.int64))
    """Near-duplicates by their similarity, in the bins of SIMILARITIES."""
    largest: list[Cluster] = field(default_factory=list)
    _wanted: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    _found: dict[int, RowPlace] = field(default_factory=dict)

    def note(self, hashes: npt.NDArray[np.uint64], path: Path, place: tuple[int, int]) -> None:
        """Remember where the documents lie whose texts are shown, from the rows of a file."""
        for row in np.flatnonzero(np.isin(hashes, self._wanted)).tolist() if len(self._wanted) else ():
            self._found[int(hashes[row])] = RowPlace(path, place[0], place[1] + row)

    def places(self) -> list[RowPlace]:
        """Return the places of the documents that are shown."""
        return list(self._found.values())

    def show(self, texts: Mapping[RowPlace, Sample]) -> None:
        """Take the texts of the documents that are shown; what was taken down has none."""
        for cluster in self.largest:
            if cluster.key in self._found:
                cluster.first = texts[self._found[cluster.key]]
            cluster.shown = [
                (texts[self._found[key]], value) for key, value, _ in cluster.members if key in self._found
            ]


def read_clusters(corpus: Corpus, seed: int) -> Clusters:
    """Return the clusters of a corpus; memory: 8 bytes for each duplicate."""
    keys, found = [np.zeros(0, np.uint64)], Clusters()
    for batch in _batches(corpus, ["cluster", "similarity", "reason"]):
        keys.append(id_hashes(batch.column("cluster")))
        near = np.array([reason == "near duplicate" for reason in batch.column("reason").to_pylist()])
        values = batch.column("similarity").to_numpy(zero_copy_only=False)[near]
        found.similarities += np.histogram(values[~np.isnan(values)], SIMILARITIES)[0]
    unique, counts = np.unique(np.concatenate(keys), return_counts=True)
    sizes = counts + 1
    found.clusters, found.duplicates = len(unique), int(counts.sum())
    limits = [*SIZES, 2**63 - 1]
    found.sizes = {least: int(((sizes >= least) & (sizes < beyond)).sum()) for least, beyond in pairwise(limits)}
    order = np.lexsort((unique, -sizes))[:LARGEST]
    found.largest = [Cluster(int(unique[at]), int(sizes[at])) for at in order.tolist()]
    by_key = {cluster.key: cluster for cluster in found.largest}
    for batch in _batches(corpus, ["cluster", "id", "similarity", "reason"]):
        owners, ids = id_hashes(batch.column("cluster")), id_hashes(batch.column("id"))
        for row in np.flatnonzero(np.isin(owners, np.array(list(by_key), np.uint64))).tolist():
            members = by_key[int(owners[row])].members
            members.append((int(ids[row]), *(batch.column(name)[row].as_py() for name in ("similarity", "reason"))))
            members.sort(key=lambda member: int(mixed(np.array([member[0] ^ seed], np.uint64))[0]))
            del members[MEMBERS:]
    wanted = [key for cluster in found.largest for key in (cluster.key, *(member[0] for member in cluster.members))]
    found._wanted = np.array(wanted, np.uint64)
    return found


def _batches(corpus: Corpus, columns: list[str]) -> Any:
    """Yield some columns of all duplicates."""
    for path in sorted((corpus.folder / "clusters").glob("build-*.parquet")):
        if int(path.stem.split("-")[1]) <= corpus.manifest["build"]:
            with OwnParquet(path) as opened:
                yield from opened.iter_batches(BATCH_ROWS, columns=columns)
