"""Fates: what the barrier did with a document, and the reasons that are stored and shown for it."""

from enum import IntEnum


class Fate(IntEnum):
    """What the barrier did with a row. The numbers are stored in `index/`; each has the reason for dropping rows."""

    reason: str

    def __new__(cls, number: int, reason: str) -> "Fate":
        """Return the member with its reason."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.reason = reason
        return member

    KEPT = 0, ""
    EXACT = 1, "exact duplicate"
    NEAR = 2, "near duplicate"
    BRIDGE = 3, "bridges two splits"
    REMOVED = 4, "removed by a takedown"
    """A document of an earlier build that was removed on request since; it has no row in `dropped/`."""
    REFUSED = 5, "taken down earlier"
    """A new document with the id, the text or the raw record of one that was removed on request."""
    CONTAMINATED = 6, "holds a benchmark item"
    FOLDED = 7, "normalised duplicate"
    """Equal to another document except for case, width, white space and punctuation."""
    REPEATED = 8, "only repeated lines"
    """Nothing is left, because all of its lines appeared before."""
    OTHER = 9, "dropped"
    """Dropped by a custom barrier, which gives its own reason."""


STAYED = (Fate.KEPT, Fate.REPEATED)
"""Later rows are compared with these in the same way as with documents that stay."""
TWINS = (Fate.EXACT, Fate.NEAR, Fate.FOLDED)
"""Rows with these fates belong to a cluster of duplicates."""
COMPARED = (*STAYED, Fate.NEAR, Fate.BRIDGE, Fate.CONTAMINATED, Fate.OTHER)
"""Later rows are also near-duplicates of these: a document that was dropped for another reason still came first."""
