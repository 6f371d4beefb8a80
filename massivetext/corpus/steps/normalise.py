"""The step `normalise`: convert text to NFC, end lines with a line feed, and remove control characters."""

import pyarrow as pa

from massivetext.corpus.steps import Edit
from massivetext.text.normalising import normalise_text


class Normalise(Edit):
    """Converts each text to the package's normal form; texts that already have it are not copied."""

    name = "normalise"
    version = 2
    normalises = True

    def edit(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the texts after `massivetext.text.normalising.normalise_text`."""
        return normalise_text(batch.column("text"))
