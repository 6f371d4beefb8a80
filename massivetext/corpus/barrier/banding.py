"""Choose how to cut MinHash signatures into bands, so that similar documents share at least one band."""

from typing import NamedTuple

HASHES = 112
"""Number of hash values in a signature, as in FineWeb's near-deduplication (14 bands of 8, arXiv:2406.17557)."""
MOST_ROWS = 7
"""With 16 bands of 7, documents of similarity 0.8 share a band with probability 0.977; larger bands miss more."""
MIN_RECALL = 0.95


class Banding(NamedTuple):
    """The number of bands, and the number of hash values (rows) in each."""

    bands: int
    rows: int

    def recall(self, similarity: float) -> float:
        """Return the probability that two documents of this similarity share a band."""
        return float(1.0 - (1.0 - similarity**self.rows) ** self.bands)


def banding_for(similarity: float, hashes: int = HASHES, most_rows: int = MOST_ROWS) -> Banding:
    """Return the banding with the most rows per band whose recall at `similarity` is at least MIN_RECALL.

    If no banding reaches it, return bands of one row. Large bands pair fewer dissimilar documents; small bands miss
    fewer similar ones.
    """
    for rows in range(min(most_rows, hashes), 0, -1):
        banding = Banding(hashes // rows, rows)
        if banding.recall(similarity) >= MIN_RECALL:
            return banding
    return Banding(hashes, 1)
