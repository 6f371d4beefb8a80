"""The verbs for a whole recipe or a run folder: run, train, report, doctor, schema."""

import json
from pathlib import Path
from typing import Annotated

import typer

from massivetext.cli.options import JsonOption, LanguageOption, OutOption, SetOption, recipe_verb, show
from massivetext.translations import set_language

run_command = recipe_verb(
    "report",
    """Run every stage: corpus, tokenizer, tokens, training, scores, samples, report.

    Finished stages are skipped if nothing changed; an interrupted run resumes where it stopped.

    Example: massivetext run recipes/english.yaml --out runs/mine --set train.minutes=10
    """,
)
train_command = recipe_verb(
    "model",
    """Train the recipe's model and write its folder; unfinished earlier stages run first.

    Example: massivetext train recipes/english.yaml --out runs/longer --set train.from=runs/english
    --set train.steps=2000
    """,
)


def report_command(
    folder: Annotated[Path, typer.Argument(help="A run folder or a corpus folder.")],
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the report.html of a run or a corpus again, e.g. in another language or during training.

    Example: massivetext report runs/quickstart --language zh
    """
    from massivetext.report.page import write_report

    path = write_report(folder, set_language(language))
    show({"report": str(path)}, as_json, lambda found: found["report"])


def doctor_command(
    recipe: Annotated[str | None, typer.Argument(help="A recipe, or a run or corpus folder to verify.")] = None,
    overrides: SetOption = None,
    out: OutOption = None,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check everything before a long run, or verify a run or corpus folder.

    With a recipe: machine, packages, recipe, data, model, memory, time, disk. With a folder: every file is compared
    with its recorded digest, and damage is named.

    Exit status 1 if something will fail or is damaged.

    Example: massivetext doctor recipes/english.yaml
    """
    from massivetext.runs import doctor

    set_language(language)
    if recipe is not None and Path(recipe).is_dir():
        from massivetext.runs.verification import examine_folder

        findings = examine_folder(Path(recipe))
    else:
        findings = doctor.examine(recipe, overrides or (), out)
    show(doctor.as_values(findings), as_json, lambda _: doctor.as_text(findings))
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)


def schema_command() -> None:
    """Print the JSON schema of recipes, for editors.

    Example: massivetext schema > recipe.schema.json"""
    from massivetext.recipe import Recipe

    print(json.dumps(Recipe.model_json_schema(by_alias=True), ensure_ascii=False, indent=2))
