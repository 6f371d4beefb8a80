"""The verbs `massivetext corpus ...`."""

from pathlib import Path
from typing import Annotated

import typer

from massivetext.cli.options import (
    JsonOption,
    QuietOption,
    RecipeArgument,
    SetOption,
    recipe_verb,
    show,
)
from massivetext.errors import ConfigError, unknown_name

corpus_app = typer.Typer(help="Build or inspect a corpus.", rich_markup_mode=None, no_args_is_help=True)

corpus_app.command("build")(
    recipe_verb(
        "corpus",
        """Build the recipe's corpus: read, clean, measure, filter, deduplicate, split.

        Example: massivetext corpus build recipes/chinese.yaml --out runs/chinese
        """,
    )
)


@corpus_app.command("inspect")
def corpus_inspect(
    folder: Annotated[Path, typer.Argument(help="A corpus folder, or a run folder that holds one.")],
    document: Annotated[str | None, typer.Option("--id", help="Show one document, kept or dropped, by its id.")] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Process it again from the raw bytes and compare.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare every file with its digest first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a corpus holds and what was dropped and why, or one document with its origin, edits and measures.

    Example: massivetext corpus inspect runs/quickstart --verify
    """
    from massivetext.corpus import inspecting, replaying
    from massivetext.corpus.checking import refuse_faults
    from massivetext.corpus.reading import load_corpus
    from massivetext.runs import verification

    if verify:
        refuse_faults(_corpus_of(folder), verification.corpus_faults(_corpus_of(folder)))
    corpus = load_corpus(_corpus_of(folder))
    if document:
        row = corpus.find(document)
        more = {"limits": replaying.limits(corpus, row), "replay": replaying.replay(corpus, row) if replay else None}
        show(row | more, as_json, inspecting.document_text)
    elif replay:
        raise ConfigError("--replay derives one document again; say which with --id")
    else:
        show(inspecting.summary(corpus), as_json, inspecting.summary_text)


@corpus_app.command("append")
def corpus_append(
    recipe: RecipeArgument,
    folder: Annotated[Path, typer.Option("--to", help="The corpus folder, or a run folder that holds one.")],
    overrides: SetOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Add new documents to a finished corpus; the recipe must have the same steps, split and seed.

    Example: massivetext corpus append recipes/english.yaml --to runs/mine --set corpus.sources.0.path="more/*.txt"
    """
    from massivetext.corpus import inspecting
    from massivetext.corpus.building import build_corpus
    from massivetext.corpus.reading import load_corpus
    from massivetext.corpus.removing import finish_takedown
    from massivetext.corpus.takedowns import locked_corpus
    from massivetext.recipe import overridden_recipe
    from massivetext.report.page import REPORT, write_report
    from massivetext.runs.takedowns import RunDependents
    from massivetext.translations import language

    values = overridden_recipe(recipe, overrides or ())
    where = _corpus_of(folder)
    load_corpus(where, unfinished=True)
    with locked_corpus(where):
        finish_takedown(where, RunDependents(where))
        corpus = build_corpus(values, where, append=True, quiet=quiet)
        write_report(where, language())
        if (where.parent / REPORT).is_file():
            write_report(where.parent, language())
    show(inspecting.summary(corpus), as_json, inspecting.summary_text)


@corpus_app.command("remove")
def corpus_remove(
    folder: Annotated[Path, typer.Argument(help="A corpus folder, or a run folder that holds one.")],
    reason: Annotated[str | None, typer.Option("--reason", help="The reason, recorded with each document.")] = None,
    ids: Annotated[list[str] | None, typer.Option("--id", help="A whole id; can be given more than once.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="URLs; * and ? are wildcards.")] = None,
    license: Annotated[str | None, typer.Option("--license", help="Licences; * and ? are wildcards.")] = None,
    pattern: Annotated[str | None, typer.Option("--pattern", help="Regular expression searched in the text.")] = None,
    unfinished: Annotated[bool, typer.Option("--finish", help="Finish a takedown that was interrupted.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove documents on request (a takedown): with every copy of their text, and from later builds too.

    Also says what was made from the corpus and still holds the text: token store, checkpoints, models.

    Example: massivetext corpus remove runs/mine --url "https://example.org/*" --reason "asked by the owner"
    """
    from massivetext.runs.takedowns import finish, take_down, takedown_text

    corpus = _corpus_of(folder)
    if unfinished:
        if reason or ids or url or license or pattern:
            raise ConfigError("--finish takes no other option: what is taken down was said before the interruption")
        show(finish(corpus), as_json, takedown_text)
        return
    if reason is None:
        raise ConfigError("a takedown needs a reason: give --reason, which is noted with each document")
    found = take_down(corpus, reason, ids=ids or (), url=url, license=license, pattern=pattern)
    show(found, as_json, takedown_text)


@corpus_app.command("diff")
def corpus_diff(
    before: Annotated[Path, typer.Argument(help="A corpus folder, or a run folder that holds one.")],
    after: Annotated[Path, typer.Argument(help="The corpus to compare it with.")],
    as_json: JsonOption = False,
) -> None:
    """Show which documents two corpora treat differently, why, and which settings and versions differ.

    Example: massivetext corpus diff runs/before runs/after
    """
    from massivetext.corpus.comparing import compare, comparison_text
    from massivetext.corpus.reading import load_corpus

    show(compare(load_corpus(_corpus_of(before)), load_corpus(_corpus_of(after))), as_json, comparison_text)


@corpus_app.command("mixture")
def corpus_mixture(
    recipe: Annotated[str, typer.Argument(help="A recipe, or 'pile' for the Pile's published table.")],
    overrides: SetOption = None,
    tokens_per_byte: Annotated[float, typer.Option(help="Tokens per byte [default: GPT-2's on the Pile].")] = 0.29335,
    as_json: JsonOption = False,
) -> None:
    """Show sizes, weights, epochs and effective tokens of a recipe's sources without reading them.

    Example: massivetext corpus mixture recipes/mixture.yaml
    """
    from massivetext.tokens.mixture import dry_run, mixture_text

    if recipe == "pile":
        from massivetext.tokens.pile import pile_sizes
        from massivetext.tokens.settings import MixtureSettings

        show(dry_run(MixtureSettings(preset="pile"), pile_sizes(), tokens_per_byte), as_json, mixture_text)
        return
    from massivetext.corpus.readers.finding import input_files
    from massivetext.recipe import BUILT_IN, load_recipe

    if recipe not in BUILT_IN and not Path(recipe).is_file():
        raise ConfigError(f"no recipe file at {recipe}, and {unknown_name('recipe', recipe, [*BUILT_IN, 'pile'])}")
    loaded = load_recipe(recipe, overrides or ())
    sizes = {source.name: sum(file.size for file in input_files(source)) for source in loaded.corpus.sources}
    show(dry_run(loaded.mixture, sizes, tokens_per_byte), as_json, mixture_text)


@corpus_app.command("classifier")
def corpus_classifier(
    good: Annotated[str, typer.Argument(help="Examples of good text: a file, a folder or a pattern.")],
    bad: Annotated[str, typer.Argument(help="Examples of bad text.")],
    out: Annotated[Path, typer.Option("--out", help="Output folder.")],
    steps: Annotated[
        list[str] | None, typer.Option("--step", help="Steps for the examples [default: html_to_text, normalise].")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed that selects the held-out examples.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a quality classifier on two sets of examples and score it on held-out ones.

    In a recipe: {classifier: {path: FOLDER}}, {classifier_score: {min_score: 0.5}}.

    Example: massivetext corpus classifier mydata/good mydata/bad --out classifiers/prose
    """
    from massivetext.corpus.classifying import classifier_text, train_classifier

    found = train_classifier(good, bad, out, settings={"steps": tuple(steps)} if steps else None, seed=seed)
    show(found, as_json, classifier_text)


def _corpus_of(folder: Path) -> Path:
    """Return the corpus folder of a run if `folder` is a run folder, else `folder` itself."""
    return folder / "corpus" if (folder / "corpus").is_dir() else folder
