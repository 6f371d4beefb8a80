"""The prompts of a run's samples: from the recipe, or openings of test documents."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from massivetext.errors import ConfigError

if TYPE_CHECKING:
    from massivetext.corpus.reading import Corpus
    from massivetext.tokens.tokenizer import Tokenizer

Prompts = tuple[str, ...] | Mapping[str, tuple[str, ...]]
"""Prompts for all sources, or for each source by name."""

OPENING_TOKENS = 12
"""Maximum tokens of an opening; less if a quarter of the context is shorter."""


def prompts_by_source(
    given: Prompts, corpus: "Corpus", tokenizer: "Tokenizer", context_tokens: int
) -> dict[str, list[str]]:
    """Return prompts by source: the given ones, else the first words of a test document of that source."""
    if not isinstance(given, Mapping) and given:
        return {"": list(given)}
    prompts = {source: list(texts) for source, texts in given.items()} if isinstance(given, Mapping) else {}
    for source in corpus.sources:
        if source not in prompts:
            for batch in corpus.documents("test", source=source, columns=("text",)):
                tokens = min(OPENING_TOKENS, context_tokens // 4)
                prompts[source] = [opening(batch.column("text")[0].as_py(), tokenizer, tokens)]
                break
    return prompts


def opening(text: str, tokenizer: "Tokenizer", tokens: int) -> str:
    """Return the first tokens of a text as text, without an incomplete character at the end."""
    return tokenizer.decode(tokenizer.encode_ordinary(text.lstrip())[:tokens]).rstrip("\ufffd")


def check_prompts(given: Prompts, context_tokens: int, tokenizer: "Tokenizer | None") -> None:
    """Raise ConfigError for a prompt that is longer than `context_tokens`.

    tokenizer: None if it does not exist yet; bytes are then counted as tokens.
    """
    for prompt in [prompt for group in given.values() for prompt in group] if isinstance(given, Mapping) else given:
        length = len(tokenizer.encode(prompt)) if tokenizer else 1 + len(prompt.encode())
        if length > context_tokens:
            raise ConfigError(
                f"generate.prompts: {prompt[:40]!r}... has {length} tokens and the model reads {context_tokens}; "
                f"shorten it or raise train.context_tokens"
            )
