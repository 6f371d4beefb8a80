"""Write the pages of the documentation site that come from the code; MkDocs calls `on_files` and `on_page_markdown`.

Recipe keys come from the settings classes, the command line from its help, the Python API from the public names, and
three pages from files beside `docs/`.
"""

import os
import posixpath
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import click
import typer.main
import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["NO_COLOR"] = "1"  # help without escape sequences

from massivetext import PUBLIC_NAMES  # noqa: E402
from massivetext.cli import app  # noqa: E402
from massivetext.cli.help import dress  # noqa: E402
from massivetext.corpus.steps.table import STEPS  # noqa: E402
from massivetext.recipe import Recipe  # noqa: E402
from massivetext.translations import set_language  # noqa: E402

COPIES = {
    "reference/recipes.md": "recipes/README.md",
    "reference/contributing.md": "CONTRIBUTING.md",
    "reference/changelog.md": "CHANGELOG.md",
}
"""Pages of the site that are files outside of docs/."""

GENERATED = ("reference/recipe", "reference/commands", "reference/api", "zh/reference/commands")
"""Pages of the site that are made here."""

SECTIONS = {
    "corpus": "Corpus",
    "tokens": "Tokens",
    "models": "Models",
    "training": "Training",
    "generation": "Generation",
    "tasks": "Tasks",
    "explaining": "Explaining",
}
"""Rooms whose public names are on the API page, with their headings; names of other rooms come last."""

