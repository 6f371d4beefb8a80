"""Set up the machine for a run: threads, denormals, precision and compilation, with a record of all of them."""

import os
import platform
import shutil
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import torch

import massivetext
from massivetext.errors import ConfigError
from massivetext.interrupting import is_watching, set_training
from massivetext.progress import log
from massivetext.training.settings import TrainSettings
from massivetext.translations import tr

Result = TypeVar("Result")


def usable_threads() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_with_threads(function: Callable[[threading.Event], Result], threads: int | None) -> Result:
    """Return `function(stop)`, run in a new thread whose parallel workers treat denormal numbers as zero.

    Denormals can make backward passes 50 times slower. The flag is a CPU register that worker threads inherit when they
    start, and a pool of workers belongs to the thread that first used it. Only a new thread is certain to get new
    workers, whatever ran in this process before. So a resumed run rounds exactly as an uninterrupted one does.
    `stop` is set when the user interrupts; `function` must then finish its step and return or raise.
    """
    stop, future = threading.Event(), Future[Result]()

    def work() -> None:
        torch.set_num_threads(threads or usable_threads())
        torch.set_flush_denormal(True)
        try:
            future.set_result(function(stop))
        except BaseException as error:
            future.set_exception(error)

    worker = threading.Thread(target=work, name="training", daemon=True)
    set_training(True)
    worker.start()
    try:
        while True:
            try:
                return future.result()
            except KeyboardInterrupt:
                if future.done():
                    raise
                if stop.is_set():  # second interrupt: do not wait for the step
                    raise
                if not is_watching():
                    log(tr("Interrupted: finishing the step and saving a checkpoint (once more to stop at once)"))
                stop.set()
    finally:
        set_training(False)


def training_device(model: torch.nn.Module) -> torch.device:
    """Return the device that the model's parameters are on."""
    return next(model.parameters()).device


def precision_for(settings: TrainSettings, device: torch.device) -> torch.dtype:
    """Return the number format of the forward and backward pass."""
    if settings.precision == "auto":
        fits = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fits else torch.float32
    return torch.bfloat16 if settings.precision == "bfloat16" else torch.float32


def mixed_precision(device: torch.device, dtype: torch.dtype) -> Callable[[], AbstractContextManager[Any]]:
    """Return a function that opens a context where matrix products run in `dtype`; weights stay float32."""
    return nullcontext if dtype == torch.float32 else partial(torch.autocast, device.type, dtype=dtype)


@cache
def compiler_found(kind: str) -> str | None:
    """Return the C++ compiler (for a GPU: Triton) that `torch.compile` would use on a device of `kind`, or None."""
    if kind == "cuda":
        from torch.utils._triton import has_triton

        return "triton" if has_triton() else None
    named = os.environ.get("CXX")
    return next((name for name in ([named] if named else ["g++", "clang++", "c++"]) if shutil.which(name)), None)


def compile_wanted(settings: TrainSettings, device: torch.device) -> bool:
    """Return whether to compile the model; raise ConfigError if the settings require it and no compiler is found."""
    compiler = compiler_found(device.type) if settings.compile != "off" else None
    if settings.compile == "on" and compiler is None:
        raise ConfigError(
            "train.compile is on, and no C++ compiler (g++, clang++ or $CXX; for a GPU: Triton) was found; "
            "install one, e.g. apt-get install g++, or set train.compile=off"
        )
    return compiler is not None


@cache
def prepare_compiler() -> None:
    """Load PyTorch's compiler, hide warnings about its own internals, and raise its limits on recompilation.

    By default it gives up once a function has been compiled for eight shapes: a process that trains nine models would
    stop.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import torch._dynamo.config
        import torch._inductor.compile_fx
    torch._dynamo.config.recompile_limit = 2**10
    torch._dynamo.config.accumulated_recompile_limit = 2**12
    # The compiler reads .grad of the embeddings itself, then warns about the access.
    warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor that is not a leaf")


def cpu_type() -> str:
    """Return the CPU's name as the system reports it, and the instruction set that PyTorch uses on it."""
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.is_file() else []
    name = names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


def environment(settings: TrainSettings, device: torch.device) -> dict[str, str]:
    """Return what, besides the settings, affects the last bits of a run: equal environments give equal bytes."""
    return {
        "massivetext": massivetext.__version__,
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_type(),
        "threads": str(settings.threads or usable_threads()),
        "compiled": "yes" if compile_wanted(settings, device) else "no",
        "precision": str(precision_for(settings, device)).removeprefix("torch."),
    }
