"""Settings of the model to train: the `model` section of a recipe."""

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from massivetext.settings import GivenPathText, Settings


class ModelSettings(Settings):
    """Which model to train: a family with its own configuration fields, a preset of published size, or a folder."""

    model_config = ConfigDict(extra="allow")

    family: str | None = None
    """Model family, e.g. llama; further keys are fields of its configuration (hidden_size, num_hidden_layers, ...)."""
    preset: str | None = None
    """A published size by name, trained from scratch."""
    from_: GivenPathText | None = Field(None, alias="from")
    """A model folder whose weights are the start of training."""

    @model_validator(mode="after")
    def _one_origin(self) -> "ModelSettings":
        given = [
            name for name, value in (("family", self.family), ("preset", self.preset), ("from", self.from_)) if value
        ]
        if len(given) != 1:
            raise ValueError(f"give exactly one of family, preset, from; found {', '.join(given) or 'none'}")
        if self.from_ and self.fields:
            raise ValueError(f"a model from a folder brings its configuration; remove {', '.join(self.fields)}")
        return self

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the family's configuration that the recipe sets."""
        return dict(self.model_extra or {})
