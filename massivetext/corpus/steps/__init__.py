"""What a corpus step is: it measures (adds columns), edits (gives new text) or decides (keeps, or drops with a reason).

Each step is a pure function of one Arrow RecordBatch with a `text` column, and what it gives for a document does not
depend on the others, so batches may be cut anywhere. A barrier needs all documents at once; the corpus builder carries
it out. The caller puts a measure's columns on the batch before it goes on to the next step; a step that needs the
columns of another says so in `needs`, and `make_steps` (in `table.py`) sees to it that they are there and fresh.

A step of one's own is a subclass of `Measure`, `Edit` or `Decide`, or of `LimitDecide` in `limits.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa

from massivetext.settings import Settings


class NoSettings(Settings):
    """The settings of a step that has none."""


class Step(ABC):
    """One named, versioned part of cleaning; the version grows whenever the same text could give another result."""

    name: ClassVar[str]
    version: ClassVar[int]
    settings_type: ClassVar[type[Settings]] = NoSettings

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings: Any = self.settings_type() if settings is None else settings

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the measures whose columns must be on the batch."""
        return ()

    def check(self) -> None:
        """Raise ConfigError or DataError if what the settings name, such as a file, cannot be used; nothing is read."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return name, version and resolved settings as JSON values, for manifests and fingerprints."""
        return {"name": self.name, "version": self.version, "settings": self.settings.model_dump(mode="json")}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings!r})"


class Measure(Step):
    """A step that adds columns and leaves the text alone."""

    @property
    @abstractmethod
    def columns(self) -> dict[str, pa.DataType]:
        """The columns it adds, `step__value` -> type, in order; known before any document is seen."""

    @abstractmethod
    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return one array per name in `columns`, each as long as the batch; null where the text is null."""


class Edited(NamedTuple):
    """What an edit gives where new texts alone do not say it all."""

    texts: pa.Array
    """The new texts, as `Edit.edit` gives them."""
    reasons: pa.Array | None = None
    """string: why a text is null, for the row that its document becomes; None: `failed`."""
    columns: Mapping[str, pa.Array] = {}
    """New values of other columns by name, each as long as the batch."""


class Edit(Step):
    """A step that gives new text. A document of which it leaves nothing is dropped under its name."""

    normalises: ClassVar[bool] = False
    """Whether all that it gives is NFC, so that this need not be seen to once more."""
    redacts: ClassVar[bool] = False
    """Whether it takes out what nobody may see: then the excerpts of dropped documents go through it too, whichever
    step dropped them. It is asked again for the measures that it needs, on the excerpts."""

    @abstractmethod
    def edit(self, batch: pa.RecordBatch) -> pa.Array | Edited:
        """Return the new text, as long as the batch and of the type of its `text` column; null where that failed.

        When nothing had to change, the result shares the buffers of the batch's column: no copy was made. A step that
        also says why it failed, or that edits other columns, returns `Edited`.
        """


@dataclass(frozen=True)
class Decision:
    """What a deciding step found, one entry per document."""

    reason: pa.Array
    """string: why the document is dropped; null keeps it."""
    value: pa.Array
    """double: the measured value that broke the rule; null where the document is kept."""
    threshold: pa.Array
    """double: the limit it broke; null where the document is kept."""


class Decide(Step):
    """A step that keeps or drops."""

    @abstractmethod
    def decide(self, batch: pa.RecordBatch) -> Decision:
        """Return the decision for each document: the first rule, in the step's order, that it breaks."""


class Barrier(Step):
    """A step that needs all documents at once; the builder carries it out after the other steps.

    One that is also a `Judge` (`corpus/barrier/verdicts.py`) yields verdicts about the documents.
    """

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The columns it adds to the documents, `step__value` -> double."""
        return {}
