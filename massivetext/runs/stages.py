"""The stages of a recipe's run: what each reads, and the work between. `graph.py` says when which of them is done."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massivetext.evaluation.results import FORMAT as EVALUATION
from massivetext.evaluation.results import write_scores
from massivetext.progress import log, progress
from massivetext.recipe import recipe_values
from massivetext.runs.contents import corpus_digest, open_corpus, open_model, open_store, open_tokenizer, store_digest
from massivetext.runs.folder import RecipeRun
from massivetext.runs.graph import Graph, Stage
from massivetext.runs.training import Material, Training
from massivetext.storage import write_json
from massivetext.training.settings import MAY_CHANGE, TrainSettings
from massivetext.translations import language as language_in_use
from massivetext.translations import tr

if TYPE_CHECKING:
    from massivetext.models.decoder import CausalLM


def corpus_inputs(run: RecipeRun) -> dict[str, Any]:
    """Return the corpus settings, and digests of the input files. Files that are gone count as unchanged."""
    from massivetext.corpus.inputs import inputs_digests

    inputs, known = inputs_digests(run.recipe.corpus, run.folder / "corpus"), run.marker("corpus")
    gone = [name for name, digest in inputs.items() if digest is None]
    if gone and known.get("finished"):
        log(tr("The input files of {names} are gone; the finished corpus is kept as it is", names=", ".join(gone)))
        inputs |= {name: known["reads"]["input files"].get(name) for name in gone}
    return {"corpus": recipe_values(run.recipe)["corpus"], "seed": run.recipe.seed, "input files": inputs}


def make_corpus(run: RecipeRun) -> None:
    """Build the corpus with its page, or check the finished one that the recipe names."""
    from massivetext.corpus.building import build_corpus
    from massivetext.report.page import write_report

    settings = run.recipe.corpus
    corpus = build_corpus(settings, run.folder / "corpus", seed=run.recipe.seed, quiet=run.quiet)
    if settings.from_ is None:
        write_report(corpus.folder, language_in_use())


def clear_corpus(path: Path) -> None:
    """Remove a corpus, except the list of what was taken down."""
    from massivetext.corpus.takedowns import clear_corpus

    clear_corpus(path)


def tokenizer_inputs(run: RecipeRun) -> dict[str, Any]:
    """Return the tokenizer's settings, the corpus it is trained on, and a model folder that brings one."""
    values = recipe_values(run.recipe)
    reads = {"tokenizer": values["tokenizer"], "corpus digest": corpus_digest(run)}
    origin = values.get("model", {}).get("from")
    return reads | ({"model": {"from": origin}} if origin else {})


def make_tokenizer(run: RecipeRun) -> None:
    """Train the tokenizer on the training split, or copy the one that the recipe names."""
    from massivetext.tokens.tokenizer import AutoTokenizer
    from massivetext.tokens.vocabulary import train_tokenizer

    settings, folder = run.recipe.tokenizer, run.path("tokenizer")
    origin = settings.from_ or (run.recipe.model and run.recipe.model.from_)
    if origin:
        AutoTokenizer.from_pretrained(origin).save_pretrained(folder)
    else:
        run.say(tr("Training the tokenizer ..."))
        train_tokenizer(open_corpus(run), settings, folder)


def store_inputs(run: RecipeRun) -> dict[str, Any]:
    """Return corpus and tokenizer, and the seed of the order."""
    tokenizer = run.marker("tokenizer")["fingerprint"]
    return {"corpus digest": corpus_digest(run), "seed": run.recipe.seed, "tokenizer": tokenizer}


def make_store(run: RecipeRun) -> None:
    """Turn the corpus into a token store, once the vocabulary shows that the prompts fit."""
    from massivetext.tasks.prompts import check_prompts
    from massivetext.tokens.store import build_store

    tokenizer, recipe = open_tokenizer(run), run.whole
    check_prompts(recipe.generate.prompts, recipe.train.context_tokens, tokenizer)
    build_store(open_corpus(run), tokenizer, run.path("tokens"), recipe.seed, quiet=run.quiet)


def pretraining_inputs(run: RecipeRun) -> dict[str, Any]:
    """Return the settings that change the numbers of a training, and the token store."""
    values = recipe_values(run.whole)
    settings = {key: value for key, value in values["train"].items() if key not in MAY_CHANGE}
    sections = {"train": settings, "model": values["model"], "mixture": values["mixture"], "seed": run.recipe.seed}
    return {**sections, "token store": store_digest(run)}


def first_model(run: RecipeRun) -> "CausalLM":
    """Return the recipe's model with its first weights."""
    from massivetext.models.construction import new_model

    recipe, store = run.whole, open_store(run)
    context_tokens = recipe.train.context_tokens
    return new_model(recipe.model, context_tokens, store.vocab_size, start_id=store.start_id, seed=recipe.seed)


