"""Checks of a recipe before the first byte of input is read, shared by `run` and `doctor`.

Each check raises the error that its stage would raise later, after corpus, tokenizer or training had cost their time.
"""

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from massivetext.corpus.settings import TOTAL
from massivetext.errors import ConfigError, MassiveTextError, StoreError, unknown_name
from massivetext.recipe import CorpusRecipe, Recipe
from massivetext.runs.contents import open_tokenizer
from massivetext.runs.folder import RecipeRun
from massivetext.runs.stages import GRAPH, PRETRAINING
from massivetext.tasks.prompts import check_prompts
from massivetext.translations import tr

if TYPE_CHECKING:
    from massivetext.models.config import DecoderConfig
    from massivetext.tokens.tokenizer import Tokenizer

FLOAT_BYTES = 4
KEPT_HIDDEN, KEPT_INNER = 4, 1
"""Activations that the backward pass of a block keeps for each token, at least: hidden and feed-forward features."""
BATCH_BYTES = 28
"""Ids, labels, positions and segments of a token."""
ENTRY_BYTES = 64
"""What one entry of a vocabulary takes while it is learned, at least."""


class Fault(NamedTuple):
    """Something in a recipe that will fail: what it concerns, and the message."""

    subject: str
    message: str


class Plan(NamedTuple):
    """What is about to be done."""

    recipe: CorpusRecipe
    out: Path
    stages: Collection[str]
    """Names of the stages that are to be done; what only others use is not looked at."""

    @property
    def whole(self) -> Recipe:
        """The recipe with its model and its training."""
        assert isinstance(self.recipe, Recipe)
        return self.recipe


def check_recipe(recipe: CorpusRecipe, out: Path, stages: Collection[str]) -> None:
    """Raise ConfigError with everything in a recipe that will fail in one of these stages, or in writing `out`."""
    faults = _faults(Plan(recipe, out, stages))
    if faults:
        raise ConfigError("\n".join(dict.fromkeys(fault.message for fault in faults)))


def recipe_faults(recipe: CorpusRecipe, out: Path, until: str | None = None) -> list[Fault]:
    """Return what will fail in a run of the recipe in the folder `out`, without reading an input.

    until: the last stage of the run; what only later stages use is not looked at. None: all stages.
    """
    return _faults(Plan(recipe, out, [stage.name for stage in GRAPH.up_to(until)]))


def _faults(plan: Plan) -> list[Fault]:
    faults = []
    for subject, stages, check in CHECKS:
        if stages and not set(stages) & set(plan.stages):
            continue
        try:
            check(plan)
        except MassiveTextError as error:
            faults.append(Fault(tr(subject), str(error)))
        except OSError as error:
            faults.append(Fault(tr(subject), f"{error.filename}: {error.strerror}; check the path and its permissions"))
    return list(dict.fromkeys(faults))


def _check_out(plan: Plan) -> None:
    """Check that the run folder can be written."""
    _check_folder(plan.out, "the run folder", "name another with --out")


def _check_corpus(plan: Plan) -> None:
    """Check that the steps can be made and the files that they name are there, or that the built corpus is there."""
    from massivetext.corpus.planning import check_steps

    recipe = plan.recipe
    if recipe.corpus.from_ is None:
        check_steps(recipe.corpus)
    if TOTAL in _sources(recipe):
        raise ConfigError(f"corpus.from: a source is named {TOTAL!r}, which stands for all sources together; rename it")


def _check_tokenizer(plan: Plan) -> None:
    """Check that the recipe's tokenizer is there, or that its vocabulary can be learned in this memory."""
    from massivetext.models.memory import check_memory, memory_bytes

    recipe = plan.recipe
    if _given_tokenizer(recipe) is None:
        entries = recipe.tokenizer.vocab_size
        parts = {"tokenizer.vocab_size": entries * ENTRY_BYTES}
        check_memory(f"a vocabulary of {entries:,} entries", parts, memory_bytes())


def _check_reversible(plan: Plan) -> None:
    """Check that the vocabulary loses no text."""
    recipe = plan.recipe
    if recipe.tokenizer.kind == "wordpiece":
        raise ConfigError(
            "tokenizer.kind is wordpiece, which loses what it does not know; a language model learns from bpe, "
            "unigram, word, character or byte. `massivetext tokenizer train` makes a wordpiece vocabulary alone"
        )


def _check_mixture(plan: Plan) -> None:
    """Check that the mixture names sources of the recipe."""
    from massivetext.tokens.mixture import epochs_of

    recipe = plan.recipe
    epochs_of(recipe.mixture, dict.fromkeys(_sources(recipe), 1))


def _check_model(plan: Plan) -> None:
    """Check that the model's configuration is valid and that training it fits into memory."""
    from massivetext.models.construction import new_config
    from massivetext.models.memory import check_memory, memory_bytes

    recipe, tokenizer = plan.whole, _known_tokenizer(plan)
    entries = recipe.tokenizer.vocab_size if tokenizer is None else len(tokenizer)
    config = new_config(recipe.model, recipe.train.context_tokens, entries)
    check_memory("training this model", training_bytes(recipe, config), memory_bytes())


