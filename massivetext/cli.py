"""The command line: `massivetext VERB`. Each verb parses its options, calls one function and prints what comes back.

Results go to stdout (`--json`: one JSON object), progress and messages to stderr. Exit status: 0 done, 1 failed,
2 wrong use. Nothing heavy is imported before a verb runs.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from massivetext.errors import ConfigError, MassiveTextError, unknown_name
from massivetext.translations import set_language

app = typer.Typer(
    name="massivetext",
    help="Raw text, English and Chinese, all the way to a language model. Start with: massivetext run quickstart",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
)
corpus_app = typer.Typer(help="Build a corpus, or look into one.", rich_markup_mode=None, no_args_is_help=True)
tokenizer_app = typer.Typer(help="Train a tokenizer, or look into one.", rich_markup_mode=None, no_args_is_help=True)
app.add_typer(corpus_app, name="corpus")
app.add_typer(tokenizer_app, name="tokenizer")

RecipeArgument = Annotated[str, typer.Argument(help="A recipe file, or a built-in one: quickstart, quickstart-zh.")]
OutOption = Annotated[Path | None, typer.Option("--out", help="Run folder [default: runs/NAME-OF-THE-RECIPE].")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override a key: --set train.learning_rate=3e-4.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Start over where the folder holds another run.")]
LanguageOption = Annotated[
    str | None, typer.Option("--language", help="Language of messages and report: en or zh [default: the locale's].")
]
ModelArgument = Annotated[str, typer.Argument(help="A model folder, a run folder, or a name that resolves to one.")]


def show(value: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], str]) -> None:
    """Print a verb's result: one JSON object, or its text."""
    print(json.dumps(value, ensure_ascii=False) if as_json else text(value))


def journey_verb(until: str, help_text: str) -> Callable[..., None]:
    """Return a verb that runs a recipe up to the stage `until`; its help says what that does, with an example."""

    def verb(
        recipe: RecipeArgument,
        out: OutOption = None,
        overrides: SetOption = None,
        language: LanguageOption = None,
        overwrite: OverwriteOption = False,
        as_json: JsonOption = False,
        quiet: QuietOption = False,
    ) -> None:
        from massivetext.journey import result_text, run

        found = run(recipe, out, overrides or (), until=until, language=language, overwrite=overwrite, quiet=quiet)
        show(found, as_json, result_text)

    verb.__doc__ = help_text
    return verb


app.command("run")(
    journey_verb(
        "report",
        """Go the whole journey: corpus, tokenizer, tokens, training, scores, samples, report.

        What is done and unchanged is not done again; a killed run goes on where it stopped.

        Example: massivetext run recipes/english.yaml --out runs/mine --set train.minutes=10
        """,
    )
)
app.command("train")(
    journey_verb(
        "model",
        """Train the recipe's model (and do what comes before, where it is not done) and write its folder.

        Example: massivetext train recipes/english.yaml --out runs/longer
        --set train.from=runs/english/checkpoints/step-00001000 --set train.steps=2000
        """,
    )
)
corpus_app.command("build")(
    journey_verb(
        "corpus",
        """Build the recipe's corpus: read, clean, measure, decide, deduplicate, split.

        Example: massivetext corpus build recipes/chinese.yaml --out runs/chinese
        """,
    )
)
tokenizer_app.command("train")(
    journey_verb(
        "tokenizer",
        """Train the recipe's tokenizer on the training split of its corpus.

        Example: massivetext tokenizer train recipes/chinese.yaml --set tokenizer.vocab_size=8192
        """,
    )
)


