"""JSON schemas of Python functions that are tools of a conversation; a chat template shows them to the model.

A function needs type hints, and a docstring in Google's style that describes each argument.
"""

import inspect
import json
import re
import types
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from massivetext.errors import ConfigError

SCALARS: dict[Any, str] = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}
CONTAINERS: dict[Any, str] = {list: "array", tuple: "array", dict: "object"}
SECTIONS = ("Args:", "Returns:", "Raises:", "Yields:", "Examples:", "Example:")
ARGUMENT = re.compile(r"(\w+)(?:[ \t]*\([^()\n]*\))?:\s*(.*)", re.DOTALL)
CHOICES = re.compile(r"\s*\(choices:\s*(.*?)\)\s*$", re.IGNORECASE | re.DOTALL)


def tool_schema(tool: Any) -> Any:
    """Return the schema of a tool: a mapping unchanged, a function's schema; raise ConfigError for anything else."""
    if isinstance(tool, Mapping):
        return tool
    if inspect.isfunction(tool) or inspect.ismethod(tool):
        return function_schema(tool)
    raise ConfigError(
        f"a tool is a {type(tool).__name__}; give a function with type hints and a docstring, or its JSON schema as a "
        f"dict"
    )


def function_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the schema of a function; raise ConfigError for an argument without a type or a description."""
    name = function.__name__
    sections = _sections(inspect.getdoc(function) or "")
    if not sections[""]:
        raise ConfigError(f"the tool {name} has no docstring; describe it and, under 'Args:', each argument")
    descriptions = _descriptions(sections.get("Args:", []))
    hints = get_type_hints(function)
    properties, needed = {}, []
    for argument, parameter in inspect.signature(function).parameters.items():
        if argument in ("self", "cls") and argument not in hints:
            continue
        if argument not in hints:
            raise ConfigError(f"the tool {name} has no type for the argument {argument!r}; write {argument}: str, say")
        if argument not in descriptions:
            raise ConfigError(
                f"the docstring of the tool {name} does not describe the argument {argument!r}; add a line "
                f"'{argument}: ...' under 'Args:'"
            )
        properties[argument] = _described(_type_schema(hints[argument], name, argument), descriptions[argument])
        if parameter.default is parameter.empty:
            needed.append(argument)
    parameters = {"type": "object", "properties": properties, **({"required": needed} if needed else {})}
    schema = {"name": name, "description": "\n".join(sections[""]).strip(), "parameters": parameters}
    returned = _return_schema(hints, name)
    if returned is not None:
        text = "\n".join(sections.get("Returns:", [])).strip()
        schema["return"] = {**returned, **({"description": text} if text else {})}
    return {"type": "function", "function": schema}


def _sections(docstring: str) -> dict[str, list[str]]:
    """Return the lines of a docstring by section; "" holds the lines before the first section."""
    found: dict[str, list[str]] = {"": []}
    current = ""
    for line in docstring.splitlines():
        if line.strip() in SECTIONS:
            current = line.strip()
            found[current] = []
        else:
            found[current].append(line)
    return found


def _descriptions(lines: list[str]) -> dict[str, str]:
    """Return the descriptions of arguments by name; a line with deeper indentation continues the one before."""
    filled = [line for line in lines if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in filled), default=0)
    entries: list[list[str]] = []
    for line in filled:
        if len(line) - len(line.lstrip()) <= margin and ARGUMENT.match(line.strip()):
            entries.append([line.strip()])
        elif entries:
            entries[-1].append(line.strip())
    matches = [ARGUMENT.match(" ".join(entry)) for entry in entries]
    return {found[1]: found[2].strip() for found in matches if found is not None}


def _described(schema: dict[str, Any], description: str) -> dict[str, Any]:
    """Return a schema with its description, and with the choices at the end of the description, if any."""
    choices = CHOICES.search(description)
    if choices is None:
        return {**schema, "description": description}
    try:
        values = [value.strip() if isinstance(value, str) else value for value in json.loads(choices[1])]
    except ValueError:
        raise ConfigError(f'{choices[0].strip()} is not a JSON list; write (choices: ["a", "b"])') from None
    return {**schema, "enum": values, "description": description[: choices.start()].strip()}


def _return_schema(hints: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return the schema of a function's return value; None if it has no type hint or JSON has no such type."""
    try:
        return _type_schema(hints["return"], name, "return") if "return" in hints else None
    except ConfigError:
        return None


def _type_schema(hint: Any, tool: str, argument: str) -> dict[str, Any]:
    """Return the JSON schema of a type; raise ConfigError for a type that JSON does not know."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return {}
    if hint in SCALARS or hint in CONTAINERS:
        return {"type": SCALARS[hint] if hint in SCALARS else CONTAINERS[hint]}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _one_of([member.value for member in hint], tool, argument)
    if origin is Literal:
        return _one_of(list(parts), tool, argument)
    if origin in (Union, types.UnionType):
        return _union([_type_schema(part, tool, argument) for part in parts if part is not type(None)], parts)
    if origin is list:
        return {"type": "array", "items": _type_schema(parts[0], tool, argument)}
    if origin is tuple and len(parts) > 1 and ... not in parts:
        return {"type": "array", "prefixItems": [_type_schema(part, tool, argument) for part in parts]}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type_schema(parts[1], tool, argument)}
    raise ConfigError(
        f"the tool {tool} has the type {hint} for {argument!r}, which JSON does not know; use str, int, float, bool, "
        f"list[...], dict[str, ...], Literal[...] or an Enum, or give the tool's JSON schema as a dict"
    )


def _one_of(values: list[Any], tool: str, argument: str) -> dict[str, Any]:
    """Return the schema of a choice between values."""
    if not values or any(type(value) not in SCALARS for value in values):
        raise ConfigError(f"the tool {tool} may choose {values} for {argument!r}; allowed: texts, numbers, booleans")
    names = list(dict.fromkeys(SCALARS[type(value)] for value in values))
    return {"type": names[0] if len(names) == 1 else names, "enum": values}


def _union(schemas: list[dict[str, Any]], parts: tuple[Any, ...]) -> dict[str, Any]:
    """Return the schema of a choice between types."""
    if len(schemas) == 1:
        found = schemas[0]
    elif all(schema.keys() == {"type"} and isinstance(schema["type"], str) for schema in schemas):
        names = sorted({schema["type"] for schema in schemas})
        found = {"type": names[0] if len(names) == 1 else names}
    else:
        found = {"anyOf": schemas}
    return {**found, "nullable": True} if type(None) in parts else found
