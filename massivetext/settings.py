"""The base of every component's settings: one pydantic model next to the component, the only source of its defaults.

The string below each field states its meaning and unit; it is used in `--help`, the JSON schema and the docs.
"""

import os
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from massivetext.errors import ConfigError, unknown_name

MOST_SENTENCES = 12
"""Maximum number of findings that one message lists."""
LARGEST = 2**63 - 1
PATH_BYTES = 4095


def _as_path(value: Any) -> Any:
    """Return the value; raise ValueError for a path that no file can have."""
    if isinstance(value, str | Path):
        text = str(value) if isinstance(value, Path) else value
        if not text.strip():
            raise ValueError("is empty; give a path, or leave the key out")
        try:
            encoded = os.fsencode(text)
        except UnicodeEncodeError:
            encoded = b"\0"
        if b"\0" in encoded:
            raise ValueError("holds U+0000 or half a character, which no path can have; remove it")
        if len(encoded) > PATH_BYTES:
            raise ValueError(f"is longer than {PATH_BYTES:,} bytes, the most that a path can have; shorten it")
    return value


GivenPath = Annotated[Path, BeforeValidator(_as_path)]
"""A path given by the user; not empty."""
GivenPathText = Annotated[str, BeforeValidator(_as_path)]
"""The same as text, for paths that may begin with the name of a root or contain wildcards."""


class Settings(BaseModel):
    """Frozen settings that refuse unknown keys, infinities and numbers beyond 64 bits."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        populate_by_name=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    @model_validator(mode="after")
    def _within_bounds(self) -> Self:
        """Check that every whole number fits into 64 bits, as files and tensors require."""
        for name, value in self:
            if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
                raise ValueError(f"{name} is {shown(value)}; the largest number that can be used is {LARGEST}")
        return self

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Return the settings built from `values`; raise ConfigError that names the key, the nearest and the allowed.

        where: the dotted path of `values` in the recipe, for the message.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(explain(error, cls, values, where)) from None


def explain(error: ValidationError, model: type[BaseModel], values: Any = None, where: str = "") -> str:
    """Return pydantic's findings as sentences: the dotted key, the value found, the values allowed.

    values: the validated values, which distinguish keys from pydantic's names for the alternatives of a type.
    """
    lines: dict[str, None] = {}
    for finding in error.errors(include_url=False, include_context=False):
        path = _written(finding["loc"], values, finding["type"])
        key = ".".join(([where] if where else []) + [str(part)[:100] for part in path])
        if finding["type"] == "extra_forbidden":
            parent = ".".join(([where] if where else []) + [str(part) for part in path[:-1]]) or "the top level"
            allowed = allowed_keys(model, finding["loc"][:-1])
            lines[unknown_name(f"key in {parent}:", str(path[-1]), allowed)] = None
        elif finding["type"] == "missing":
            lines[f"{key} is missing, and nothing stands in for it"] = None
        else:
            message = finding["msg"].removeprefix("Value error, ")
            # A message about a whole section already names its keys, so the section is not repeated.
            section = finding["type"] == "value_error" and isinstance(finding["input"], Mapping)
            lines[
                f"{key or 'the settings'}: {message}" + ("" if section else f" (found {shown(finding['input'])})")
            ] = None
    sentences = list(lines)
    more = [f"... and {len(sentences) - MOST_SENTENCES} more like these"] if len(sentences) > MOST_SENTENCES else []
    return "\n".join(sentences[:MOST_SENTENCES] + more)


def _written(location: tuple[int | str, ...], values: Any, kind: str) -> list[int | str]:
    """Return the parts of pydantic's location that exist in the values, plus a key that is missing there."""
    kept: list[int | str] = []
    for number, part in enumerate(location):
        if (isinstance(values, Mapping) and part in values) or (
            isinstance(values, list | tuple) and isinstance(part, int) and part < len(values)
        ):
            values = values[part]  # type: ignore[index]
        elif number and (number < len(location) - 1 or kind != "missing"):
            continue  # the name of an alternative
        kept.append(part)
    return kept


def shown(value: Any) -> str:
    """Return any value as short text for a message."""
    return _SHORT.repr(value)[:200]


class _Short(reprlib.Repr):
    """Shows the beginning of long values, and describes whole numbers that are too long to print."""

    def repr_int(self, x: int, level: int) -> str:
        return str(x) if x.bit_length() < 200 else f"a number of about {x.bit_length() * 3 // 10:,} digits"


_SHORT = _Short()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother, _SHORT.maxlist, _SHORT.maxdict, _SHORT.maxtuple = 2, 80, 80, 4, 4, 4


def allowed_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the settings at `location` in `model` accept, as written in a recipe."""
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
