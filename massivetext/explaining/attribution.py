"""Token attribution: how much each token of a text speaks for or against one prediction, by `captum`.

Legend: N texts, T tokens, D features, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from massivetext.errors import ConfigError, DataError, ModelError, unknown_name
from massivetext.explaining.pieces import TextPiece, pieces_of, token_labels
from massivetext.explaining.reading import Given, chosen, evaluating, read_text
from massivetext.models.ids import last_ends, last_tokens
from massivetext.models.model import Model
from massivetext.tokens.tokenizer import Tokenizer

METHODS = ("integrated_gradients", "gradient_times_input")
ROWS_AT_ONCE = 16  # points of the path from nothing to the text that are run together
Score = Callable[..., Tensor]


@dataclass(frozen=True)
class Attribution:
    """How much each token speaks for (above 0) or against (below 0) `target`, in nats of its log-probability.

    pieces: the tokens read; written: of an encoder-decoder also what it had written. values: one number for each, of
    both in order. score: log-probability of the target (of a regression its value); baseline_score: the same for a text
    as long that says nothing. Integrated gradients share out the difference (completeness); `unexplained` is what their
    sum misses.
    """

    pieces: list[TextPiece]
    written: list[TextPiece]
    values: NDArray[np.float32]
    target: str
    target_id: int
    score: float
    baseline_score: float
    method: str

    @property
    def unexplained(self) -> float:
        """score - baseline_score - the sum of all values; more steps make it smaller."""
        return self.score - self.baseline_score - float(self.values.sum())

    @property
    def rough(self) -> bool:
        """Whether more than a tenth of what was to be shared out is missing, so that the values are not to be trusted.

        Always False for gradient_times_input, whose values add up to nothing in particular.
        """
        missing = abs(self.unexplained) > 0.1 * abs(self.score - self.baseline_score)
        return missing and self.method == "integrated_gradients"


class Question(NamedTuple):
    """One prediction: the scores of all answers, (N, answers), as a function of embeddings, and the answer asked for.

    score: function of one (N, T, D) tensor for each entry of ids. ids: (1, T) each. answer: None for the likeliest.
    """

    score: Score
    ids: tuple[Tensor, ...]
    answer: int | None
    names: Callable[[int], str]


def attribute_tokens(
    model: Model,
    tokenizer: Tokenizer,
    text: str,
    target: int | str | None = None,
    target_text: str | None = None,
    place: int | None = None,
    method: str = "integrated_gradients",
    steps: int = 64,
) -> Attribution:
    """Return how much each token of a text speaks for one prediction of `model`.

    Causal models: the token behind the text, or at `place` in it. Masked language models: the token under the (first)
    mask, or at `place`, which is then masked. Encoder-decoders: the token at `place` in what is written (target_text,
    or what the model writes itself), the first by default. Sequence classifiers: a label. target: the token or label
    to explain, by id or name; None: the one that stands at `place`, else the likeliest.

    method: integrated_gradients (arXiv:1703.01365) along `steps` points from a text of nothing but masks (where the
    tokenizer has none: padding, else end signs) to this one; special tokens, and the first one that a causal model
    reads, stay, so they get nothing. Or gradient_times_input, one pass.
    """
    if method not in METHODS:
        raise ConfigError(unknown_name("method", method, METHODS))
    if steps < 1:
        raise ConfigError(f"steps is {steps}; allowed: 1 or more")
    given = read_text(model, tokenizer, text, target_text)
    with evaluating(model):
        return _explained(model, tokenizer, _question(model, tokenizer, given, target, place), method, steps)


def _explained(model: Model, tokenizer: Tokenizer, question: Question, method: str, steps: int) -> Attribution:
    """Return the answer's attribution."""
    from captum.attr import InputXGradient, IntegratedGradients  # not before it is used: it loads matplotlib

    nothing = [_without_words(ids, tokenizer) for ids in question.ids]
    if not model.reads_ahead and not model.reads_source:
        # Later tokens rest their attention on the first (arXiv:2309.17453): where it moves, the path jumps, and the
        # gradients along it say little.
        nothing[0][0, 0] = question.ids[0][0, 0]
    with torch.no_grad():
        inputs, baselines = (tuple(model.look_up(ids) for ids in rows) for rows in (question.ids, nothing))
        scores = question.score(*inputs)[0]
        answer = int(scores.argmax()) if question.answer is None else question.answer
        without = question.score(*baselines)[0, answer]

    def score(*embeddings: Tensor) -> Tensor:
        return question.score(*embeddings)[:, answer]

    inputs = tuple(part.requires_grad_() for part in inputs)
    if method == "integrated_gradients":
        found = IntegratedGradients(score).attribute(
            inputs, baselines=baselines, n_steps=steps, internal_batch_size=ROWS_AT_ONCE
        )
    else:
        found = InputXGradient(score).attribute(inputs)
    values = torch.cat([part.detach().sum(dim=-1)[0] for part in found]).float().cpu().numpy()
    pieces = [pieces_of(tokenizer, ids[0].tolist()) for ids in question.ids]
    written = pieces[1] if len(pieces) > 1 else []
    name = question.names(answer)
    return Attribution(pieces[0], written, values, name, answer, float(scores[answer]), float(without), method)


