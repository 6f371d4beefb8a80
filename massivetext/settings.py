"""The base of every component's settings: one pydantic model, beside the component, the only home of its defaults.

The string under each field says meaning and unit; it feeds `--help`, the JSON schema and the docs.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from massivetext.errors import ConfigError, unknown_name


class Settings(BaseModel):
    """Frozen settings that refuse unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True, validate_default=True
    )

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Return the settings built from `values`; raise ConfigError that names the key, the nearest and the allowed.

        where: the dotted path of `values` in the recipe, for the message.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(explain(error, cls, where)) from None


def explain(error: ValidationError, model: type[BaseModel], where: str = "") -> str:
    """Return pydantic's findings as sentences: the dotted key, what was found, what is allowed."""
    lines = []
    for finding in error.errors():
        path = [str(part) for part in finding["loc"]]
        key = ".".join(([where] if where else []) + path)
        if finding["type"] == "extra_forbidden":
            parent = ".".join(([where] if where else []) + path[:-1]) or "the top level"
            allowed = allowed_keys(model, finding["loc"][:-1])
            lines.append(unknown_name(f"key in {parent}:", path[-1], allowed))
        elif finding["type"] == "missing":
            lines.append(f"{key} is missing, and nothing stands in for it")
        else:
            shown = repr(finding.get("input"))
            lines.append(f"{key or 'the settings'}: {finding['msg']} (found {shown[:200]})")
    return "\n".join(lines)


def allowed_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the settings at `location` below `model` accept, as written in a recipe."""
    current: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        found = None
        for name, field in current.model_fields.items() if hasattr(current, "model_fields") else ():
            if part in (name, field.alias):
                found = field.annotation
        candidates = list(_models_in(found))
        named = [candidate for candidate in candidates if candidate.__name__ == part]
        if named or candidates:
            current = (named or candidates)[0]
        elif found is not None:
            return []
    return [field.alias or name for name, field in current.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the pydantic models that occur in a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