MOST_SHOWN = 10**6
"""Larger bounds only catch slips; they are left out of the tables."""
CLASSES = re.compile(r"(Config|Model|LMHeadModel|For[A-Z]\w+|Tokenizer|TokenizerFast)$")
COMMANDS_TITLE = {"en": "# Command line", "zh": "# 命令行"}
COMMANDS_INTRO = {
    "en": "Every command, as `--help` prints it. `--json` prints one JSON object on stdout; progress goes to stderr. "
    "The exit status is 0 (done), 1 (failed) or 2 (wrong use).",
    "zh": "各命令的 `--help` 输出。`--json` 在标准输出打印一个 JSON 对象，进度写到标准错误。"
    "退出码：0 成功，1 失败，2 用法错误。",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages; Chinese pages get the command line and a list of the English pages."""
    language = config.theme["language"]
    pages = {"reference/commands.md": command_page(language)}
    if language == "en":
        pages |= {"reference/recipe.md": recipe_page(), "reference/api.md": api_page()}
        pages |= {name: (ROOT / source).read_text(encoding="utf-8") for name, source in COPIES.items()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    if language == "zh":
        files.append(File.generated(config, "site.css", content=(ROOT / "docs" / "site.css").read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with links that work on the site as they do in the repository."""
    name = page.file.src_uri
    source = COPIES.get(name, f"docs/zh/{name}" if config.theme["language"] == "zh" else f"docs/{name}")
    own = posixpath.dirname(page.file.dest_uri)
    root = "zh" if config.theme["language"] == "zh" else ""

    def link(match: re.Match[str]) -> str:
        target, sign, anchor = match[1].partition("#")
        if "://" in target or not target:
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        here = _site_address(path, source)
        if source.startswith(f"docs/{root}") and path.startswith("docs/") and path.startswith("docs/zh/") == bool(root):
            return match[0]
        if root:  # the other build's page: MkDocs does not know it
            if not here.startswith("zh/"):
                slash = "" if posixpath.splitext(here)[1] else "/"
                return f"]({posixpath.relpath(here, posixpath.join(root, own))}{slash}{sign}{anchor})"
            here = here.removeprefix("zh/")
        file = f"{here}.md" if files.get_file_from_path(f"{here}.md") else here
        return f"]({posixpath.relpath(file, posixpath.dirname(name) or '.')}{sign}{anchor})"

    return re.sub(r"\]\(([^)\s]+)\)", link, markdown)


def _site_address(path: str, source: str) -> str:
    """Return where on the site a file of the repository is, without `.md`; a file that is not there is an error."""
    copies = {origin: name for name, origin in COPIES.items()}
    generated = [f"docs/{page}.md" for page in GENERATED]
    if path in copies:
        return copies[path].removesuffix(".md")
    if path not in generated and not (ROOT / path).exists():
        raise PluginError(f"{source} links to {path}, which does not exist")
    if not path.startswith("docs/"):
        raise PluginError(f"{source} links to {path}, which is not on the site; name the file without a link")
    return path.removeprefix("docs/").removesuffix(".md")


# Recipe keys


def recipe_page() -> str:
    """Return the page of all keys of a recipe and of all steps, with type, default and meaning."""
    lines = [
        "# Recipe keys",
        "",
        "A recipe is one YAML file. This page is generated from the settings classes, which hold the only copy of "
        "every default. An unknown key is an error that names the nearest known one. `massivetext schema` prints the "
        "same keys as a JSON schema for editors.",
        "",
        "## Top level",
        "",
        *key_table(Recipe),
    ]
    for name, field in Recipe.model_fields.items():
        for model in settings_in(field.annotation):
            lines += [*settings_section(model, field.alias or name, 2)]
    lines += ["", "## Steps of a corpus", "", "See [the guide to steps](../steps.md) for what each step does.", ""]
    for name, place in STEPS.items():
        module, _, attribute = place.partition(":")
        model = getattr(import_module(module), attribute).settings_type
        if model.model_fields:
            lines += ["", f"### `{name}`", "", *key_table(model)]
            for key, field in model.model_fields.items():
                for below in settings_in(field.annotation):
                    lines += settings_section(below, f"{name}.{key}", 4)
    return "\n".join(lines) + "\n"


def settings_section(model: type[BaseModel], path: str, level: int) -> Iterator[str]:
    """Yield the lines of one section of a recipe, and of the sections below it."""
    yield from ("", f"{'#' * level} `{path}`", "", (model.__doc__ or "").split("\n\n")[0].replace("\n", " "), "")
    yield from key_table(model)
    for name, field in model.model_fields.items():
        for below in settings_in(field.annotation):
            item = "[]" if "tuple" in str(field.annotation) else ""
            yield from settings_section(below, f"{path}.{field.alias or name}{item}", level + 1)


def key_table(model: type[BaseModel]) -> Iterator[str]:
    """Yield a table of the keys of one settings class."""
    yield from ("| key | type | default | meaning |", "|---|---|---|---|")
    for name, field in model.model_fields.items():
        meaning = " ".join((field.description or _first_line(field.annotation)).split())
        cells = (f"`{field.alias or name}`", type_text(field), default_text(field), meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def settings_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the settings classes in a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    found = [model for part in getattr(annotation, "__args__", ()) for model in settings_in(part)]
    return list(dict.fromkeys(found))


def _first_line(annotation: Any) -> str:
    """Return the first paragraph of the docstring of the settings class in an annotation."""
    models = settings_in(annotation)
    return (models[0].__doc__ or "").split("\n\n")[0] if models else ""


def type_text(field: FieldInfo) -> str:
    """Return a field's type and bounds as a reader of YAML understands them."""
    text = re.sub(r"\s+", " ", _plain(field.annotation))
    bounds = [
        f"{sign} {getattr(rule, name):g}"
        for rule in field.metadata
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if getattr(rule, name, None) is not None and abs(getattr(rule, name)) < MOST_SHOWN
    ]
    return ", ".join([text, *bounds])


def _plain(annotation: Any) -> str:
    """Return a type annotation in words: list of text, true or false, one of ..."""
    words = {str: "text", bool: "true or false", int: "whole number", float: "number", Path: "path", Any: "any value"}
    if annotation in words:
        return words[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is Annotated:
        return _plain(arguments[0])
    if origin is tuple:
        return f"list of {_plain(arguments[0])}"
    if origin in (dict, Mapping):
        return f"mapping to {_plain(arguments[1])}"
    return " or ".join(dict.fromkeys(_plain(part) for part in arguments if part is not type(None)))


def default_text(field: FieldInfo) -> str:
    """Return a field's default as written in YAML."""
    value = field.default_factory() if field.default_factory else field.default  # type: ignore[call-arg]
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "unset"
    if isinstance(value, BaseModel):
        return "defaults below"
    plain = list(value) if isinstance(value, tuple) else value
    return f"`{yaml.safe_dump(plain, default_flow_style=True, width=10**6).removesuffix('...' + chr(10)).strip()}`"


# Command line


def command_page(language: str) -> str:
    """Return the help of every command, in the language."""
    set_language(language)
    try:
        command = dress(typer.main.get_command(app))
        lines = [COMMANDS_TITLE[language], "", COMMANDS_INTRO[language], ""]
        for path, one in _paths(command, "massivetext"):
            if not hasattr(one, "commands") or path == "massivetext":
                context = click.Context(one, info_name=path, terminal_width=80, help_option_names=["-h", "--help"])
                lines += [f"## {path}", "", "```text", one.get_help(context).strip(), "```", ""]
    finally:
        set_language("en")
    return "\n".join(lines)


def _paths(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every command with the words that call it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from _paths(below, f"{path} {name}")


# Python API


def api_page() -> str:
    """Return the page of public names; classes of one family or one tokenizer format are a list."""
    rooms: dict[str, list[str]] = {name: [] for name in SECTIONS}
    for name, module in sorted(PUBLIC_NAMES.items()):
        rooms.setdefault(module.split(".")[1], []).append(name)
    lines = [
        "# Python API",
        "",
        "Everything on this page is a name of the package: `import massivetext as mt`, then `mt.NAME`. "
        "[Recipe keys](recipe.md) and [the command line](commands.md) have pages of their own.",
    ]
    others = [name for room, names in rooms.items() if room not in SECTIONS for name in names]
    groups = [(title, rooms[room]) for room, title in SECTIONS.items()] + [("Runs and recipes", others)]
    for title, names in groups:
        many = [name for name in names if CLASSES.search(name) and not name.startswith("Auto")]
        lines += ["", f"## {title}", ""]
        for name in names:
            if name in many:
                continue
            place = getattr(import_module(PUBLIC_NAMES[name]), name).__module__
            if place.startswith("massivetext"):
                lines += [f"::: {place}.{name}", "    options:", "      heading_level: 3", ""]
            else:
                lines += [
                    f"### {name} {{ .doc-heading }}",
                    "",
                    f"The class of the library `{place.split('.')[0]}`.",
                    "",
                ]
        if many:
            lines += ["", f"### Classes by name ({title.lower()})", "", "They have Hugging Face's names.", ""]
            lines += [", ".join(f"`{name}`" for name in many) + "."]
    return "\n".join(lines) + "\n"