def _question(
    model: Model, tokenizer: Tokenizer, given: Given, target: int | str | None, place: int | None
) -> Question:
    """Return what is asked of a model about a text."""
    if model.task == "sequence-classification":
        if place is not None:
            raise ConfigError("place is for predicted tokens, and a classifier labels the whole text; leave it out")
        return _label_question(model, given, target)
    if not model.predicts_tokens:
        raise ModelError(
            f"attribution is not known for a {type(model).__name__}; allowed: causal and masked language models, "
            f"encoder-decoders, sequence classifiers"
        )
    answer = None if target is None else _token(tokenizer, model.config.vocab_size, target)

    def names(number: int) -> str:
        return token_labels(tokenizer, [number])[number]

    reader: Any = model
    if model.task == "causal-lm":
        ids = given.input_ids
        if place is not None:
            place = chosen("place", place, ids.shape[1])
            if place == 0:
                raise ConfigError("place is 0, and nothing stands before the first token that could explain it")
            answer, ids = int(ids[0, place]) if answer is None else answer, ids[:, :place]
        return Question(lambda e: model.project(reader.hidden(e)[:, -1]).float().log_softmax(-1), (ids,), answer, names)
    if model.reads_source:
        place = chosen("place", place or 0, len(given.following))
        answer = given.following[place] if answer is None else answer
        assert given.decoder_ids is not None
        return Question(_writing(model), (given.input_ids, given.decoder_ids[:, : place + 1]), answer, names)
    ids, place, stood = _masked(tokenizer, given.input_ids, place)
    logits = _encoding(model, given._replace(input_ids=ids), place)
    answer = stood if answer is None else answer
    return Question(lambda e: logits(e).float().log_softmax(-1), (ids,), answer, names)


def _label_question(model: Model, given: Given, target: int | str | None) -> Question:
    """Return the question after a label: its log-probability, or the value of a regression."""
    names = {number: str(name) for number, name in model.config.labels.items()}
    if isinstance(target, str) and target not in names.values():
        raise ConfigError(unknown_name("label", target, names.values()))
    wanted = next(number for number, name in names.items() if name == target) if isinstance(target, str) else target
    answer = None if wanted is None else chosen("target", wanted, len(names))
    if model.reads_ahead:
        read = _encoding(model, given)
    else:
        read = _reading_twice(model, given) if model.reads_source else _deciding(model, given)
    problem = model.config.problem_type

    def scores(embeddings: Tensor) -> Tensor:
        logits = read(embeddings).float()  # (N, labels)
        if problem == "regression" or len(names) == 1:
            return logits
        several = problem == "multi_label_classification"
        return functional.logsigmoid(logits) if several else logits.log_softmax(-1)

    return Question(scores, (given.input_ids,), answer, names.__getitem__)


