"""The settings of the samples that a run writes: the `generate` section of a recipe."""

from pydantic import Field

from massivetext.generation.defaults import TEMPERATURE, TOP_P
from massivetext.settings import Settings


class GenerateSettings(Settings):
    """The samples that a run writes, one or more for each source."""

    prompts: tuple[str, ...] | dict[str, tuple[str, ...]] = ()
    """Prompts, or prompts for each source by name; a source without one is continued from an opening of its test
    text."""
    max_new_tokens: int = Field(160, ge=1, le=2**20)
    """Length of each sample in tokens."""
    temperature: float = Field(TEMPERATURE, ge=0.0, le=100.0)
    """Sampling temperature; 0 is greedy."""
    top_p: float = Field(TOP_P, gt=0.0, le=1.0)
    """Sample from the most likely tokens with this total probability."""