def pretraining_material(run: RecipeRun, model: "CausalLM", settings: TrainSettings) -> Material:
    """Return the mixture's rows with the loss of each next token, and the validation split between steps."""
    from massivetext.tasks.prompts import check_prompts
    from massivetext.tokens.order import TrainingOrder
    from massivetext.training.objectives.table import make_objective
    from massivetext.training.validation import store_validation

    store, recipe = open_store(run), run.whole
    check_prompts(recipe.generate.prompts, settings.context_tokens, open_tokenizer(run))
    context_tokens, rows, seed = settings.context_tokens, settings.rows, recipe.seed
    return Material(
        batches=TrainingOrder(store, "train", recipe.mixture, context_tokens, rows, seed),
        objective=make_objective(model, settings),
        evaluate=store_validation(store, context_tokens, rows, seed),
        identity={"store": store.digest, "tokenizer": store.tokenizer_digest},
    )


PRETRAINING = Training("train", "", ("tokens", "tokenizer"), pretraining_inputs, first_model, pretraining_material)


def evaluation_inputs(run: RecipeRun) -> dict[str, Any]:
    """Return the settings of scoring, the format of the scores, and the model."""
    model = run.marker("model")["fingerprint"]
    return {"evaluate": recipe_values(run.recipe)["evaluate"], "format": EVALUATION, "model": model}


def make_evaluation(run: RecipeRun) -> None:
    """Score the model on the test split beside the n-gram model and the compressors."""
    from massivetext.evaluation.splits import evaluate_store

    recipe, store = run.whole, open_store(run)
    found = evaluate_store(
        open_model(run),
        open_tokenizer(run),
        store,
        open_corpus(run),
        recipe.evaluate,
        context_tokens=recipe.train.context_tokens,
        quiet=run.quiet,
    )
    write_scores(run.path("evaluation.json"), found)


def sample_inputs(run: RecipeRun) -> dict[str, Any]:
    """Return the settings of the samples, and the model."""
    return {"generate": recipe_values(run.recipe)["generate"], "model": run.marker("model")["fingerprint"]}


def make_samples(run: RecipeRun) -> None:
    """Write continuations of the recipe's prompts, or of openings of test documents, for each source."""
    from massivetext.tasks.pipelines import pipeline
    from massivetext.tasks.prompts import prompts_by_source

    generator = pipeline("text-generation", model=str(run.path("model")))
    recipe, settings = run.whole, run.recipe.generate
    options: dict[str, Any] = {"max_new_tokens": settings.max_new_tokens, "seed": recipe.seed}
    if settings.temperature > 0:
        options |= {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p}
    prompts = prompts_by_source(settings.prompts, open_corpus(run), open_tokenizer(run), recipe.train.context_tokens)
    samples = []
    for source, texts in prompts.items():
        for prompt in texts:
            output = generator(prompt, **options)
            samples.append({"source": source, "prompt": prompt, "text": output[0]["generated_text"]})
    write_json(run.path("samples.json"), samples)


def report_inputs(run: RecipeRun) -> Mapping[str, Any]:
    """Return scores and samples, and the language in use."""
    reads = {name: run.marker(name)["fingerprint"] for name in ("evaluate", "samples")}
    return {**reads, "language": language_in_use()}


def make_report(run: RecipeRun) -> None:
    """Write report.html and report.md from what the run folder holds."""
    from massivetext.report.page import write_report

    with progress(tr("Writing the report"), quiet=run.quiet):
        write_report(run.folder, language_in_use())


STAGES = (
    Stage("corpus", (), ("corpus",), corpus_inputs, make_corpus, needed="manifest.json", sealed=True,
          clear=clear_corpus),
    Stage("tokenizer", ("corpus",), ("tokenizer",), tokenizer_inputs, make_tokenizer, needed="tokenizer.json"),
    Stage("tokens", ("corpus", "tokenizer"), ("tokens",), store_inputs, make_store, needed="manifest.json",
          sealed=True),
    PRETRAINING.stage,
    PRETRAINING.model_stage("model"),
    Stage("evaluate", ("corpus", "tokenizer", "tokens", "model"), ("evaluation.json",), evaluation_inputs,
          make_evaluation),
    Stage("samples", ("corpus", "tokenizer", "model"), ("samples.json",), sample_inputs, make_samples),
    Stage("report", ("corpus", "tokens", *PRETRAINING.stage.outputs, "model", "evaluation.json", "samples.json"),
          ("report.html", "report.md"), report_inputs, make_report, sealed=True),
)  # fmt: skip
GRAPH = Graph(STAGES)
NO_TRAINING = frozenset({"corpus", "tokenizer"})
"""Stages for which a recipe needs neither `model` nor `train`."""
TRAININGS = (PRETRAINING,)
