"""How MinHash signatures are cut into bands, so that documents of a similarity meet in one of them."""

from typing import NamedTuple

HASHES = 112
"""Hash values in a signature, as in FineWeb's near-deduplication (14 bands of 8, arXiv:2406.17557)."""
MOST_ROWS = 7
"""With 16 bands of 7, documents of similarity 0.8 meet with probability 0.977; larger bands would miss more of them."""
MIN_RECALL = 0.95


class Banding(NamedTuple):
    """How many bands of how many hash values."""

    bands: int
    rows: int

    def recall(self, similarity: float) -> float:
        """Return the probability that two documents of this similarity share a band."""
        return float(1.0 - (1.0 - similarity**self.rows) ** self.bands)


def banding_for(similarity: float, hashes: int = HASHES, most_rows: int = MOST_ROWS) -> Banding:
    """Return the bands with the most rows whose recall at `similarity` is at least MIN_RECALL; else bands of one row.

    Large bands let few dissimilar documents meet, small ones miss few similar ones.
    """
    for rows in range(min(most_rows, hashes), 0, -1):
        banding = Banding(hashes // rows, rows)
        if banding.recall(similarity) >= MIN_RECALL:
            return banding
    return Banding(hashes, 1)
