"""Checks of the ids that models are given, and where in them a text ends."""

import torch
from torch import Tensor

from massivetext.errors import ModelError

INTEGERS = (torch.int64, torch.int32)


def refuse_length(tokens: int, most_tokens: int) -> None:
    """Raise ModelError for rows longer than the table of learned positions."""
    raise ModelError(
        f"a row has {tokens} tokens and the model has positions for {most_tokens} (max_position_embeddings); cut "
        f"it, for example input_ids[:, :{most_tokens}], read it in pieces, or make a model with a longer context"
    )


def refuse_rows(input_ids: Tensor, vocabulary: int, most_tokens: int | None) -> None:
    """Raise ModelError that says what is wrong with ids for a decoder: form, length, or the first one out of range."""
    if input_ids.ndim != 2 or input_ids.dtype not in INTEGERS:
        raise ModelError(
            f"input_ids is {tuple(input_ids.shape)} of {input_ids.dtype}; it must be (rows, tokens), integers"
        )
    if most_tokens is not None and input_ids.shape[1] > most_tokens:
        refuse_length(input_ids.shape[1], most_tokens)
    row, place = (int(index) for index in ((input_ids < 0) | (input_ids >= vocabulary)).nonzero()[0])
    raise ModelError(
        f"input_ids[{row}, {place}] is {int(input_ids[row, place])}; the model's vocab_size is {vocabulary}, "
        f"allowed 0 to {vocabulary - 1}; use the tokenizer that was saved with the model"
    )


def refuse_ids(input_ids: Tensor, vocab_size: int, most_tokens: int | None, what: str = "input_ids") -> None:
    """Raise ModelError that says what is wrong with ids: form, length, or an id outside the vocabulary."""
    if input_ids.ndim != 2 or not input_ids.numel() or input_ids.dtype not in INTEGERS:
        raise ModelError(
            f"{what} is {tuple(input_ids.shape)} of {input_ids.dtype}; it must be (rows, tokens), integers, with at "
            f"least one token (an empty text is its special tokens alone)"
        )
    tokens = input_ids.shape[1]
    if most_tokens is not None and tokens > most_tokens:
        raise ModelError(
            f"a text has {tokens} tokens and the model reads at most {most_tokens}; cut it "
            f"(tokenizer(..., truncation=True, max_length={most_tokens})), or read it in overlapping pieces "
            f"(truncation=True, stride=..., return_overflowing_tokens=True)"
        )
    low, high = int(input_ids.min()), int(input_ids.max())
    raise ModelError(
        f"{what} has the id {low if low < 0 else high}, and the model's vocab_size is {vocab_size:,}; use the "
        f"tokenizer that was saved with the model"
    )


def last_tokens(input_ids: Tensor, padding: int | None) -> Tensor:
    """Return the place of each row's last token that is not the padding id, (B,), whichever side is padded."""
    batch, tokens = input_ids.shape
    if padding is None and batch > 1:
        raise ModelError(
            f"{batch} texts are to be labelled by their last token, and the configuration has no pad_token_id that "
            f"tells where a text ends; load the model with pad_token_id=tokenizer.pad_token_id, or give one text "
            f"at a time"
        )
    places = torch.arange(tokens, device=input_ids.device).expand(batch, tokens)
    return places[:, -1] if padding is None else (places * (input_ids != padding)).argmax(dim=1)


def last_ends(input_ids: Tensor, end: int | list[int] | None) -> Tensor:
    """Return the place of each row's last end of text, (B,); ModelError unless all have as many, at least 1."""
    if end is None:
        raise ModelError("a text is labelled where it ends, and the configuration has no eos_token_id; set it")
    ends = torch.isin(input_ids, torch.tensor(end, device=input_ids.device))
    if not torch.compiler.is_compiling():
        counts = ends.sum(dim=1).tolist()
        if 0 in counts or len(set(counts)) > 1:
            raise ModelError(
                f"a text is labelled by its last end of text (id {end}), and the rows of input_ids have {counts} "
                f"of them; allowed: the same number in every row, at least 1. Tokenize with special tokens, put a "
                f"second text into every row or into none, and pad with another id than {end}"
            )
    return (ends * torch.arange(input_ids.shape[1], device=input_ids.device)).argmax(dim=1)
