"""Next-token prediction on packed rows, in parts that threads compute at the same time where that is faster.

Legend: B rows, T tokens, D features.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from massivetext.errors import ModelError
from massivetext.layers.loss import chunk_gradients, mean_cross_entropy
from massivetext.tokens.labels import IGNORED_LABEL
from massivetext.training.leaks import check_no_leak
from massivetext.training.machine import (
    compile_wanted,
    mixed_precision,
    precision_for,
    prepare_compiler,
    training_device,
    usable_threads,
)
from massivetext.training.settings import TrainSettings

Result = TypeVar("Result")
HEAD_CHUNK_LOGITS = {"cpu": 2**21, "cuda": 2**28}  # 8 MB stay in a CPU's cache: a fifth faster than four times as many

NEEDED = ("embed", "hidden", "head_weight")
"""What a model offers that can be trained so: embeddings of ids, hidden states of embeddings, the matrix of logits."""


class CausalObjective:
    """Next-token prediction on packed rows (`tokens.order.Batch`), through the model's embed, hidden and head_weight.

    The embedding lookup stays outside the compiled part (its compiled gradient is not repeatable), shapes are fixed,
    and the head and the loss work in chunks, so that logits never exist as a whole.
    """

    def __init__(self, model: nn.Module, settings: TrainSettings) -> None:
        missing = [name for name in NEEDED if not hasattr(model, name)]
        if missing:
            raise ModelError(
                f"{type(model).__name__} has no {', '.join(missing)}, which causal training on packed rows uses; "
                f"give these, or train it with mt.Trainer, which calls it as Hugging Face models are called"
            )
        self.model: Any = cast(Any, model)
        self.device = training_device(model)
        self.softcap: float | None = getattr(getattr(model, "config", None), "softcap", None)
        self._mixed_precision = mixed_precision(self.device, precision_for(settings, self.device))
        self.head_chunk = max(1, HEAD_CHUNK_LOGITS.get(self.device.type, 2**24) // len(self.model.head_weight))
        self._hidden, self._kernel = cast(Callable[..., Tensor], self.model.hidden), chunk_gradients
        self.has_modes = has_dropout(model)
        self.crew = make_crew(model, settings)
        self._part_count = settings.micro_batches * (self.crew.size if self.crew else 1)
        if compile_wanted(settings, self.device):
            prepare_compiler()
            whole = partial(torch.compile, self._hidden, dynamic=False, fullgraph=True)  # for a model of a user's own
            self._hidden = getattr(model, "compiled_hidden", whole)()
            self._kernel = torch.compile(chunk_gradients, dynamic=False, fullgraph=True)

    @staticmethod
    def suits(model: nn.Module) -> bool:
        """Return whether a model offers what this objective needs."""
        return all(hasattr(model, name) for name in NEEDED)

    def parts(self, batch: Any) -> list[slice]:
        """Return the rows of the parts that a batch is computed in: one for each micro-batch and thread."""
        return equal_parts(len(batch.input_ids), self._part_count)

    def tokens(self, batch: Any) -> np.ndarray:
        """Return how many labels each row has, (B,)."""
        return np.asarray((batch.labels != IGNORED_LABEL).sum(axis=1))

    def row_sources(self, batch: Any) -> np.ndarray:
        """Return the number of each row's source, (B,)."""
        return np.asarray(batch.sources)

    def loss(self, batch: Any, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the mean loss in nats over the labels of some rows, and each row's sum in nats, (B,) detached."""
        labels = self._tensor(batch.labels[rows])
        with self._mixed_precision():
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
        vocabulary, part = len(self.model.head_weight), self.parts(batch)[0]

        def check(rows: slice) -> None:
            with self._mixed_precision():
                check_no_leak(self.model, self.hidden_states, batch, rows, vocabulary)

        if self.crew is None:
            check(part)
        else:
            self.crew.map("check", check, [part])

    def _tensor(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor if self.device.type == "cpu" else tensor.pin_memory().to(self.device, non_blocking=True)


def even_chunk(tokens: int, most: int) -> int:
    """Return the largest divisor of `tokens` up to `most`: chunks of one shape are compiled once."""
    return next(size for size in range(min(tokens, most), 0, -1) if tokens % size == 0)


class Crew:
    """Threads that keep to one core each; `size` of them.

    A small model's operations are too short to share between cores: the threads of each operation spend their time
    waiting for each other. Whole parts of a batch need no waiting until their gradients are added up.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="training-part", initializer=_keep_to_one_core)
        self._done: set[str] = set()

    def map(self, kind: str, function: Callable[[slice], Result], parts: Sequence[slice]) -> list[Result]:
        """Return `function(part)` of every part, in their order.

        kind: names the work; the first call of a kind does one part after the other, because the work may be compiled
        then, and the compiler is not made for two threads at once.
        """
        if kind in self._done:
            return list(self._pool.map(function, parts))
        results = [self._pool.submit(function, part).result() for part in parts]
        self._done.add(kind)
        return results


def _keep_to_one_core() -> None:
    """Make this thread's operations serial, with denormal numbers as zero (see machine.run_with_threads)."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def make_crew(model: nn.Module, settings: TrainSettings) -> Crew | None:
    """Return a crew of `settings.threads` for a CPU where the rows of a batch divide evenly; else None.

    Dropout draws from one generator, whose numbers would fall to whichever thread asks first: no crew with dropout.
    """
    size = settings.threads or usable_threads()
    fits = size > 1 and settings.rows % (settings.micro_batches * size) == 0
    on_cpu = training_device(model).type == "cpu"
    return Crew(size) if fits and on_cpu and not has_dropout(model) else None


def equal_parts(rows: int, count: int) -> list[slice]:
    """Return `count` slices that cover `rows`, equal where that is possible, the last one shorter elsewhere."""
    step = -(-rows // count)
    return [slice(begin, min(begin + step, rows)) for begin in range(0, rows, step)]


def has_dropout(model: nn.Module) -> bool:
    """Return whether any part of the model drops something out."""
    drops = [module for module in model.modules() if "Dropout" in type(module).__name__]
    shares: list[Any] = [getattr(module, "p", 0.0) for module in drops]
    shapes = [getattr(module, "shape", None) for module in model.modules()]  # attention drops without a module
    return any(share > 0.0 for share in [*shares, *(getattr(shape, "dropout", 0.0) for shape in shapes)])
