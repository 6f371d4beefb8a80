"""`pipeline(task, model=...)`: the task's object by the task's name."""

from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

from massivetext.errors import ConfigError, unknown_name
from massivetext.models.auto import AutoClass, AutoModelForCausalLM, AutoModelForSequenceClassification
from massivetext.models.model import Model
from massivetext.tasks.text_classification import TextClassification
from massivetext.tasks.text_generation import TextGeneration
from massivetext.tokens.tokenizer import AutoTokenizer, Tokenizer


class Task(NamedTuple):
    """What does a task, and what opens the models for it."""

    pipeline: type[Any]
    opener: type[AutoClass]


TASKS = {
    "text-generation": Task(TextGeneration, AutoModelForCausalLM),
    "text-classification": Task(TextClassification, AutoModelForSequenceClassification),
}
ALIASES = {"sentiment-analysis": "text-classification"}

AnyModel = str | Path | Model
AnyTokenizer = str | Path | Tokenizer


@overload
def pipeline(
    task: Literal["text-generation"],
    model: AnyModel | None = None,
    tokenizer: AnyTokenizer | None = None,
    device: str = "cpu",
    **options: Any,
) -> TextGeneration: ...
@overload
def pipeline(
    task: Literal["text-classification", "sentiment-analysis"],
    model: AnyModel | None = None,
    tokenizer: AnyTokenizer | None = None,
    device: str = "cpu",
    **options: Any,
) -> TextClassification: ...
@overload
def pipeline(
    task: str,
    model: AnyModel | None = None,
    tokenizer: AnyTokenizer | None = None,
    device: str = "cpu",
    **options: Any,
) -> Any: ...
def pipeline(
    task: str,
    model: AnyModel | None = None,
    tokenizer: AnyTokenizer | None = None,
    device: str = "cpu",
    **options: Any,
) -> Any:
    """Return the object that does `task` with `model`: call it with texts.

    task: text-generation, or text-classification (also called sentiment-analysis). model: a folder, a name that
    `hub.find_folder` knows, or a loaded model. tokenizer: likewise; None: the one in the model's folder. options: those
    of a call, as its defaults. Unknown tasks raise ConfigError with the nearest name.
    """
    name = ALIASES.get(task, task)
    if name not in TASKS:
        raise ConfigError(unknown_name("task", task, [*TASKS, *ALIASES]))
    if model is None:
        raise ConfigError(f"pipeline({task!r}) has no model; give a folder or a name: pipeline({task!r}, model=...)")
    if isinstance(model, str | Path):
        model = TASKS[name].opener.from_pretrained(model, device=device)
    if getattr(model, "task", None) != TASKS[name].opener.task:
        raise ConfigError(
            f"{task} needs a model that {TASKS[name].opener.__name__} opens; found a {type(model).__name__}: give the "
            f"folder's path, or load it with that class"
        )
    if tokenizer is None:
        tokenizer = getattr(model, "tokenizer_folder", None)
        if tokenizer is None:
            raise ConfigError("the model was not read from a folder, so its tokenizer is not known; pass tokenizer=...")
    if isinstance(tokenizer, str | Path):
        tokenizer = AutoTokenizer.from_pretrained(tokenizer)
    return TASKS[name].pipeline(model, tokenizer, **options)
