"""The special tokens that a tokenizer puts before, between and after texts that are already encoded."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from massivetext.errors import DataError
from massivetext.tokens.special import Vocabulary

SAMPLES = ("a", "的", "1")  # tried in order until one has tokens


class Frame(NamedTuple):
    """Hold the ids before, between and after texts, and the token type of each text and of the ids after it."""

    pieces: list[list[int]]
    kinds: list[int]


class Framing(Vocabulary):
    """Add the positions of special tokens to a tokenizer."""

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Return the number of special tokens added to a text, or to a pair of texts."""
        return int(self.backend.num_special_tokens_to_add(pair))

    @property
    def max_len_single_sentence(self) -> int:
        """Return the maximum number of ids of a text, special tokens not counted."""
        return int(self.model_max_length) - self.num_special_tokens_to_add(False)

    @property
    def max_len_sentences_pair(self) -> int:
        """Return the maximum number of ids of a pair of texts, special tokens not counted."""
        return int(self.model_max_length) - self.num_special_tokens_to_add(True)

    def build_inputs_with_special_tokens(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """Return the ids of a text, or of a pair, with the special tokens around them."""
        texts = [list(token_ids_0)] + ([] if token_ids_1 is None else [list(token_ids_1)])
        frame = self._frame(len(texts))
        return [*frame.pieces[0], *(n for text, behind in zip(texts, frame.pieces[1:]) for n in (*text, *behind))]

    def create_token_type_ids_from_sequences(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """Return the token type id of each id that `build_inputs_with_special_tokens` returns."""
        sizes = [len(token_ids_0)] + ([] if token_ids_1 is None else [len(token_ids_1)])
        frame = self._frame(len(sizes))
        kinds = [frame.kinds[0]] * len(frame.pieces[0])
        for size, kind, behind in zip(sizes, frame.kinds, frame.pieces[1:]):
            kinds += [kind] * (size + len(behind))
        return kinds

    def get_special_tokens_mask(
        self, token_ids_0: Any, token_ids_1: Any = None, already_has_special_tokens: bool = False
    ) -> list[int]:
        """Return 1 for each special token and 0 for the others.

        already_has_special_tokens: the ids already include special tokens; otherwise the mask is that of the ids with
        special tokens added.
        """
        if already_has_special_tokens:
            if token_ids_1 is not None:
                raise DataError("already_has_special_tokens=True takes one list of ids, that of the whole row")
            special = set(self.all_special_ids)
            return [int(number in special) for number in token_ids_0]
        sizes = [len(token_ids_0)] + ([] if token_ids_1 is None else [len(token_ids_1)])
        pieces = self._frame(len(sizes)).pieces
        mask = [1] * len(pieces[0])
        for size, behind in zip(sizes, pieces[1:]):
            mask += [0] * size + [1] * len(behind)
        return mask

    def _frame(self, texts: int) -> Frame:
        """Return the special tokens around one text or two; raise DataError if no sample text has tokens."""
        for sample in SAMPLES:
            encoding = self.backend.encode(sample, sample if texts == 2 else None)
            places = encoding.sequence_ids
            if all(number in places for number in range(texts)):
                break
        else:
            raise DataError(f"the tokenizer {self.name_or_path!r} has no token for any of {', '.join(SAMPLES)}")
        pieces: list[list[int]] = [[] for _ in range(texts + 1)]
        seen = 0
        for number, place in zip(encoding.ids, places, strict=True):
            if place is None:
                pieces[seen].append(number)
            else:
                seen = place + 1
        return Frame(pieces, [encoding.type_ids[places.index(number)] for number in range(texts)])
