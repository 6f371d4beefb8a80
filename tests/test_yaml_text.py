"""YAML of any kind becomes plain values or a ConfigError that locates the fault, at once."""

# ruff: noqa: E501 - a table

import time

import pytest

from massivetext.errors import ConfigError
from massivetext.yaml_text import MAX_BYTES, read_yaml_text


def laughs(line: str) -> str:
    """Return nine levels of ten aliases each, written as `line` says."""
    first = line.format(name="a", inner=", ".join(["x: 1" if "{{" in line else "x"]))
    rows = [first] + [line.format(name=f"a{n}", inner=", ".join([f"*a{n - 1 or ''}"] * 10)) for n in range(1, 10)]
    return "\n".join(rows)


REFUSED = {
    "random bytes": (b"\x93\xeb\xff", "byte 0x93 at offset 0"),
    "UTF-16": ("a: b".encode("utf-16"), "looks like UTF-16"),
    "Latin-1": ("titel: grün".encode("latin-1"), "byte 0xfc at offset 9"),
    "GBK": ("标题: 春天".encode("gbk"), "not UTF-8 text"),
    "a program": (b"\x7fELF\0\0\x80", "looks like a binary file"),
    "deep list": ("[" * 100_000, "more than 64 levels"),
    "deep mapping": ("{a: " * 5000, "more than 64 levels"),
    "deep dashes": ("- " * 100_000, "more than 64 levels"),
    "deep by aliases": (
        "".join(f"a{n}: &a{n} {'[' * 60}{f'*a{n - 1}' if n else 1}{']' * 60}\n" for n in range(50)),
        "more than 64 levels",
    ),
    "aliases that multiply": (laughs("{name}: &{name} [{inner}]"), "more than 50,000 values"),
    "merges that multiply": (
        "a: &a {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1 or str()}'] * 10)}]}}\n" for n in range(1, 9)),
        "more than 50,000 values",
    ),
    "alias of itself": ("a: &a [*a]", "alias inside the value"),
    "many digits": ("a: " + "9" * 100_000, "a number of 100,000 digits"),
    "no digits": ("a: 0x_", "'0x_', which is no number"),
    "key twice": ("train:\n  steps: 1\n  seed: 2\n  steps: 3", "'steps' is given twice, on lines 2 and 4"),
    "key twice in Chinese": ("来源: 1\n来源: 2", "'来源' is given twice, on lines 1 and 2"),
    "tag of an object": ("a: !!python/object/apply:os.system [ls]", r"only plain values are read"),
    "tag of bytes": ("a: !!binary aGk=", "only plain values are read"),
    "tag of a set": ("a: !!set {x}", "only plain values are read"),
    "broken": ("a: [1, 2", "line 1"),
    "tab": ("a:\n\tb: 1", "line 2, column 1"),
    "U+0000": ("a: 1\nb: \0", r"line 2: the character U\+0000"),
    "U+0000 escaped": ('a: "x\\0y"', r"U\+0000"),
    "half a character": ('a: "\\ud800"', r"U\+D800"),
    "beyond Unicode": ('a: "\\UFFFFFFFF"', "not readable"),
    "two documents": ("a: 1\n---\nb: 2", "another document"),
    "list as key": ("{[1]: 2}", "unhashable key"),
    "large": ("# " + "x" * MAX_BYTES, "at most 262,144"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_plain_yaml_is_refused_at_once(name):
    data, message = REFUSED[name]
    started = time.process_time()
    with pytest.raises(ConfigError, match=message) as caught:
        read_yaml_text(data, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml ")
    assert len(str(caught.value)) < 400
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2024-13-45", {"a": "2024-13-45"}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: [1, 2.5, true, null, 字]", {"a": [1, 2.5, True, None, "字"]}),
        ("base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}", {"base": {"x": 1, "y": 2}, "mine": {"x": 1, "y": 3}}),
        ("\ufeffa: 1".encode(), {"a": 1}),
        ("", None),
    ],
)
def test_plain_values_are_read(text, value):
    assert read_yaml_text(text, "mine.yaml") == value
