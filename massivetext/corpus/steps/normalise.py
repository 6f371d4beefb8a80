"""The step `normalise`: stored text is NFC, its lines end with a line feed, and it holds no control characters."""

import pyarrow as pa

from massivetext.corpus.steps import Edit
from massivetext.text.normalising import normalise_text


class Normalise(Edit):
    """Gives each text in the package's normal form; texts that are in it already are not copied."""

    name = "normalise"
    version = 2
    normalises = True

    def edit(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the texts as `massivetext.text.normalising.normalise_text` gives them."""
        return normalise_text(batch.column("text"))
