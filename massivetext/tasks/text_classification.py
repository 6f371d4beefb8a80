"""The task text-classification: texts in, labels with their scores out, in Hugging Face's shapes."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from massivetext.errors import ConfigError, unknown_name
from massivetext.models.model import Model
from massivetext.tokens.tokenizer import Tokenizer

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "softmax": lambda logits: logits.softmax(-1),
    "none": lambda logits: logits,
}
CUTTING = ("truncation", "max_length", "padding", "add_special_tokens", "pad_to_multiple_of")
OPTIONS = ("top_k", "function_to_apply", "batch_size", *CUTTING)


class TextClassification:
    """Labels texts with a sequence classifier; made by `pipeline("text-classification", model=...)`."""

    def __init__(self, model: Model, tokenizer: Tokenizer, **defaults: Any) -> None:
        """defaults: options of a call, used where the call does not give them."""
        self.model, self.tokenizer, self.defaults = model.eval(), tokenizer, checked(defaults)

    def __call__(self, inputs: Any, **options: Any) -> list[Any]:
        """Return `[{"label": ..., "score": ...}]` for one text, a list of such entries for several.

        inputs: a text, `{"text": ..., "text_pair": ...}`, or several of either. top_k: how many labels of each text,
        best first, None for all; each text then has a list of entries. function_to_apply: "sigmoid", "softmax" or
        "none"; None follows the configuration: nothing for a regression, sigmoid for several labels at once or a single
        one, else softmax. batch_size: texts in one pass, 1 as in Hugging Face. truncation, max_length, padding,
        add_special_tokens, pad_to_multiple_of: as in a call of the tokenizer.
        """
        asked = {**self.defaults, **checked(options)}
        single = isinstance(inputs, str | Mapping)
        rows = [as_row(entry) for entry in ([inputs] if single else entries(inputs))]
        size = asked.get("batch_size", 1)
        function = FUNCTIONS[asked.get("function_to_apply") or self.usual_function()]
        cutting = {name: value for name, value in asked.items() if name in CUTTING}
        if size > 1:
            cutting.setdefault("padding", True)
        found: list[Any] = []
        for start in range(0, len(rows), size):
            scores = function(self.logits(rows[start : start + size], cutting))
            found += [self.labelled(row, asked) for row in scores]
        if not single:
            return found
        return [found[0]] if isinstance(inputs, str) and "top_k" not in options else found[0]

    @torch.inference_mode()
    def logits(self, rows: list[dict[str, str]], cutting: Mapping[str, Any]) -> Tensor:
        """Return the logits (B, L) in float32 of texts, or of pairs of texts where all rows are pairs."""
        pairs = [row["text_pair"] for row in rows if "text_pair" in row]
        if pairs and len(pairs) < len(rows):
            parts = [self.logits([row], cutting) for row in rows]
            return torch.cat(parts)
        texts = [row["text"] for row in rows]
        encoded = self.tokenizer(texts, pairs or None, return_tensors="pt", **cutting)
        taken = inspect.signature(self.model.forward).parameters  # DistilBERT, for one, knows no kinds of tokens
        columns = {name: column.to(self.model.device) for name, column in encoded.items() if name in taken}
        output: Tensor = self.model(**columns).logits
        return output.float().cpu()

    def usual_function(self) -> str:
        """Return the function that the configuration implies."""
        config = self.model.config
        if config.problem_type == "regression":
            return "none"
        several = config.problem_type == "multi_label_classification"
        return "sigmoid" if several or config.num_labels == 1 else "softmax"

    def labelled(self, scores: Tensor, asked: Mapping[str, Any]) -> Any:
        """Return the best entry of one text, or its list of entries where top_k is given."""
        names, values = self.model.config.labels, scores.tolist()
        order = sorted(range(len(values)), key=lambda number: -values[number])
        found = [{"label": names[number], "score": values[number]} for number in order]
        return found[: asked["top_k"]] if "top_k" in asked else found[0]


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a call; raise ConfigError for an unknown one or a value that is not allowed."""
    for name in options:
        if name not in OPTIONS:
            raise ConfigError(unknown_name("option of text-classification:", name, OPTIONS))
    found = dict(options)
    if found.get("function_to_apply") is not None:
        found["function_to_apply"] = str(found["function_to_apply"]).lower()
        if found["function_to_apply"] not in FUNCTIONS:
            raise ConfigError(unknown_name("function_to_apply", str(options["function_to_apply"]), FUNCTIONS))
    for name in ("top_k", "batch_size"):
        value = found.get(name, 1)
        allowed = "a whole number of at least 1" + (", or None for all labels" if name == "top_k" else "")
        none = value is None and name == "top_k"
        if not none and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise ConfigError(f"{name} is {value!r}; allowed: {allowed}")
    return found


def entries(inputs: Any) -> list[Any]:
    """Return several inputs as a list; raise ConfigError where there is nothing to go through."""
    if not isinstance(inputs, Iterable):
        raise ConfigError(f"text-classification takes a text or a list of texts; found {inputs!r:.200}")
    return list(inputs)


def as_row(entry: Any) -> dict[str, str]:
    """Return one input as a mapping of `text` and, for a pair, `text_pair`; raise ConfigError for anything else."""
    row = {"text": entry} if isinstance(entry, str) else entry
    pair = isinstance(row, Mapping) and "text" in row and set(row) <= {"text", "text_pair"}
    if pair and all(isinstance(value, str) for value in row.values()):
        return dict(row)
    raise ConfigError(
        f'text-classification takes a text, {{"text": ..., "text_pair": ...}} for a pair, or a list of these; '
        f"found {entry!r:.200}"
    )
