"""What a recipe alone decides, checked before the first byte of input is read; `doctor` and `run` share it.

Each check raises the error that its stage would raise later, after corpus, tokenizer or training had cost their time.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from massivetext.corpus.settings import TOTAL
from massivetext.errors import ConfigError, MassiveTextError, unknown_name
from massivetext.recipe import CorpusRecipe, Recipe
from massivetext.runs.folder import OUTPUTS
from massivetext.runs.stages import check_prompts, new_config
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


def check_recipe(recipe: CorpusRecipe, out: Path, until: str = "report") -> None:
    """Raise ConfigError with everything in a recipe that will fail in one of the stages up to `until`."""
    faults = recipe_faults(recipe, out, until)
    if faults:
        raise ConfigError("\n".join(fault.message for fault in faults))


def recipe_faults(recipe: CorpusRecipe, out: Path, until: str = "report") -> list[Fault]:
    """Return what will fail in a run of the recipe in the folder `out`, without reading an input.

    until: the last stage of the run; what only later stages use is not looked at.
    """
    faults = []
    stages = list(OUTPUTS)
    for subject, stage, check in CHECKS:
        if stages.index(stage) > stages.index(until):
            continue
        try:
            check(recipe, out)
        except MassiveTextError as error:
            faults.append(Fault(tr(subject), str(error)))
        except OSError as error:
            faults.append(Fault(tr(subject), f"{error.filename}: {error.strerror}; check the path and its permissions"))
    return list(dict.fromkeys(faults))


def _check_out(recipe: CorpusRecipe, out: Path) -> None:
    """The run folder can be written."""
    _check_folder(out, "the run folder", "name another with --out")


def _check_corpus(recipe: CorpusRecipe, out: Path) -> None:
    """The steps can be made, and the files that they name are there; or the built corpus is there."""
    from massivetext.corpus.planning import check_steps

    if recipe.corpus.from_ is None:
        check_steps(recipe.corpus)
    if TOTAL in _sources(recipe):
        raise ConfigError(f"corpus.from: a source is named {TOTAL!r}, which stands for all sources together; rename it")


def _check_tokenizer(recipe: CorpusRecipe, out: Path) -> None:
    """The tokenizer that the recipe names is there, or its vocabulary can be learned in this memory."""
    from massivetext.models.memory import check_memory, memory_bytes

    if _given_tokenizer(recipe) is None:
        entries = recipe.tokenizer.vocab_size
        parts = {"tokenizer.vocab_size": entries * ENTRY_BYTES}
        check_memory(f"a vocabulary of {entries:,} entries", parts, memory_bytes())


def _check_reversible(recipe: CorpusRecipe, out: Path) -> None:
    """The vocabulary loses no text."""
    if recipe.tokenizer.kind == "wordpiece":
        raise ConfigError(
            "tokenizer.kind is wordpiece, which loses what it does not know; a language model learns from bpe, "
            "unigram, word, character or byte. `massivetext tokenizer train` makes a wordpiece vocabulary alone"
        )


def _check_mixture(recipe: CorpusRecipe, out: Path) -> None:
    """The mixture names sources of the recipe."""
    from massivetext.tokens.mixture import epochs_of

    epochs_of(recipe.mixture, dict.fromkeys(_sources(recipe), 1))


def _check_model(recipe: CorpusRecipe, out: Path) -> None:
    """The configuration of the model is valid, and training it fits into memory."""
    from massivetext.models.memory import check_memory, memory_bytes

    assert isinstance(recipe, Recipe)
    tokenizer = _given_tokenizer(recipe)
    config = new_config(recipe, recipe.tokenizer.vocab_size if tokenizer is None else len(tokenizer))
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


def _check_training(recipe: CorpusRecipe, out: Path) -> None:
    """The checkpoint, the folder and the compiler that training uses are there."""
    import torch

    from massivetext.training.checkpoints import locate_checkpoint
    from massivetext.training.machine import compile_wanted

    assert isinstance(recipe, Recipe)
    settings = recipe.train
    own = any((out / "checkpoints").glob("step-*")) if out.is_dir() else False
    if settings.from_ is not None and not own:
        try:
            locate_checkpoint(settings.from_)
        except MassiveTextError as error:
            raise ConfigError(f"train.from: {error}") from None
    if isinstance(settings.tensorboard, Path):
        _check_folder(settings.tensorboard, "train.tensorboard", "name another, or set it to true or false")
    compile_wanted(settings, torch.device("cpu"))


def _check_prompts(recipe: CorpusRecipe, out: Path) -> None:
    """The prompts are for sources of the recipe, and the model can read them."""
    assert isinstance(recipe, Recipe)
    given, sources = recipe.generate.prompts, _sources(recipe)
    for name in given if isinstance(given, dict) else ():
        if name not in sources:
            raise ConfigError(unknown_name("source in generate.prompts:", name, sources))
    tokenizer = _given_tokenizer(recipe)
    if tokenizer is not None:
        check_prompts(recipe, tokenizer)
    elif recipe.tokenizer.kind == "byte":
        check_prompts(recipe, None)


def _check_evaluation(recipe: CorpusRecipe, out: Path) -> None:
    """There is a test split, and the windows of scoring overlap or touch."""
    assert isinstance(recipe, Recipe)
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


CHECKS: tuple[tuple[str, str, Callable[[CorpusRecipe, Path], None]], ...] = (
    ("run folder", "corpus", _check_out),
    ("corpus", "corpus", _check_corpus),
    ("tokenizer", "tokenizer", _check_tokenizer),
    ("tokenizer", "tokens", _check_reversible),
    ("mixture", "train", _check_mixture),
    ("model", "train", _check_model),
    ("train", "train", _check_training),
    ("samples", "train", _check_prompts),
    ("evaluate", "evaluate", _check_evaluation),
)
"""What is checked: what it concerns, the first stage that needs it, and the check."""


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


def _check_folder(folder: Path, what: str, remedy: str) -> None:
    """Raise ConfigError if a folder cannot be made or written."""
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise ConfigError(f"{what} is {folder}, and {existing} is a file; {remedy}")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"{what} is {folder}, and {existing} cannot be written by this user; {remedy}")
