"""The verbs that take a model: evaluate, generate, chat, explain, export, and the list of published sizes."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from massivetext.cli.options import JsonOption, LanguageOption, ModelArgument, QuietOption, part_of, show
from massivetext.generation.defaults import TEMPERATURE, TOP_P
from massivetext.translations import set_language


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
