"""What became of a source's records, counted."""

from dataclasses import dataclass, field

from massivetext.corpus.unread import Counts, add_unread


@dataclass
class SourceCounts:
    """What became of one source: its text bytes as read are those kept, dropped, and removed by edits."""

    records: int = 0
    record_bytes: int = 0
    text_bytes: int = 0
    invalid_records: int = 0
    documents: int = 0
    document_bytes: int = 0
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)
    """`step: reason` -> documents, bytes."""
    edited: dict[str, dict[str, int]] = field(default_factory=dict)
    """step -> documents changed, bytes removed (negative where text grew)."""
    unread: Counts = field(default_factory=dict)
    """Members of archives that nothing reads."""

    def drop(self, name: str, documents: int, text_bytes: int) -> None:
        """Count dropped documents under `step: reason`."""
        entry = self.dropped.setdefault(name, {"documents": 0, "bytes": 0})
        entry["documents"] += documents
        entry["bytes"] += text_bytes

    def edit(self, name: str, documents: int, removed_bytes: int) -> None:
        """Count edited documents under the step's name."""
        entry = self.edited.setdefault(name, {"documents": 0, "removed_bytes": 0})
        entry["documents"] += documents
        entry["removed_bytes"] += removed_bytes

    def add(self, other: "SourceCounts") -> None:
        """Add another part's counts to these."""
        for name in ("records", "record_bytes", "text_bytes", "invalid_records", "documents", "document_bytes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, entry in other.dropped.items():
            self.drop(reason, entry["documents"], entry["bytes"])
        for step, entry in other.edited.items():
            self.edit(step, entry["documents"], entry["removed_bytes"])
        add_unread(self.unread, other.unread)
