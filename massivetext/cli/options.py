"""Shared parts of the verbs: options, the printing of results, and verbs that run a recipe up to a stage."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from massivetext.visible import visible, visible_json

RecipeArgument = Annotated[str, typer.Argument(help="A recipe file, or a built-in one: quickstart, quickstart-zh.")]
OutOption = Annotated[Path | None, typer.Option("--out", help="Run folder [default: runs/NAME-OF-THE-RECIPE].")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override a key: --set train.learning_rate=3e-4.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print no progress on stderr.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Start over if the folder holds another run.")]
LanguageOption = Annotated[
    str | None, typer.Option("--language", help="Language of messages and report: en or zh [default: the locale's].")
]
ModelArgument = Annotated[str, typer.Argument(help="A model folder, a run folder, or the name of one.")]


def show(value: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], str]) -> None:
    """Print a verb's result, as one JSON object or as text."""
    print(visible_json(json.dumps(value, ensure_ascii=False)) if as_json else visible(text(value)))


def recipe_verb(until: str, help_text: str) -> Callable[..., None]:
    """Return a verb that runs a recipe up to the stage `until`. help_text: its description with an example."""

    def verb(
        recipe: RecipeArgument,
        out: OutOption = None,
        overrides: SetOption = None,
        language: LanguageOption = None,
        overwrite: OverwriteOption = False,
        as_json: JsonOption = False,
        quiet: QuietOption = False,
    ) -> None:
        from massivetext.runs.execution import result_text, run

        found = run(recipe, out, overrides or (), until=until, language=language, overwrite=overwrite, quiet=quiet)
        show(found, as_json, result_text)

    verb.__doc__ = help_text
    return verb


def part_of(name: str, part: str) -> str:
    """Return the path of a part ("model", "tokenizer") if `name` is a run folder, else `name` itself."""
    inside = Path(name) / part
    return str(inside) if inside.is_dir() else name