@corpus_app.command("inspect")
def corpus_inspect(
    folder: Annotated[Path, typer.Argument(help="A corpus folder, or a run folder that holds one.")],
    document: Annotated[str | None, typer.Option("--id", help="Show one document, kept or dropped, by its id.")] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Derive it again from its raw bytes and compare.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a corpus holds, what was dropped and why, or one document: its place, edits, measures and their limits.

    Example: massivetext corpus inspect runs/quickstart --id 00c3f0a85e3a4ba1b6f4bd2a2f9f1d5c --replay
    """
    from massivetext.corpus import inspecting, replaying
    from massivetext.corpus.reading import load_corpus

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
    """Add to a finished corpus what its files do not hold yet; the recipe's steps, split and seed must be its own.

    Example: massivetext corpus append recipes/more.yaml --to runs/mine
    """
    from massivetext.corpus import inspecting
    from massivetext.corpus.building import build_corpus
    from massivetext.recipe import overridden, read_yaml

    values = read_yaml(recipe)
    for override in overrides or ():
        values = overridden(values, override)
    corpus = build_corpus(values, _corpus_of(folder), append=True, quiet=quiet)
    show(inspecting.summary(corpus), as_json, inspecting.summary_text)


@corpus_app.command("remove")
def corpus_remove(
    folder: Annotated[Path, typer.Argument(help="A corpus folder, or a run folder that holds one.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; noted with each document.")],
    ids: Annotated[list[str] | None, typer.Option("--id", help="A whole id; may be given more than once.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="URLs, with * and ?.")] = None,
    license: Annotated[str | None, typer.Option("--license", help="Licences, with * and ?.")] = None,
    pattern: Annotated[str | None, typer.Option("--pattern", help="Regular expression searched in the text.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Take documents down: they leave the corpus with all copies of their text, and stay out of later builds.

    Example: massivetext corpus remove runs/mine --url "https://example.org/*" --reason "asked by the owner"
    """
    from massivetext.corpus.removing import removal_text, remove_documents

    found = remove_documents(_corpus_of(folder), reason, ids=ids or (), url=url, license=license, pattern=pattern)
    show(found, as_json, removal_text)


@corpus_app.command("diff")
def corpus_diff(
    before: Annotated[Path, typer.Argument(help="A corpus folder, or a run folder that holds one.")],
    after: Annotated[Path, typer.Argument(help="Another one.")],
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
    tokens_per_byte: Annotated[float, typer.Option(help="Of the tokenizer; GPT-2's on the Pile.")] = 0.29335,
    as_json: JsonOption = False,
) -> None:
    """Show sizes, weights, epochs and effective tokens of a recipe's sources before anything is read.

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
    out: Annotated[Path, typer.Option("--out", help="Folder of the classifier.")],
    steps: Annotated[
        list[str] | None, typer.Option("--step", help="Done to the examples first [default: html_to_text, normalise].")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which examples are held out.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a classifier of quality on two sets of examples, and score it on those that were held out.

    A recipe applies it: {classifier: {path: FOLDER}}, {classifier_score: {min_score: 0.5}}.

    Example: massivetext corpus classifier examples/good examples/bad --out classifiers/prose
    """
    from massivetext.corpus.classifying import classifier_text, train_classifier

    found = train_classifier(good, bad, out, settings={"steps": tuple(steps)} if steps else None, seed=seed)
    show(found, as_json, classifier_text)


@tokenizer_app.command("inspect")
def tokenizer_inspect(
    tokenizer: Annotated[str, typer.Argument(help="A tokenizer, model or run folder, or a name.")],
    files: Annotated[list[Path] | None, typer.Argument(help="Text files to measure it on.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a tokenizer's vocabulary, its bytes per token in English and Chinese, and whether it decodes back exactly.

    Example: massivetext tokenizer inspect runs/quickstart README.md README.zh-CN.md
    """
    from massivetext.tokens import inspecting
    from massivetext.tokens.tokenizer import AutoTokenizer

    found = inspecting.summary(AutoTokenizer.from_pretrained(_part(tokenizer, "tokenizer")), files or [])
    show(found, as_json, inspecting.summary_text)


@app.command("evaluate")
def evaluate_command(
    model: ModelArgument,
    files: Annotated[list[Path], typer.Argument(help="Text files; each is one document.")],
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score a model on text files: perplexity and bits per byte, for each file and in total.

    Example: massivetext evaluate runs/quickstart README.md
    """
    from massivetext.evaluation.files import evaluate_files, evaluation_text

    show(evaluate_files(_part(model, "model"), files, quiet=quiet), as_json, evaluation_text)


@app.command("generate")
def generate_command(
    model: ModelArgument,
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="Text to go on from; '-' reads stdin.")] = "",
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens to write.", min=1)] = 200,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token each time.", min=0.0)] = 0.7,
    top_p: Annotated[float, typer.Option(help="Sample among the likeliest tokens with this probability.")] = 0.95,
    top_k: Annotated[int | None, typer.Option(help="Sample among this many likeliest tokens.")] = None,
    samples: Annotated[int, typer.Option(help="How many continuations.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Same seed, same text.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Continue a prompt with a model.

    Example: massivetext generate runs/quickstart --prompt "def " --max-new-tokens 120
    """
    from massivetext.tasks.pipelines import pipeline

    text = sys.stdin.read() if prompt == "-" else prompt
    generator = pipeline("text-generation", model=_part(model, "model"))
    options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "num_return_sequences": samples, "seed": seed}
    if temperature > 0:
        options |= {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": top_k}
    outputs = generator(text, **options)
    value = {"model": str(model), "prompt": text, "samples": [output["generated_text"] for output in outputs]}
    show(value, as_json, lambda found: "\n\n".join(found["samples"]))


@app.command("chat")
def chat_command(
    model: ModelArgument,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token each time.", min=0.0)] = 0.7,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens in a reply.", min=1)] = 256,
    seed: Annotated[int, typer.Option(help="Same seed, same replies.")] = 0,
    language: LanguageOption = None,
) -> None:
    """Talk to a model in the terminal. A model without a chat template continues what you write.

    Example: massivetext chat runs/quickstart
    """
    from massivetext.chat import chat

    set_language(language)
    chat(_part(model, "model"), temperature=temperature, max_new_tokens=max_new_tokens, seed=seed)


@app.command("report")
def report_command(
    folder: Annotated[Path, typer.Argument(help="A run folder, or a corpus folder.")],
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the report.html of a run, or of a corpus alone, anew: in another language, while it is still training.

    Example: massivetext report runs/quickstart --language zh
    """
    from massivetext.report.page import write_report

    path = write_report(folder, set_language(language))
    show({"report": str(path)}, as_json, lambda found: found["report"])


@app.command("export")
def export_command(
    model: ModelArgument,
    out: Annotated[Path, typer.Option("--out", help="The GGUF file to write.")],
    kind: Annotated[str, typer.Option("--kind", help="Number format of the matrices: f16, q8_0 or f32.")] = "f16",
    as_json: JsonOption = False,
) -> None:
    """Write a model and its tokenizer as one GGUF file, for llama.cpp and what is built on it.

    Example: massivetext export runs/quickstart --out quickstart.gguf --kind q8_0
    """
    from massivetext.models.auto import AutoModelForCausalLM
    from massivetext.models.gguf_export import export_gguf
    from massivetext.tokens.tokenizer import AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(_part(model, "model"))
    export_gguf(loaded, AutoTokenizer.from_pretrained(loaded.tokenizer_folder or model), out, kind)
    show({"gguf": str(out), "kind": kind, "bytes": out.stat().st_size}, as_json, lambda found: found["gguf"])


@app.command("models")
def models_command(language: LanguageOption = None, as_json: JsonOption = False) -> None:
    """List the published sizes: parameters, memory to train and to run on this machine, what each is fit for.

    Example: massivetext models --json
    """
    import torch

    from massivetext.doctor import memory_bytes
    from massivetext.models import listing

    set_language(language)
    if torch.cuda.is_available():
        device = torch.cuda.get_device_properties(0)
        found = listing.listing(device.total_memory, 2, device.name)
    else:
        found = listing.listing(memory_bytes(), 4, "CPU")
    show(found, as_json, listing.listing_text)


@app.command("doctor")
def doctor_command(
    recipe: Annotated[str | None, typer.Argument(help="A recipe to look at as well.")] = None,
    overrides: SetOption = None,
    out: OutOption = None,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look before anything costs: machine, packages, recipe, data, model, memory, time, disk.

    Exit status 1 if something will fail. Example: massivetext doctor recipes/english.yaml
    """
    from massivetext import doctor

    set_language(language)
    findings = doctor.examine(recipe, overrides or (), out)
    show(doctor.as_values(findings), as_json, lambda _: doctor.as_text(findings))
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)


@app.command("schema")
def schema_command() -> None:
    """Print the recipe's JSON schema, for editors. Example: massivetext schema > recipe.schema.json."""
    from massivetext.recipe import Recipe

    print(json.dumps(Recipe.model_json_schema(by_alias=True), ensure_ascii=False, indent=2))


def _corpus_of(folder: Path) -> Path:
    """Return the corpus folder of a run folder where `folder` is one, else `folder` itself."""
    return folder / "corpus" if (folder / "corpus").is_dir() else folder


def _part(name: str, part: str) -> str:
    """Return the part of a run folder ("model", "tokenizer") where `name` is one, else `name` itself."""
    inside = Path(name) / part
    return str(inside) if inside.is_dir() else name


def _version(wanted: bool) -> None:
    if wanted:
        from massivetext import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Raw text, English and Chinese, all the way to a language model. Start with: massivetext run quickstart."""
    set_language(None)


def main() -> None:
    """Run the command line: errors of ours become one message and exit status 1, or 2 where the use was wrong."""
    # OpenMP's threads sleep while they wait instead of spinning: spinning ones starve each other as soon as anything
    # else runs on the machine (a small model trained 1.6 times faster so on two idle cores). Read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except MassiveTextError as error:
        if "--json" in sys.argv:
            print(json.dumps({"error": type(error).__name__, "message": str(error)}, ensure_ascii=False))
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
