"""Stream generated text in whole characters: an incomplete character is held back until all of its bytes are there."""

from collections.abc import Iterator
from typing import Any

import torch

from massivetext.errors import ConfigError
from massivetext.generation.engine import Decoder, decode_steps
from massivetext.generation.settings import generation_settings

BROKEN = "\ufffd"  # what decoding returns for bytes that do not form a character


class TextStream:
    """Turns ids that arrive one by one into text in whole characters."""

    def __init__(self, tokenizer: Any) -> None:
        """Start with no ids. tokenizer: has `decode(ids, skip_special_tokens=True)`."""
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        self.shown_ids = 0  # ids whose text was returned; the last of them are decoded again as context
        self.context_ids = 0

    def push(self, ids: list[int]) -> str:
        """Return the text that `ids` complete; "" while a character is still incomplete."""
        self.ids += ids
        text = self._fresh()
        if text.endswith(BROKEN):
            return ""
        self.context_ids, self.shown_ids = self.shown_ids, len(self.ids)
        return text

    def finish(self) -> str:
        """Return the text that was held back, without an incomplete character at the end."""
        text = self._fresh().rstrip(BROKEN)
        self.context_ids = self.shown_ids = len(self.ids)
        return text

    def _fresh(self) -> str:
        """Return the text that was not returned yet, decoded together with a few ids before it.

        These ids are context: a tokenizer may treat the first id of a text differently (a leading space).
        """
        before = self._decode(self.ids[self.context_ids : self.shown_ids])
        return self._decode(self.ids[self.context_ids :])[len(before) :]

    def _decode(self, ids: list[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text


def stream_text(model: Decoder, tokenizer: Any, prompt: str | list[int], **options: Any) -> Iterator[str]:
    """Yield the continuation of one prompt piece by piece, in whole characters.

    prompt: a text, or ids as `tokenizer.apply_chat_template` returns them. options: the fields of `GenerationSettings`.
    Joined together, the pieces are the continuation that `pipeline("text-generation")` returns for the same seed.
    """
    settings = generation_settings(model.generation_defaults, options)
    if settings.num_beams > 1:
        raise ConfigError(f"num_beams is {settings.num_beams}; a text is streamed as it comes: set num_beams=1")
    ids = tokenizer.encode(prompt) if isinstance(prompt, str) else list(prompt)
    stream = TextStream(tokenizer)
    for chosen in decode_steps(model, torch.tensor([ids]), None, settings):
        piece = stream.push(chosen[:1].tolist())
        if piece:
            yield piece
    rest = stream.finish()
    if rest:
        yield rest
