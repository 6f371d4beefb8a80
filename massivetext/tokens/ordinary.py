"""Encoding of corpus text without special tokens, with the fast encoder if it agrees with the reference."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Backend

from massivetext.errors import ConfigError, DataError
from massivetext.progress import log
from massivetext.tokens import encodings
from massivetext.tokens.fast import FastEncoder, make_fast_encoder, plain_json
from massivetext.tokens.guarding import panics_told
from massivetext.tokens.inputs import list_texts
from massivetext.tokens.special import Vocabulary
from massivetext.translations import tr

if TYPE_CHECKING:
    import pyarrow as pa


class OrdinaryText(Vocabulary):
    """Add the encoding of text without special tokens to a tokenizer."""

    def encode_ordinary(self, text: str) -> list[int]:
        """Return the ids of a text, with no special tokens added and those in the text encoded as ordinary text."""
        return self.encode_ordinary_batch([text])[0]

    @panics_told("encoding texts")
    def encode_ordinary_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text as `encode_ordinary` does, with the reference encoder (`tokenizers`)."""
        return [
            row.ids for row in self._ordinary.encode_batch_fast(list_texts(texts, "text"), add_special_tokens=False)
        ]

    def encode_flat(self, array: "pa.Array | pa.ChunkedArray") -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the ids of all texts of an Arrow string array in one array, and the (texts + 1,) bounds of each text.

        The ids are those of `encode_ordinary`, computed with fastokens if it agrees (see `encoder_name`). Raises
        DataError for nulls.
        """
        if array.null_count:
            raise DataError(
                f"{array.null_count} of {len(array)} texts are null; drop these documents or give them text"
            )
        texts = array.to_pylist()
        if isinstance(self._fast, FastEncoder):
            return self._fast.encode(texts)
        rows = [np.asarray(ids, dtype=np.uint32) for ids in self.encode_ordinary_batch(texts)]
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]).astype(np.int64)
        return np.concatenate(rows) if rows else np.empty(0, np.uint32), offsets

    @property
    def encoder_name(self) -> str:
        """Return the encoder that `encode_flat` uses: "fastokens", or "tokenizers" with the reason."""
        return "fastokens" if isinstance(self._fast, FastEncoder) else f"tokenizers ({self._fast})"

    def check_encoding(self, array: "pa.Array | pa.ChunkedArray", characters: int) -> None:
        """Raise ConfigError unless a sample of the texts can be restored from its ids.

        characters: size of the sample, taken in pieces evenly from the texts. If the fast encoder disagrees with the
        reference on the sample, it is no longer used, and this is logged.
        """
        import pyarrow as pa

        piece = 2048
        count = min(max(characters // piece, 1), len(array))
        texts = [array[index * len(array) // count].as_py()[:piece] for index in range(count)]
        rows = self.encode_ordinary_batch(texts)
        for text, back in zip(texts, self.backend.decode_batch(rows, skip_special_tokens=False), strict=True):
            if back != text:
                raise ConfigError(encodings.not_reversible(text, back, self.name_or_path))
        ids, offsets = self.encode_flat(pa.array(texts, pa.large_string()))
        same = all(ids[offsets[row] : offsets[row + 1]].tolist() == expected for row, expected in enumerate(rows))
        if not same:
            self.__dict__["_fast"] = "fastokens gave other ids on a sample of the documents"
            log(tr("encoding with {encoder}", encoder=self.encoder_name))

    @cached_property
    def _ordinary(self) -> Backend:
        """Return a copy of the backend that treats special tokens as text and adds none."""
        backend = Backend.from_str(plain_json(self.backend.to_str()))
        backend.encode_special_tokens = True
        return backend

    @cached_property
    def _fast(self) -> FastEncoder | str:
        """Return the fast encoder, or the reason why there is none."""
        return make_fast_encoder(self.backend.to_str(), self.encode_ordinary_batch)
