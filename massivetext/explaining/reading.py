"""What a model is given to read when it is to be explained: one text as tokens, or a source and what is written of it.

Legend: T tokens, S source tokens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from massivetext.errors import ConfigError, DataError
from massivetext.explaining.pieces import TextPiece, pieces_of
from massivetext.hub import find_folder
from massivetext.models.auto import AutoModelForCausalLM
from massivetext.models.families.table import CLASSES
from massivetext.models.files.weights import CONFIG_FILE, read_object
from massivetext.models.model import Model
from massivetext.tokens.tokenizer import Tokenizer

WRITTEN_TOKENS = 24  # how much an encoder-decoder writes itself where it is not told what to explain


class Given(NamedTuple):
    """One text as a model reads it.

    input_ids: (1, T), with pieces for each. kinds: (1, T) token_type_ids, or None. Of an encoder-decoder these are the
    source, and decoder_ids (1, T) is what the decoder reads, with `written` for each, and `following` the ids that it
    should give at each place.
    """

    input_ids: Tensor
    pieces: list[TextPiece]
    kinds: Tensor | None = None
    decoder_ids: Tensor | None = None
    written: tuple[TextPiece, ...] = ()
    following: tuple[int, ...] = ()

    def inputs(self) -> dict[str, Tensor]:
        """Return what the model's `forward` is given."""
        given = {"input_ids": self.input_ids, "token_type_ids": self.kinds, "decoder_input_ids": self.decoder_ids}
        return {name: tensor for name, tensor in given.items() if tensor is not None}


def read_text(model: Model, tokenizer: Tokenizer, text: str, target_text: str | None = None) -> Given:
    """Return a text as `model` reads it, with the special tokens that its tokenizer adds.

    target_text: for encoder-decoders, what is written of the text; None: what the model writes itself, greedily.
    Raises DataError for an empty text and one longer than the model reads.
    """
    ids, kinds = _checked(model, tokenizer, text, "the text")
    given = Given(ids, pieces_of(tokenizer, ids[0].tolist()), kinds if model.reads_ahead else None)
    if not model.reads_source:
        if target_text is not None:
            raise ConfigError(
                f"target_text is for models that read one text and write another; a {type(model).__name__} reads the "
                f"text alone: leave it out, or put it behind the text"
            )
        return given
    reader: Any = model
    if model.task is not None and not model.predicts_tokens:
        if target_text is not None:
            raise ConfigError(
                f"target_text is for models that write, and a {type(model).__name__} labels: leave it out"
            )
        decoder_ids, following = reader.shifted(ids), ids[0]
    elif target_text is None:
        most = model.most_tokens
        length = WRITTEN_TOKENS if most is None else min(WRITTEN_TOKENS, most - 1)
        with evaluating(model):
            written = reader.generate(ids, max_new_tokens=length, do_sample=False, num_beams=1)
        decoder_ids, following = written[:, :-1], written[0, 1:]
    else:
        labels, _ = _checked(model, tokenizer, target_text, "target_text")
        decoder_ids, following = reader.shifted(labels), labels[0]
    pieces = pieces_of(tokenizer, decoder_ids[0].tolist())
    return given._replace(decoder_ids=decoder_ids, written=tuple(pieces), following=tuple(following.tolist()))


@contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """Hold a model in evaluation mode, so that nothing is dropped."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def open_model(name: str | Path) -> Model:
    """Return the model of a folder or GGUF file in evaluation mode, with the head that its config.json names."""
    found = find_folder(name)
    if found.suffix == ".gguf":
        return cast(Model, AutoModelForCausalLM.from_pretrained(found))
    named = read_object(found / CONFIG_FILE).get("architectures") or []
    classes = {model.__name__: model for models in CLASSES.values() for model in models.values()}
    for architecture in named:
        if architecture in classes:
            return classes[architecture].from_pretrained(found)
    return cast(Model, AutoModelForCausalLM.from_pretrained(found))


def _checked(model: Model, tokenizer: Tokenizer, text: str, what: str) -> tuple[Tensor, Tensor | None]:
    """Return ids and kinds of a text, (1, T) each; raise DataError where it cannot be read."""
    row: Any = tokenizer(text)
    if not text or not row["input_ids"]:
        raise DataError(f"{what} is empty, or no token is left of it; give at least one character to explain")
    ids = torch.tensor([row["input_ids"]], device=model.device)
    most, tokens = model.most_tokens, ids.shape[1]
    if most is not None and tokens > most:
        raise DataError(
            f"{what} has {tokens:,} tokens and the model reads at most {most:,}; explain a shorter piece of it"
        )
    kinds = row.get("token_type_ids")
    return ids, None if kinds is None else torch.tensor([kinds], device=model.device)


def chosen(what: str, number: int, count: int) -> int:
    """Return the number of a layer, head or place; a negative one counts from the end. ConfigError if there is none."""
    if not -count <= number < count:
        raise ConfigError(f"{what} is {number}; allowed: 0 to {count - 1}, or -1 to -{count} from the end")
    return number % count
