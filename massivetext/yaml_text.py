"""Reads YAML written by users: plain values only, within size limits; errors name the line.

Recipes may come from untrusted sources. For any text, the result is either plain values or a ConfigError that locates
the fault.
"""

from typing import Any

import yaml

from massivetext.errors import ConfigError

MAX_BYTES = 2**18
MAX_DEPTH = 64
MAX_VALUES = 50_000
"""Maximum number of values in a text, including those that aliases repeat."""
MAX_DIGITS = 400
PLAIN_TAGS = ("null", "bool", "int", "float", "str", "seq", "map")
MERGE_TAG = "tag:yaml.org,2002:merge"


def read_yaml_text(data: bytes | str, where: str) -> Any:
    """Return the value of a YAML text; raise ConfigError that names the line if it is not plain YAML.

    data: UTF-8 bytes, or text. where: what the text is, for messages. Dates are read as text. Refused: duplicate keys,
    tags, nesting deeper than MAX_DEPTH, texts larger than MAX_BYTES, aliases that expand beyond MAX_VALUES.
    """
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{where} has {len(data):,} bytes; at most {MAX_BYTES:,} are read: is this the right file?")
    try:
        return yaml.load(_decoded(data, where), Loader=_PlainLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        parts = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{where} is not readable as YAML: {line}{parts}") from None
    except yaml.reader.ReaderError as error:
        line = f"line {_decoded(data, where).count(chr(10), 0, error.position) + 1}: "
        code = ord(error.character) if isinstance(error.character, str) else error.character
        raise ConfigError(
            f"{where} is not readable as YAML: {line}the character U+{code:04X} is not allowed; remove it"
        ) from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(f"{where} is not readable as YAML: {error}") from None


def _decoded(data: bytes | str, where: str) -> str:
    """Return the text of UTF-8 bytes, without a byte order mark."""
    if isinstance(data, str):
        return data
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        looks = ""
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            looks = ", it looks like UTF-16"
        elif b"\0" in data[:1024]:
            looks = ", it looks like a binary file"
        raise ConfigError(
            f"{where} is not UTF-8 text (byte 0x{data[error.start]:02x} at offset {error.start}{looks}); "
            "save it as UTF-8, or name another file"
        ) from None


def _problem(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


class _PlainLoader(yaml.SafeLoader):
    """The safe loader without dates, sets and bytes, and with limits on depth and size."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        # For each finished node: the values in it and the levels below it; aliases count every time they occur.
        self._sizes: dict[int, tuple[int, int]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return the next node after checking its depth and size."""
        alias, mark = self.check_event(yaml.AliasEvent), self.peek_event().start_mark  # type: ignore[no-untyped-call]
        too_deep = yaml.MarkedYAMLError(problem=f"found more than {MAX_DEPTH} levels of nesting", problem_mark=mark)
        if self._depth > MAX_DEPTH:
            raise too_deep
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if alias and id(node) not in self._sizes:
            raise yaml.MarkedYAMLError(problem="found an alias inside the value that it repeats", problem_mark=mark)
        if not alias and node is not None:
            self._sizes[id(node)] = self._measured(node)
        size, levels = self._sizes[id(node)]
        if self._depth + levels > MAX_DEPTH:
            raise too_deep
        if size > MAX_VALUES:
            raise yaml.MarkedYAMLError(
                problem=f"found more than {MAX_VALUES:,} values, aliases included", problem_mark=mark
            )
        return node

    def _measured(self, node: yaml.Node) -> tuple[int, int]:
        """Return the number of values in a node, including itself, and of levels below it; refuse duplicate keys."""
        if isinstance(node, yaml.ScalarNode):
            return 1, 0
        below = node.value
        if isinstance(node, yaml.MappingNode):
            _refuse_twins(node)
            below = [part for pair in node.value for part in pair]
        found = [self._sizes[id(part)] for part in below]
        return 1 + sum(size for size, _ in found), 1 + max((levels for _, levels in found), default=0)


def _refuse_twins(mapping: yaml.MappingNode) -> None:
    """Raise an error that names the key and both lines if a mapping has duplicate keys."""
    first: dict[tuple[str, str], yaml.Node] = {}
    for key, _ in mapping.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != MERGE_TAG:
            known = first.setdefault((key.tag, key.value), key)
            if known is not key:
                raise _problem(
                    key,
                    f"the key {key.value[:100]!r} is given twice, on lines {known.start_mark.line + 1} and "
                    f"{key.start_mark.line + 1}; keep one of them",
                )


def _number(loader: _PlainLoader, node: yaml.ScalarNode) -> int | float:
    """Return the integer or decimal number in a node."""
    if len(node.value) > MAX_DIGITS:
        raise _problem(node, f"found a number of {len(node.value):,} digits")
    construct = yaml.SafeLoader.construct_yaml_int if node.tag.endswith(":int") else _float
    try:
        return construct(loader, node)
    except (ValueError, OverflowError):
        raise _problem(node, f"found {node.value!r}, which is no number; put text into quotes") from None


def _float(loader: _PlainLoader, node: yaml.ScalarNode) -> float:
    return float(yaml.SafeLoader.construct_yaml_float(loader, node))


def _boolean(loader: _PlainLoader, node: yaml.ScalarNode) -> bool:
    value = yaml.SafeLoader.bool_values.get(node.value.lower())
    if value is None:
        raise _problem(node, f"found {node.value!r}, which is neither true nor false")
    return value


def _text(loader: _PlainLoader, node: yaml.ScalarNode) -> str:
    """Return the text in a node; raise an error for characters that file names or UTF-8 cannot hold."""
    value: str = loader.construct_scalar(node)
    wrong = next((character for character in value if character == "\0" or "\ud800" <= character <= "\udfff"), None)
    if wrong is not None:
        raise _problem(node, f"found text with the character U+{ord(wrong):04X}; remove it")
    return value


def _refused(loader: _PlainLoader, node: yaml.Node) -> None:
    raise _problem(node, f"found the tag {node.tag!r}; only plain values are read: remove it")


_PlainLoader.yaml_constructors = {
    tag: constructor
    for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
    if tag is not None and tag.rpartition(":")[2] in PLAIN_TAGS
}
_PlainLoader.yaml_implicit_resolvers = {
    character: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for character, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.add_constructor("tag:yaml.org,2002:int", _number)
_PlainLoader.add_constructor("tag:yaml.org,2002:float", _number)
_PlainLoader.add_constructor("tag:yaml.org,2002:bool", _boolean)
_PlainLoader.add_constructor("tag:yaml.org,2002:str", _text)
_PlainLoader.add_constructor(None, _refused)
