"""The kinds of corpus steps: measure (adds columns), edit (gives new text) and decide (keeps, or drops with a reason).

Each step is a pure function of an Arrow RecordBatch with a `text` column. Its result for a document does not depend on
other documents, so batches may be cut anywhere. A barrier needs all documents at once; the corpus builder runs it. The
caller adds the columns of a measure to the batch before it runs the next step. A step that needs the columns of a
measure lists it in `needs`, and `make_steps` (in `table.py`) makes sure that they are present and up to date.

A custom step is a subclass of `Measure`, `Edit` or `Decide`, or of `LimitDecide` in `limits.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa

from massivetext.settings import Settings


class NoSettings(Settings):
    """Settings of a step that has none."""


class Step(ABC):
    """One named, versioned step of cleaning. Raise the version whenever the same text could give another result."""

    name: ClassVar[str]
    version: ClassVar[int]
    settings_type: ClassVar[type[Settings]] = NoSettings

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings: Any = self.settings_type() if settings is None else settings

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the measures whose columns must be in the batch."""
        return ()

    def check(self) -> None:
        """Raise ConfigError or DataError if something in the settings, such as a file, is unusable; reads no input."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return name, version and resolved settings as JSON values, for manifests and fingerprints."""
        return {"name": self.name, "version": self.version, "settings": self.settings.model_dump(mode="json")}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings!r})"


class Measure(Step):
    """A step that adds columns and does not change the text."""

    @property
    @abstractmethod
    def columns(self) -> dict[str, pa.DataType]:
        """The columns it adds, `step__value` -> type, in order; known before any document is read."""

    @abstractmethod
    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return one array per name in `columns`, each as long as the batch; null where the text is null."""


class Edited(NamedTuple):
    """The result of an edit that gives more than new texts."""

    texts: pa.Array
    """The new texts, as returned by `Edit.edit`."""
    reasons: pa.Array | None = None
    """string: why a text is null, recorded for the dropped document; None means `failed`."""
    columns: Mapping[str, pa.Array] = {}
    """New values of other columns by name, each as long as the batch."""


class Edit(Step):
    """A step that gives new text. A document is dropped under the step's name if no text is left."""

    normalises: ClassVar[bool] = False
    """Whether every result is NFC, so that this need not be checked again."""
    redacts: ClassVar[bool] = False
    """Whether it removes what nobody may see. If so, it also edits the excerpts of dropped documents, whichever step
    dropped them. The measures that it needs are taken again on the excerpts."""

    @abstractmethod
    def edit(self, batch: pa.RecordBatch) -> pa.Array | Edited:
        """Return the new text, as long as the batch and of the type of its `text` column; null where the edit failed.

        If nothing had to change, the result shares the buffers of the batch's column; no copy is made. A step that also
        gives reasons for failures, or that edits other columns, returns `Edited`.
        """


@dataclass(frozen=True)
class Decision:
    """The result of a deciding step, with one entry per document."""

    reason: pa.Array
    """string: why the document is dropped; null if it is kept."""
    value: pa.Array
    """double: the measured value that broke the rule; null if the document is kept."""
    threshold: pa.Array
    """double: the limit that was broken; null if the document is kept."""


class Decide(Step):
    """A step that keeps or drops documents."""

    @abstractmethod
    def decide(self, batch: pa.RecordBatch) -> Decision:
        """Return the decision for each document: the first rule that it breaks, in the step's order."""


class Barrier(Step):
    """A step that needs all documents at once; the builder runs it after the other steps.

    A barrier that is also a `Judge` (`corpus/barrier/verdicts.py`) yields verdicts about the documents.
    """

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The columns it adds to the documents, `step__value` -> double."""
        return {}