def _encoding(model: Model, given: Given, place: int | None = None) -> Score:
    """Return an encoder's logits as a function of its word embeddings (N, T, D), all, or those of one token, (N, V)."""
    words, reader, kinds = model.get_input_embeddings(), cast(Any, model), given.kinds

    def logits(embeddings: Tensor) -> Tensor:
        ids = given.input_ids.expand(len(embeddings), -1)
        hook = words.register_forward_hook(lambda *_: embeddings)  # stands in for the lookup
        try:
            hidden = reader.hidden(reader.embed(ids, None if kinds is None else kinds.expand(len(embeddings), -1)))
        finally:
            hook.remove()
        if place is not None:  # a vocabulary's logits for all tokens of all rows would fill the memory
            return model.project(hidden[:, place])
        return model.predict(hidden, ids)

    return logits


def _deciding(model: Model, given: Given) -> Score:
    """Return a causal classifier's logits (N, labels) as a function of its embeddings (N, T, D)."""
    last, reader = int(last_tokens(given.input_ids, model.config.pad_token_id)), cast(Any, model)
    return lambda embeddings: model.project(reader.hidden(embeddings)[:, last])


def _reading_twice(model: Model, given: Given) -> Score:
    """Return an encoder-decoder classifier's logits (N, labels) as a function of embeddings, which both sides read."""
    assert given.decoder_ids is not None
    last, start = int(last_ends(given.input_ids, model.config.eos_token_id)), given.decoder_ids[:, :1]
    reader: Any = model

    def logits(embeddings: Tensor) -> Tensor:
        first = model.look_up(start).expand(len(embeddings), -1, -1)
        hidden = reader.hidden(embeddings, torch.cat([first, embeddings[:, :-1]], dim=1))
        return model.project(hidden[:, last])

    return logits


def _writing(model: Model) -> Score:
    """Return the next token's log-probabilities (N, V) as a function of both sides' embeddings."""
    reader: Any = model
    return lambda source, written: model.project(reader.hidden(source, written)[:, -1]).float().log_softmax(-1)


def _without_words(ids: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Return a text as long that says nothing: special tokens stay, the others become a mask, padding or end sign."""
    names = ("mask_token_id", "pad_token_id", "eos_token_id", "unk_token_id")
    filler = next((number for name in names if (number := getattr(tokenizer, name)) is not None), None)
    if filler is None:
        raise ConfigError(
            "the tokenizer has no mask_token, pad_token, eos_token or unk_token, and one must stand for a text that "
            "says nothing; set tokenizer.pad_token to a token of its vocabulary"
        )
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids, device=ids.device))
    return torch.where(special, ids, filler)


def _masked(tokenizer: Tokenizer, ids: Tensor, place: int | None) -> tuple[Tensor, int, int | None]:
    """Return ids with a mask at `place`, the place, and what stood there; None: at the first mask that is there."""
    mask = tokenizer.mask_token_id
    if mask is None:
        raise ConfigError("the tokenizer has no mask_token, which a masked language model predicts from; set it")
    if place is None:
        masks = (ids[0] == mask).nonzero()
        if not len(masks):
            raise DataError(
                f"the text has no {tokenizer.mask_token} to predict; put one where a word is to be guessed, or give "
                f"place, the number of the token to hide"
            )
        return ids, int(masks[0]), None
    place = chosen("place", place, ids.shape[1])
    stood, hidden = int(ids[0, place]), ids.clone()
    hidden[0, place] = mask
    return hidden, place, None if stood == mask else stood


def _token(tokenizer: Tokenizer, vocabulary: int, target: int | str) -> int:
    """Return the id of a target token; raise ConfigError where it is not one token."""
    if isinstance(target, int):
        if not 0 <= target < vocabulary:
            raise ConfigError(f"target is {target:,}; allowed: 0 to {vocabulary - 1:,}, the ids of the vocabulary")
        return target
    ids = tokenizer.encode(target, add_special_tokens=False)
    if len(ids) != 1:
        raise ConfigError(
            f"target {target!r} is {len(ids)} tokens ({', '.join(map(repr, tokenizer.tokenize(target)))}); give one "
            f"token, with the space before it where it has one"
        )
    return int(ids[0])
