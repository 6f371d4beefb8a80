"""What a build takes one source through: its files and their readers, the steps, the split."""

from dataclasses import dataclass, field

from massivetext.corpus.barrier.deduplication import Deduplicate, DeduplicateSettings
from massivetext.corpus.readers.records import Reader
from massivetext.corpus.readers.streams import SourceFile
from massivetext.corpus.settings import SplitSettings
from massivetext.corpus.steps import Step
from massivetext.corpus.unread import Counts


@dataclass(frozen=True)
class Lane:
    """How the records of one source become rows."""

    name: str
    steps: tuple[Step, ...]
    split: SplitSettings
    seed: int
    build: int = 1
    """Number of the build, counted from 1; appended text comes with the next."""

    @property
    def deduplicate(self) -> DeduplicateSettings | None:
        """How duplicates are looked for, None where they are not."""
        return next((step.settings for step in self.steps if isinstance(step, Deduplicate)), None)


@dataclass(frozen=True)
class Course:
    """One source on its way into the corpus: its lane, its files, and the reader of each format among them."""

    lane: Lane
    files: tuple[SourceFile, ...]
    readers: dict[str, Reader]
    unread: Counts = field(default_factory=dict)
    """Files that nothing reads."""
