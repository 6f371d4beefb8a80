"""What is learned: an objective turns a batch into a loss. The loop knows only the protocol `Objective`.

Legend: B rows, T tokens, D features.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from massivetext.errors import ModelError
from massivetext.layers.loss import IGNORED_LABEL, chunk_gradients, mean_cross_entropy
from massivetext.training.crew import Crew, equal_parts
from massivetext.training.machine import (
    compile_wanted,
    precision_for,
    prepare_compiler,
    training_device,
    usable_threads,
)
from massivetext.training.settings import TrainSettings

HEAD_CHUNK_LOGITS = {"cpu": 2**21, "cuda": 2**28}  # 8 MB stay in a CPU's cache: a fifth faster than four times as many
ComputeLoss = Callable[[Callable[..., Any], dict[str, Any], int], Tensor]
"""Makes the mean loss of a part of a batch: of the model to call, the columns, and how many labels they count."""


class Batches(Protocol):
    """The data of a run: the batch of any step, found without history (`tokens.order.TrainingOrder` is one)."""

    @property
    def sources(self) -> Sequence[str]:
        """Names of the sources that the rows come from."""

    def batch(self, step: int) -> Any:
        """Return the rows of a step, counted from 0, in the form that the objective understands."""


class Objective(Protocol):
    """A loss over batches of one form."""

    model: nn.Module
    crew: Crew | None
    """Threads that compute parts of a batch at the same time; None: each operation is shared by all threads."""

    def tokens(self, batch: Any) -> np.ndarray:
        """Return how many predictions each row counts, (rows,) integers."""

    def row_sources(self, batch: Any) -> np.ndarray:
        """Return the number of each row's source, (rows,) integers."""

    def loss(self, batch: Any, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the mean loss over the counted predictions of some rows, with its graph; each row's sum, detached."""

    def check(self, batch: Any) -> None:
        """Raise ModelError if the model sees what it must not see; called once, with the first batch."""


class CausalObjective:
    """Next-token prediction on packed rows (`tokens.order.Batch`), through the model's embed, hidden and head_weight.

    The embedding lookup stays outside the compiled part (its compiled gradient is not repeatable), shapes are fixed,
    and the head and the loss work in chunks, so that logits never exist as a whole.
    """

    def __init__(self, model: nn.Module, settings: TrainSettings) -> None:
        missing = [name for name in ("embed", "hidden", "head_weight") if not hasattr(model, name)]
        if missing:
            raise ModelError(
                f"{type(model).__name__} has no {', '.join(missing)}, which causal training on packed rows uses; "
                f"give these, or train it with mt.Trainer, which calls it as Hugging Face models are called"
            )
        self.model: Any = cast(Any, model)
        self.device = training_device(model)
        self.softcap: float | None = getattr(getattr(model, "config", None), "softcap", None)
        self.dtype = precision_for(settings, self.device)
        self.head_chunk = max(1, HEAD_CHUNK_LOGITS.get(self.device.type, 2**24) // len(self.model.head_weight))
        self._hidden, self._kernel = cast(Callable[..., Tensor], self.model.hidden), chunk_gradients
        self.crew = make_crew(model, settings)
        self.parts = settings.micro_batches * (self.crew.size if self.crew else 1)
        if compile_wanted(settings, self.device):
            prepare_compiler()
            whole = partial(torch.compile, self._hidden, dynamic=False, fullgraph=True)  # for a model of a user's own
            self._hidden = getattr(model, "compiled_hidden", whole)()
            self._kernel = torch.compile(chunk_gradients, dynamic=False, fullgraph=True)

    def tokens(self, batch: Any) -> np.ndarray:
        """Return how many labels each row has, (B,)."""
        return np.asarray((batch.labels != IGNORED_LABEL).sum(axis=1))

    def row_sources(self, batch: Any) -> np.ndarray:
        """Return the number of each row's source, (B,)."""
        return np.asarray(batch.sources)

    def loss(self, batch: Any, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the mean loss in nats over the labels of some rows, and each row's sum in nats, (B,) detached."""
        labels = self._tensor(batch.labels[rows])
        with mixed_precision(self.device, self.dtype):
            hidden = self.hidden_states(batch.input_ids[rows], batch.positions[rows], batch.segments[rows])
            mean, losses = mean_cross_entropy(
                hidden.flatten(0, 1),  # (B * T, D)
                self.model.head_weight,
                labels.flatten(),
                even_chunk(labels.numel(), self.head_chunk),
                self.softcap,
                self._kernel,
            )
        return mean, losses.detach().view(labels.shape).sum(dim=1)

    def hidden_states(self, input_ids: np.ndarray, positions: np.ndarray, segments: np.ndarray) -> Tensor:
        """Return the final hidden states (B, T, D) by the very path that training takes."""
        embeddings = self.model.embed(self._tensor(input_ids))
        return self._hidden(embeddings, self._tensor(positions), self._tensor(segments))

    def check(self, batch: Any) -> None:
        """Raise ModelError if a packed document sees another one, or a token its future: the leak probe."""
        part = equal_parts(len(batch.input_ids), self.parts)[0]
        if self.crew is None:
            check_no_leak(self, batch, part)
        else:
            self.crew.map("check", lambda rows: check_no_leak(self, batch, rows), [part])

    def _tensor(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor if self.device.type == "cpu" else tensor.pin_memory().to(self.device, non_blocking=True)


class ModuleObjective:
    """The loss of any module that is called with a batch's columns by name, as Hugging Face models are.

    A batch is a list of parts, each a mapping of columns (rows, ...) with `labels`. The module returns its mean loss
    (in `.loss`, `["loss"]`, first of a tuple, or itself), or `compute_loss` calls the module and makes it.
    """

    def __init__(self, model: nn.Module, settings: TrainSettings, compute_loss: ComputeLoss | None = None) -> None:
        self.model, self.compute_loss = model, compute_loss
        self.crew: Crew | None = None  # a module that is not ours may not bear being called by two threads
        self.device = training_device(model)
        self.dtype = precision_for(settings, self.device)
        self._call: Callable[..., Any] = model
        if settings.compile == "on" and compile_wanted(settings, self.device):
            self._call = torch.compile(model)

    def tokens(self, batch: Any) -> np.ndarray:
        """Return how many labels each row has; 1 where a row has none, or one."""
        return np.concatenate([_label_counts(part) for part in batch])

    def row_sources(self, batch: Any) -> np.ndarray:
        """Return zeros: there is one source."""
        return np.zeros(len(self.tokens(batch)), np.int64)

    def loss(self, batch: Any, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the mean loss of the part that begins at `rows.start`, and a share of its sum for each row."""
        starts = np.cumsum([0, *(len(_label_counts(part)) for part in batch)])
        part = batch[int(np.searchsorted(starts, rows.start))]
        inputs = {name: value.to(self.device) if isinstance(value, Tensor) else value for name, value in part.items()}
        counts = _label_counts(part)
        with mixed_precision(self.device, self.dtype):
            if self.compute_loss is not None:
                mean = self.compute_loss(self._call, inputs, int(counts.sum()))
            else:
                mean = loss_in(self._call(**inputs), self.model)
        return mean, mean.detach() * torch.from_numpy(counts).to(self.device)

    def check(self, batch: Any) -> None:
        """Nothing is packed, so nothing can leak."""


def _label_counts(part: Mapping[str, Any]) -> np.ndarray:
    labels = part.get("labels")
    if labels is None or labels.ndim < 2 or labels.is_floating_point():
        return np.ones(len(next(iter(part.values()))), np.int64)
    return np.asarray((labels != IGNORED_LABEL).flatten(1).sum(dim=1).cpu())


def loss_in(outputs: Any, model: nn.Module) -> Tensor:
    """Return the loss that a module returned; raise ModelError if there is none."""
    if isinstance(outputs, Mapping):
        outputs = outputs.get("loss")
    elif hasattr(outputs, "loss"):
        outputs = outputs.loss
    elif isinstance(outputs, tuple) and outputs:
        outputs = outputs[0]
    if not isinstance(outputs, Tensor) or outputs.ndim:
        raise ModelError(
            f"{type(model).__name__} returned no loss; return it as .loss or first of a tuple when the batch has "
            f"labels, or pass compute_loss_func to the Trainer"
        )
    return outputs


def make_crew(model: nn.Module, settings: TrainSettings) -> Crew | None:
    """Return a crew of `settings.threads` for a CPU where the rows of a batch divide evenly; else None.

    Dropout draws from one generator, whose numbers would fall to whichever thread asks first: no crew with dropout.
    """
    size = settings.threads or usable_threads()
    fits = size > 1 and settings.rows % (settings.micro_batches * size) == 0
    on_cpu = training_device(model).type == "cpu"
    return Crew(size) if fits and on_cpu and not has_dropout(model) else None


def has_dropout(model: nn.Module) -> bool:
    """Return whether any part of the model drops something out."""
    drops = [module for module in model.modules() if "Dropout" in type(module).__name__]
    shares: list[Any] = [getattr(module, "p", 0.0) for module in drops]
    shapes = [getattr(module, "shape", None) for module in model.modules()]  # attention drops without a module
    return any(share > 0.0 for share in [*shares, *(getattr(shape, "dropout", 0.0) for shape in shapes)])


def mixed_precision(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """Return the context in which matrix products run in `dtype`; weights stay float32."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)


def even_chunk(tokens: int, most: int) -> int:
    """Return the largest divisor of `tokens` up to `most`: chunks of one shape are compiled once."""
    return next(size for size in range(min(tokens, most), 0, -1) if tokens % size == 0)


@contextmanager
def awake(model: nn.Module) -> Iterator[None]:
    """Give matrices that are all zero other values while the block runs: with output projections at zero, as in a fresh
    model, no token would see any other, and the leak probe nothing.
    """
    asleep = [parameter for parameter in model.parameters() if parameter.ndim == 2 and not parameter.any()]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for matrix in asleep:
            matrix.copy_(torch.empty(matrix.shape).normal_(0, matrix.shape[1] ** -0.5, generator=generator))
    try:
        yield
    finally:
        with torch.no_grad():
            for matrix in asleep:
                matrix.zero_()


def check_no_leak(objective: CausalObjective, batch: Any, rows: slice) -> None:
    """Change the first document of some rows, and the last token, and see that nothing else changes.

    Each of the rows is laid out as two documents of half a row. The forward pass is the one of training (compiled,
    same shapes, same attention back-end).
    """
    ids, tokens = batch.input_ids[rows], batch.input_ids.shape[1]
    half = tokens // 2
    here = np.broadcast_to(np.arange(tokens), ids.shape)
    positions = np.ascontiguousarray(np.where(here < half, here, here - half))
    segments = np.ascontiguousarray((here >= half).astype(batch.segments.dtype))
    vocabulary = objective.model.head_weight.shape[0]
    changed = (ids + 1) % vocabulary
    first = np.ascontiguousarray(np.where(here < half, changed, ids))
    last = np.ascontiguousarray(np.where(here == tokens - 1, changed, ids))
    with (
        mixed_precision(objective.device, objective.dtype),
        awake(objective.model),
    ):  # with gradients on: else it would be compiled once more
        states = []
        for inputs in (ids, first, last):
            torch.manual_seed(0)  # what is dropped out must not differ
            states.append(objective.hidden_states(inputs, positions, segments).detach())
    plain, other, later = states
    across = (other - plain)[:, half:].abs().max()
    ahead = (later - plain)[:, :-1].abs().max()
    limit = 1e-4 * float(plain.abs().max())
    for found, what in ((across, "a document before it in the same row"), (ahead, "a later token")):
        if not float(found) <= limit:
            raise ModelError(
                f"the leak probe found that a prediction depends on {what} (its hidden state moved by "
                f"{float(found):.2g}, allowed {limit:.2g}): the attention back-end in use ignores the mask; set "
                f"train.compile=off, or report this with the output of `massivetext doctor`"
            )
