"""The command line: `massivetext VERB`. Each verb parses its options, calls one function and prints what comes back.

Results go to stdout (`--json`: one JSON object), progress and messages to stderr. Exit status: 0 done, 1 failed,
2 wrong use. Nothing heavy is imported before a verb runs.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from massivetext.cli.corpus import corpus_app, tokenizer_app
from massivetext.cli.help import dress, error_line
from massivetext.cli.options import (
    JsonOption,
    LanguageOption,
    ModelArgument,
    OutOption,
    QuietOption,
    SetOption,
    journey_verb,
    part_of,
    show,
)
from massivetext.errors import ConfigError, MassiveTextError
from massivetext.generation.defaults import TEMPERATURE, TOP_P
from massivetext.interrupting import exit_status, watch_signals
from massivetext.translations import set_language, tr
from massivetext.visible import visible, visible_json

app = typer.Typer(
    name="massivetext",
    help="Turn raw English and Chinese text into a trained language model. Start with: massivetext run quickstart",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(corpus_app, name="corpus")
app.add_typer(tokenizer_app, name="tokenizer")

app.command("run")(
    journey_verb(
        "report",
        """Run every stage: corpus, tokenizer, tokens, training, scores, samples, report.

        Finished stages are skipped if nothing changed; an interrupted run resumes where it stopped.

        Example: massivetext run recipes/english.yaml --out runs/mine --set train.minutes=10
        """,
    )
)
app.command("train")(
    journey_verb(
        "model",
        """Train the recipe's model and write its folder; unfinished earlier stages run first.

        Example: massivetext train recipes/english.yaml --out runs/longer --set train.from=runs/english
        --set train.steps=2000
        """,
    )
)


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

    show(evaluate_files(part_of(model, "model"), files, quiet=quiet), as_json, evaluation_text)


@app.command("generate")
def generate_command(
    model: ModelArgument,
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="The prompt; '-' reads stdin.")] = "",
    max_new_tokens: Annotated[int, typer.Option(help="Maximum number of new tokens.", min=1)] = 200,
    temperature: Annotated[float, typer.Option(help="Sampling temperature; 0 is greedy.", min=0.0)] = TEMPERATURE,
    top_p: Annotated[float, typer.Option(help="Sample from the likeliest tokens with this total probability.")] = TOP_P,
    top_k: Annotated[int | None, typer.Option(help="Sample from this many likeliest tokens.")] = None,
    samples: Annotated[int, typer.Option(help="Number of continuations.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Continue a prompt.

    Example: massivetext generate runs/quickstart --prompt "def " --max-new-tokens 120
    """
    from massivetext.tasks.pipelines import pipeline

    text = sys.stdin.read() if prompt == "-" else prompt
    generator = pipeline("text-generation", model=part_of(model, "model"))
    options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "num_return_sequences": samples, "seed": seed}
    if temperature > 0:
        options |= {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": top_k}
    outputs = generator(text, **options)
    value = {"model": str(model), "prompt": text, "samples": [output["generated_text"] for output in outputs]}
    show(value, as_json, lambda found: "\n\n".join(found["samples"]))


@app.command("chat")
def chat_command(
    model: ModelArgument,
    temperature: Annotated[float, typer.Option(help="Sampling temperature; 0 is greedy.", min=0.0)] = TEMPERATURE,
    max_new_tokens: Annotated[int, typer.Option(help="Maximum number of tokens in a reply.", min=1)] = 256,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    language: LanguageOption = None,
) -> None:
    """Chat with a model in the terminal. A model without a chat template continues your text.

    Example: massivetext chat runs/quickstart
    """
    from massivetext.cli.conversation import chat

    set_language(language)
    chat(part_of(model, "model"), temperature=temperature, max_new_tokens=max_new_tokens, seed=seed)


@app.command("explain")
def explain_command(
    model: ModelArgument,
    text: Annotated[str, typer.Argument(help="The text; '-' reads stdin.")],
    out: Annotated[Path | None, typer.Option("--out", help="Also write a page (.html) or a map (.svg).")] = None,
    target_text: Annotated[str | None, typer.Option(help="For encoder-decoders: the output text.")] = None,
    target: Annotated[str | None, typer.Option(help="Token or label to explain [default: the most likely].")] = None,
    place: Annotated[int | None, typer.Option(help="Position of the token to explain [default: the next].")] = None,
    steps: Annotated[int, typer.Option(help="Steps of integrated gradients.", min=1)] = 64,
    layer: Annotated[int, typer.Option(help="Layer whose attention is shown; negative counts from the last.")] = -1,
    head: Annotated[int | None, typer.Option(help="Attention head [default: the mean of all heads].")] = None,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a prediction: the contribution of each token, the prediction of each layer, and attention.

    Example: massivetext explain runs/quickstart "def main(" --out explanation.html
    """
    from massivetext.explaining import explanation
    from massivetext.explaining.reading import open_model
    from massivetext.tokens.tokenizer import AutoTokenizer

    set_language(language)
    loaded = open_model(part_of(model, "model"))
    tokenizer = AutoTokenizer.from_pretrained(loaded.tokenizer_folder or model)
    asked = {"target_text": target_text, "target": target, "place": place, "steps": steps}
    given = sys.stdin.read() if text == "-" else text
    found = explanation.explain(loaded, tokenizer, given, out, **asked, layer=layer, head=head).as_values()
    show({**found, "out": None if out is None else str(out)}, as_json, explanation.explanation_text)


@app.command("report")
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


@app.command("export")
def export_command(
    model: ModelArgument,
    out: Annotated[Path, typer.Option("--out", help="The GGUF file to write.")],
    kind: Annotated[str, typer.Option("--kind", help="Number format of the matrices: f16, q8_0 or f32.")] = "f16",
    as_json: JsonOption = False,
) -> None:
    """Write a model and its tokenizer as one GGUF file for llama.cpp.

    Example: massivetext export runs/quickstart --out quickstart.gguf --kind q8_0
    """
    from massivetext.models.auto import AutoModelForCausalLM
    from massivetext.models.files.gguf_export import export_gguf
    from massivetext.tokens.tokenizer import AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(part_of(model, "model"))
    export_gguf(loaded, AutoTokenizer.from_pretrained(loaded.tokenizer_folder or model), out, kind)
    show({"gguf": str(out), "kind": kind, "bytes": out.stat().st_size}, as_json, lambda found: found["gguf"])


@app.command("models")
def models_command(language: LanguageOption = None, as_json: JsonOption = False) -> None:
    """List published model sizes: parameters, memory to train and to run here, and suitable tasks.

    Example: massivetext models --json
    """
    import torch

    from massivetext.models import listing
    from massivetext.models.memory import memory_bytes

    set_language(language)
    if torch.cuda.is_available():
        device = torch.cuda.get_device_properties(0)
        found = listing.listing(device.total_memory, 2, device.name)
    else:
        found = listing.listing(memory_bytes(), 4, "CPU")
    show(found, as_json, listing.listing_text)


@app.command("doctor")
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


@app.command("schema")
def schema_command() -> None:
    """Print the JSON schema of recipes, for editors.

    Example: massivetext schema > recipe.schema.json"""
    from massivetext.recipe import Recipe

    print(json.dumps(Recipe.model_json_schema(by_alias=True), ensure_ascii=False, indent=2))


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
    """Turn raw English and Chinese text into a trained language model. Start with: massivetext run quickstart."""
    set_language(None)


def main() -> None:
    """Run the command line: errors of ours become one message and exit status 1, or 2 where the use was wrong.

    Ctrl-C ends with 130 and SIGTERM with 143, after a training's step is finished and saved.
    """
    # OpenMP's threads sleep while they wait instead of spinning: spinning ones starve each other as soon as anything
    # else runs on the machine (a small model trained 1.6 times faster so on two idle cores). Read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    set_language(None)
    if sys.argv[1:2] != ["chat"]:  # there Ctrl-C stops a reply
        watch_signals()
    try:
        dress(typer.main.get_command(app))()
    except MassiveTextError as error:
        if "--json" in sys.argv:
            found = {"error": type(error).__name__, "message": str(error)}
            print(visible_json(json.dumps(found, ensure_ascii=False)))
        print(error_line(visible(str(error))), file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except (KeyboardInterrupt, SystemExit) as end:
        # Typer makes a SystemExit(130) of every KeyboardInterrupt, whose words it keeps as the cause.
        status = exit_status()
        if status is None and not isinstance(end, KeyboardInterrupt):
            raise
        words = str(getattr(end.__context__, "__cause__", None) or end)
        default = tr("stopped; the same command resumes from here")
        print(words if words and not words.isdigit() else default, file=sys.stderr)
        sys.exit(status or 130)
    except OSError as error:
        print(error_line(visible(str(error))), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