def training_bytes(recipe: Recipe, config: "DecoderConfig") -> dict[str, int]:
    """Return a lower bound of the bytes that training takes, by the keys of the recipe that they grow with."""
    from massivetext.models.memory import least_weights

    settings, hidden = recipe.train, config.hidden_size
    weights = list(least_weights(config).values())
    moments = 2 if settings.optimiser == "adamw" else 1
    block = KEPT_HIDDEN * hidden + KEPT_INNER * config.feedforward_features
    at_once = settings.batch_tokens // settings.micro_batches
    return {
        "tokenizer.vocab_size or model.hidden_size": weights[0] * FLOAT_BYTES * 4,
        "model.num_hidden_layers or model.hidden_size": weights[1] * FLOAT_BYTES * (2 + moments),
        "model.max_position_embeddings or model.hidden_size": weights[2] * FLOAT_BYTES * 4,
        "train.batch_tokens": settings.batch_tokens * BATCH_BYTES,
        "train.batch_tokens (or raise train.micro_batches)": at_once * config.num_hidden_layers * block * FLOAT_BYTES,
        "train.context_tokens": at_once * settings.context_tokens * FLOAT_BYTES,
    }


def _check_training(plan: Plan) -> None:
    """Check that the checkpoint, the folder and the compiler that training uses are there."""
    import torch

    from massivetext.training.checkpoints import locate_checkpoint
    from massivetext.training.machine import compile_wanted

    recipe = plan.whole
    settings = recipe.train
    if settings.from_ is not None and not PRETRAINING.folder(plan.out).has_checkpoints():
        try:
            locate_checkpoint(settings.from_)
        except MassiveTextError as error:
            raise ConfigError(f"train.from: {error}") from None
    if isinstance(settings.tensorboard, Path):
        _check_folder(settings.tensorboard, "train.tensorboard", "name another, or set it to true or false")
    compile_wanted(settings, torch.device("cpu"))


def _check_prompts(plan: Plan) -> None:
    """Check that the prompts are for sources of the recipe and that the model can read them."""
    recipe = plan.whole
    given, sources = recipe.generate.prompts, _sources(recipe)
    for name in given if isinstance(given, dict) else ():
        if name not in sources:
            raise ConfigError(unknown_name("source in generate.prompts:", name, sources))
    tokenizer = _known_tokenizer(plan)
    if tokenizer is not None or recipe.tokenizer.kind == "byte":
        check_prompts(given, recipe.train.context_tokens, tokenizer)


def _check_evaluation(plan: Plan) -> None:
    """Check that there is a test split, and that the windows of scoring overlap or touch."""
    recipe = plan.whole
    splits = _corpus_parts(recipe)[1]
    if "test" not in splits:
        raise ConfigError(
            f"corpus.split.test is 0 (splits: {', '.join(splits)}), and scores and report are made of the test split; "
            "set it to a share above 0, e.g. 0.02"
        )
    stride, context = recipe.evaluate.stride_tokens, recipe.train.context_tokens
    if stride is not None and stride > context:
        raise ConfigError(
            f"evaluate.stride_tokens is {stride} and train.context_tokens {context}: text between two windows would "
            f"not be scored; set it to {context} or less"
        )


CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[Plan], None]], ...] = (
    ("run folder", (), _check_out),
    ("corpus", ("corpus",), _check_corpus),
    ("tokenizer", ("tokenizer",), _check_tokenizer),
    ("tokenizer", ("tokens",), _check_reversible),
    ("mixture", ("train",), _check_mixture),
    ("model", ("train",), _check_model),
    ("train", ("train",), _check_training),
    ("samples", ("train", "samples"), _check_prompts),
    ("evaluate", ("evaluate",), _check_evaluation),
)
"""What is checked: what it concerns, the stages that need it (none: each), and the check."""


def _sources(recipe: CorpusRecipe) -> Sequence[str]:
    """Return the names of the sources that a run reads."""
    return _corpus_parts(recipe)[0]


def _corpus_parts(recipe: CorpusRecipe) -> tuple[Sequence[str], Sequence[str]]:
    """Return the names of the sources and of the splits."""
    if recipe.corpus.from_ is None:
        return [source.name for source in recipe.corpus.sources], recipe.corpus.split.names
    from massivetext.corpus.reading import load_corpus

    corpus = load_corpus(recipe.corpus.from_)
    return corpus.sources, corpus.splits


def _given_tokenizer(recipe: CorpusRecipe) -> "Tokenizer | None":
    """Return the tokenizer that the recipe names; None where one is trained."""
    from massivetext.tokens.tokenizer import AutoTokenizer

    origin = recipe.tokenizer.from_ or (recipe.model and recipe.model.from_)
    try:
        return AutoTokenizer.from_pretrained(origin) if origin else None
    except MassiveTextError as error:
        raise ConfigError(f"{'tokenizer' if recipe.tokenizer.from_ else 'model'}.from: {error}") from None


def _known_tokenizer(plan: Plan) -> "Tokenizer | None":
    """Return the run's tokenizer where that stage is done, else the one that the recipe names; None: neither."""
    if "tokenizer" in plan.stages:
        return _given_tokenizer(plan.recipe)
    try:
        return open_tokenizer(RecipeRun(plan.out, plan.recipe))
    except StoreError:  # whichever stage reads it says what is damaged
        return None


def _check_folder(folder: Path, what: str, remedy: str) -> None:
    """Raise ConfigError if a folder cannot be made or written."""
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise ConfigError(f"{what} is {folder}, and {existing} is a file; {remedy}")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"{what} is {folder}, and {existing} cannot be written by this user; {remedy}")
