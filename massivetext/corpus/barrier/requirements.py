"""Collect what the steps of all sources require of the barrier, which looks at all documents at once."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from massivetext.corpus.barrier.census import EXACT_ASKED, NEAR_ASKED
from massivetext.corpus.barrier.deduplication import (
    REPEATS,
    Deduplicate,
    DeduplicateSettings,
    NearSettings,
    RepeatSettings,
)
from massivetext.corpus.barrier.verdicts import Judge
from massivetext.corpus.steps import Barrier, Step
from massivetext.errors import ConfigError
from massivetext.storage import value_digest


class Requirements(NamedTuple):
    """What the barrier must do."""

    duplicates: Mapping[str, int]
    """Source -> EXACT_ASKED, NEAR_ASKED, both or 0."""
    near: NearSettings | None
    """How near-duplicates are found, None where no source requires it."""
    repeats: Mapping[str, Mapping[str, RepeatSettings]]
    """Kind (a key of REPEATS) -> source -> its settings."""
    memory_bytes: int
    """Memory for sorting: the smallest value that a source's steps allow."""
    judges: tuple[Judge, ...]
    """The barriers named in the steps, except deduplication, in the order in which the sources name them."""
    asking: Mapping[str, frozenset[str]]
    """Name of such a barrier -> the sources whose steps include it."""
    columns: tuple[str, ...]
    """The columns that these barriers add to the documents."""


def requirements_of(steps: Mapping[str, Sequence[Step]]) -> Requirements:
    """Return what the steps of each source require of the barrier; raise ConfigError if sources disagree."""
    found = {
        name: next((step.settings for step in own if isinstance(step, Deduplicate)), None)
        for name, own in steps.items()
    }
    given = {name: settings for name, settings in found.items() if settings is not None}
    judges, asking = _barriers(steps)
    return Requirements(
        duplicates={name: _duplicates(settings) for name, settings in found.items()},
        near=_near(given),
        repeats={
            kind: {name: asked for name, settings in given.items() if (asked := getattr(settings, kind))}
            for kind in REPEATS
        },
        memory_bytes=min((settings.memory_bytes for settings in given.values()), default=2**30),
        judges=judges,
        asking=asking,
        columns=tuple(name for judge in judges if isinstance(judge, Barrier) for name in judge.columns),
    )


def _duplicates(settings: DeduplicateSettings | None) -> int:
    """Return which kinds of duplicates a source searches for."""
    if settings is None:
        return 0
    return EXACT_ASKED * bool(settings.exact) + NEAR_ASKED * (settings.near is not None)


def _near(given: Mapping[str, DeduplicateSettings]) -> NearSettings | None:
    """Return the settings for finding near-duplicates."""
    asked = {name: settings.near for name, settings in given.items() if settings.near}
    for name, near in asked.items():
        other = next(iter(asked))
        if near != asked[other]:
            raise ConfigError(
                f"sources {other!r} and {name!r} ask for near-duplicates in different ways ({asked[other]!r}; "
                f"{near!r}); their documents could not be compared: give both the same deduplicate.near"
            )
    return next(iter(asked.values()), None)


def _barriers(steps: Mapping[str, Sequence[Step]]) -> tuple[tuple[Judge, ...], dict[str, frozenset[str]]]:
    """Return the barriers that are judges themselves, and for each the sources whose steps include it."""
    found: dict[str, dict[str, Step]] = {}
    for source, own in steps.items():
        for step in own:
            if isinstance(step, Judge):
                found.setdefault(step.name, {})[source] = step
    for name, given in found.items():
        if len({value_digest(step.describe()) for step in given.values()}) > 1:
            raise ConfigError(
                f"sources {', '.join(given)} ask for {name} in different ways; give all the same settings"
            )
    judges = [next(iter(given.values())) for given in found.values()]
    return tuple(judge for judge in judges if isinstance(judge, Judge)), {
        name: frozenset(given) for name, given in found.items()
    }
