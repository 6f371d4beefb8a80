"""The task text-generation: prompts in, prompts with their continuations out."""

from collections.abc import Sequence
from typing import Any

import torch

from massivetext.errors import ConfigError
from massivetext.generation.engine import generate
from massivetext.generation.streaming import TextStream
from massivetext.models.decoder import CausalLM
from massivetext.tokens.tokenizer import Tokenizer


class TextGeneration:
    """Continues texts with a causal model; made by `pipeline("text-generation", model=...)`."""

    def __init__(self, model: CausalLM, tokenizer: Tokenizer, **defaults: Any) -> None:
        """defaults: options of a call, used where the call does not give them."""
        self.model, self.tokenizer, self.defaults = model.eval(), tokenizer, defaults

    def __call__(self, prompts: str | Sequence[str], return_full_text: bool | None = None, **options: Any) -> list[Any]:
        """Return `[{"generated_text": ...}, ...]` for one prompt, a list of such lists for several.

        One entry per continuation (num_return_sequences). return_full_text: with the prompt before it, the default.
        options: the fields of `GenerationSettings` (max_new_tokens, do_sample, temperature, top_k, top_p, seed, ...).
        """
        options = {**self.defaults, **options}
        usual = options.pop("return_full_text", True)
        return_full_text = usual if return_full_text is None else return_full_text
        texts = [prompts] if isinstance(prompts, str) else list(prompts)
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ConfigError(f"text-generation takes a text or a list of texts; found {prompts!r:.200}")
        rows = [self.tokenizer.encode(text) for text in texts]
        longest = max(len(row) for row in rows)
        filler = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0
        ids = torch.tensor([[filler] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        continued = generate(self.model, ids, mask, **options)[:, longest:].tolist()
        copies = len(continued) // len(texts)
        results = [
            [
                {"generated_text": (text if return_full_text else "") + self._text(new)}
                for new in continued[place * copies : (place + 1) * copies]
            ]
            for place, text in enumerate(texts)
        ]
        return results[0] if isinstance(prompts, str) else results

    def _text(self, ids: list[int]) -> str:
        """Return the continuation in whole characters: one cut off by the length limit is left out."""
        stream = TextStream(self.tokenizer)
        return stream.push(ids) + stream.finish()
