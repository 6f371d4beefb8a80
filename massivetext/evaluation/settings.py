"""Settings of evaluation: the `evaluate` section of a recipe."""

from typing import Annotated

from pydantic import AfterValidator, Field

from massivetext.errors import unknown_name
from massivetext.settings import Settings

TASKS = {"bits_per_byte": "massivetext.evaluation.splits:score_test_text"}
"""Each task's name in a recipe, and the function that scores a `splits.Subject` on it, imported on use."""


def _known(name: str) -> str:
    """Return the name of a task; raise ValueError if it is not in the table."""
    if name not in TASKS:
        raise ValueError(unknown_name("task", name, TASKS))
    return name


def _different(tasks: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tasks; raise ValueError if there is none, or if one is named twice."""
    if not tasks:
        raise ValueError(f"no task is named; allowed: {', '.join(TASKS)}")
    for name in tasks:
        if tasks.count(name) > 1:
            raise ValueError(f"{name!r} is named {tasks.count(name)} times; name each task once")
    return tasks


Task = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": sorted(TASKS)})]


class EvaluateSettings(Settings):
    """How the trained model is scored on the test split."""

    tasks: Annotated[tuple[Task, ...], AfterValidator(_different)] = ("bits_per_byte",)
    """What to score."""
    stride_tokens: int | None = Field(None, ge=1)
    """Tokens by which each scoring window moves; less than the model's context gives every token more left context and
    takes longer; unset: half the context."""
    ngram_order: int = Field(5, ge=0, le=6)
    """Order of the Kneser-Ney model shown beside the network in every table; 0 leaves it out."""
    xz_primed_bytes: int = Field(32_000_000, ge=0, le=48_000_000)
    """Maximum bytes of training text that the primed `xz` reads first (its dictionary holds 64 MiB); 0 leaves the row
    out."""
