"""The shape of the package: imports point one way, public names are lazy, the rooms are nouns."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import massivetext as mt

PACKAGE = Path(mt.__file__).parent

LAYERS = [
    {"errors", "visible"}, {"storage", "settings", "translations", "hugging_face", "yaml_text"},
    {"progress", "hub", "state", "parquet", "interrupting", "engines"}, {"text", "metrics"}, {"corpus"}, {"tokens"},
    {"layers"}, {"generation"}, {"models"}, {"training", "evaluation"}, {"tasks"}, {"report"}, {"explaining"},
    {"recipe"}, {"runs"}, {"cli"},
]  # fmt: skip
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}

FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [
                f"{node.module}.{alias.name}" if node.module == "massivetext" else node.module for alias in node.names
            ]
        rooms |= {name.split(".")[1] for name in names if name.startswith("massivetext.") and "__" not in name}
    return {room for room in rooms if not room.isupper()}  # a constant of the package itself is no room


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    assert room in RANK, f"{room} has no place in the order of rooms: add it to LAYERS"
    wrong = {other for other in imported_rooms(path) if other != room and RANK.get(other, 99) >= RANK[room]}
    assert not wrong, f"{path} imports {sorted(wrong)}, which stand(s) after {room} or beside it"


def module_of(path: Path) -> str:
    parts = ("massivetext", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def imported_modules(path: Path) -> set[str]:
    """The package's modules that a file imports anywhere: at the top, in functions, under TYPE_CHECKING."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & MODULES.keys()) or {node.module}
    return (found & MODULES.keys()) - {"massivetext", module_of(path)}


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Each module that a chain of imports leads back to, with the modules of its circle."""
    reached: dict[str, set[str]] = {}
    for start in imports:
        seen, waiting = set(), list(imports[start])
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting += imports[module]
        reached[start] = seen
    found = {
        tuple(sorted(other for other in seen if start in reached[other])): start
        for start, seen in reached.items()
        if start in seen
    }
    return [list(circle) for circle in found]


def test_circles_are_found():
    chain = {"a": {"b"}, "b": {"c"}, "c": set()}
    assert circles(chain) == []
    assert circles({**chain, "c": {"b"}}) == [["b", "c"]]


def test_no_imports_go_in_a_circle():
    assert circles({module: imported_modules(path) for module, path in MODULES.items()}) == []


def named_rooms(path: Path) -> set[str]:
    """The rooms that strings of a file name, such as "massivetext.corpus.building:build_corpus"; docstrings may."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
    ]
    return {name for text in texts for name in re.findall(r"\bmassivetext\.([a-z_]+)", text)} & RANK.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_string_names_a_room_above(path):
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    wrong = {other for other in named_rooms(path) if other != room and RANK[other] >= RANK[room]}
    assert not wrong, f"{path} names {sorted(wrong)} in a string; what stands above is handed down, not looked up"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_bears_the_name_of_a_public_function(path):
    assert path.stem not in mt.PUBLIC_NAMES


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_peers_are_never_imported_by_the_package(path):
    peers = {"transformers", "datatrove", "accelerate"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.split(".")[0] for name in names} & peers


def test_what_the_package_imports_is_among_its_dependencies():
    table = PACKAGE.parent / "pyproject.toml"
    if not table.is_file():
        pytest.skip("the package is installed, not checked out")
    project = tomllib.loads(table.read_text())["project"]
    listed = project["dependencies"] + project["optional-dependencies"]["documents"]
    declared = {re.split(r"[<>=!~;\[ ]", line)[0].lower().replace("-", "_") for line in listed}
    distributions = {"yaml": "pyyaml", "markupsafe": "jinja2", "docx": "python_docx"}
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            found |= {name.split(".")[0] for name in names}
    others = {distributions.get(name, name) for name in found - set(sys.stdlib_module_names) - {"massivetext"}}
    assert others <= declared, sorted(others - declared)


@pytest.mark.parametrize("name", sorted(mt.PUBLIC_NAMES))
def test_every_public_name_resolves(name):
    assert getattr(mt, name) is not None


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        mt.nonsense  # noqa: B018


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, massivetext; heavy = {'torch', 'numpy', 'pyarrow', 'pydantic', 'rich', 'numba', 'tokenizers'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_modules_that_contributing_calls_public_exist():
    page = PACKAGE.parent / "CONTRIBUTING.md"
    if not page.is_file():
        pytest.skip("the package is installed, not checked out")
    section = page.read_text(encoding="utf-8").split("## What is public")[1].split("\n## ")[0]
    named = re.findall(r"`([\w/]+\.py)`", section)
    assert len(named) > 5 and [name for name in named if not (PACKAGE / name).is_file()] == []
