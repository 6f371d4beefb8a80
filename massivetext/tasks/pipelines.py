"""`pipeline(task, model=...)`: the task's object by the task's name."""

from pathlib import Path

from massivetext.errors import ConfigError, unknown_name
from massivetext.models.auto import AutoModelForCausalLM
from massivetext.models.decoder import CausalDecoder
from massivetext.tasks.text_generation import TextGeneration
from massivetext.tokens.tokenizer import AutoTokenizer, Tokenizer

TASKS = {"text-generation": TextGeneration}


def pipeline(
    task: str, model: str | Path | CausalDecoder, tokenizer: str | Path | Tokenizer | None = None, device: str = "cpu"
) -> TextGeneration:
    """Return the object that does `task` with `model`: call it with texts.

    model: a folder, a name that `hub.find_folder` knows, or a loaded model. tokenizer: likewise; None: the one in the
    model's folder. Unknown tasks raise ConfigError with the nearest name.
    """
    if task not in TASKS:
        raise ConfigError(unknown_name("task", task, TASKS))
    if isinstance(model, str | Path):
        model = AutoModelForCausalLM.from_pretrained(model, device=device)
    if tokenizer is None:
        if model.tokenizer_folder is None:
            raise ConfigError("the model was not read from a folder, so its tokenizer is not known; pass tokenizer=...")
        tokenizer = model.tokenizer_folder
    if isinstance(tokenizer, str | Path):
        tokenizer = AutoTokenizer.from_pretrained(tokenizer)
    return TASKS[task](model, tokenizer)
