"""Count what a newcomer opens to follow one training step, one document, one generated token and one forward pass.

`python scripts/reading_budget.py` runs each of them once, at a tiny size, under a tracer. It prints in how many files
of massivetext code ran, and how many lines these files have in all, beside the limits. `--files` names the files,
`--only training_step` (or document, token, family) runs one of them, `--json` prints JSON, `--write` puts the table
into CONTRIBUTING.md, and `--check` exits with 1 if a count is over its limit.
"""

import argparse
import json
import os
import pkgutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib import import_module
from pathlib import Path
from textwrap import fill
from types import FrameType
from typing import Any

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # kernels run as Python, so that the tracer sees them
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

import massivetext as mt  # noqa: E402
from massivetext.generation.engine import decode_steps  # noqa: E402
from massivetext.generation.settings import generation_settings  # noqa: E402
from massivetext.tokens.order import TrainingOrder  # noqa: E402
from massivetext.training.loop import train  # noqa: E402
from massivetext.training.rows import DocumentsInMemory  # noqa: E402
from massivetext.training.settings import TrainSettings  # noqa: E402

PACKAGE = ROOT / "massivetext"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
BEGIN = "<!-- counted: written by scripts/reading_budget.py -->"
END = "<!-- end of counted -->"

# What a reader need not open to follow a path; everything else counts. A folder ends with "/".
LEFT_OUT = {
    "errors.py": "classes of errors, raised by name",
    "progress.py": "log lines and progress bars",
    "translations.py": "the Chinese of messages",
    "storage.py": "writing files whole, file digests",
    "state.py": "reading and writing small JSON files",
    "parquet.py": "the settings of Parquet writers",
}
LEFT_OUT_OF = {
    "training_step": {
        "models/": "the model, which has a path of its own",
        "layers/": "the model's parts; the loss, layers/loss.py, counts",
        "training/clock.py": "the log of speeds, timing.jsonl",
        "training/metrics.py": "the log of losses, metrics.jsonl and TensorBoard",
    },
    "document": {
        "text/": "kernels that the steps call with a batch of texts",
        "corpus/inputs.py": "digests of the input files",
    },
    "token": {},
    "family": {
        "models/methods.py": "what Hugging Face's calls accept, for every model",
        "models/outputs.py": "the named fields of what a call returns",
    },
}
COUNTED = {"training_step": ("layers/loss.py",)}


@dataclass
class Limit:
    """The most files and lines that a path may have; None: no limit."""

    files: int
    lines: int | None


LIMITS = {
    "training_step": Limit(5, 1200),
    "document": Limit(6, 1500),
    "token": Limit(5, None),
    "family": Limit(4, 700),
}


@dataclass
class Count:
    """What was counted for one path: the files in which code ran, with all of their lines."""

    path: str
    name: str
    files: dict[str, int] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        """Lines of all the files."""
        return sum(self.files.values())

    @property
    def is_over(self) -> bool:
        """Whether the count is over a limit."""
        limit = LIMITS[self.path]
        return len(self.files) > limit.files or (limit.lines is not None and self.lines > limit.lines)


class Tracer:
    """Records the files of massivetext in which functions are called while it is on; imports have been done before."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.on = False

    @contextmanager
    def installed(self, threads_only: bool = False) -> Iterator[None]:
        """Watch this thread, unless threads_only, and all threads that start inside the block."""
        threading.setprofile(self._note)
        if not threads_only:
            sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    @contextmanager
    def recording(self, threads_only: bool = False) -> Iterator[None]:
        """Watch and record everything inside the block."""
        with self.installed(threads_only):
            self.on = True
            yield
            self.on = False

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        if self.on and event == "call" and frame.f_code.co_filename.startswith(str(PACKAGE)):
            self.found.add(frame.f_code.co_filename)

    def add_classes(self, model: torch.nn.Module) -> None:
        """Record the files of the classes of a model's parts, also where they only inherit what runs."""
        for part in model.children():
            self.add_classes(part)
            file = sys.modules[type(part).__module__].__file__ or ""
            if file.startswith(str(PACKAGE)):
                self.found.add(file)

    def count(self, path: str, name: str) -> Count:
        """Return the count of what was recorded."""
        files = sorted(Path(file).relative_to(PACKAGE).as_posix() for file in self.found)
        out = {**LEFT_OUT, **LEFT_OUT_OF[path]}
        kept = [
            file
            for file in files
            if file in COUNTED.get(path, ())
            or not (file in out or any(file.startswith(folder) for folder in out if folder.endswith("/")))
        ]
        if not kept:
            raise SystemExit(f"{name}: the tracer saw no code of massivetext; mend this script, which starts it")
        return Count(path, name, {file: len((PACKAGE / file).read_text("utf-8").splitlines()) for file in kept})


class TracedBatches:
    """Batches that trace from the moment that one step's batch is asked for to the moment that the next one's is."""

    STEP = 2

    def __init__(self, batches: TrainingOrder, tracer: Tracer) -> None:
        self.batches, self.tracer, self.sources = batches, tracer, batches.sources

    def batch(self, step: int) -> Any:
        """Return the batch of a step."""
        self.tracer.on = step == self.STEP
        return self.batches.batch(step)


def training_step(folder: Path) -> Iterator[Count]:
    """Yield the count of one step of `train`: batch, loss, gradient, update, its row in the log."""
    ids = np.arange(2000, dtype=np.uint32) % 90
    documents: Any = DocumentsInMemory(ids, np.arange(0, 2001, 50).astype(np.uint64), 0)
    tracer = Tracer()
    batches = TracedBatches(TrainingOrder(documents, "train", None, 16, 4, seed=0), tracer)
    settings = TrainSettings.parse(
        {"context_tokens": 16, "batch_tokens": 64, "steps": TracedBatches.STEP + 2, "compile": "off", "threads": 2}
    )
    with tracer.installed():
        train(tiny("llama"), batches, settings, folder, quiet=True)
    yield tracer.count("training_step", "one training step, without the model")


def document(folder: Path) -> Iterator[Count]:
    """Yield the count of one text file in a corpus build: what the threads do that carry it from file to Parquet.

    The main thread plans the build and writes the manifest; that is the build's path, not the document's.
    """
    (folder / "texts").mkdir(parents=True)
    (folder / "texts" / "one.txt").write_text("The harbour was quiet before dawn. " * 20, encoding="utf-8")
    recipe = {
        "sources": [{"name": "texts", "path": str(folder / "texts")}],
        "steps": ["normalise", "statistics", {"length": {"min_characters": 20}}],
        "split": {"validation": 0, "test": 0},
    }
    tracer = Tracer()
    with tracer.recording(threads_only=True):
        mt.build_corpus(recipe, folder / "corpus", quiet=True)
    yield tracer.count("document", "one document, from file to written row")


def token(folder: Path) -> Iterator[Count]:
    """Yield the count of one sampled token: the fast decoding step, its kernels and the model's embedding included."""
    settings = generation_settings({}, {"max_new_tokens": 5, "do_sample": True, "seed": 1})
    tokens = decode_steps(tiny("llama"), torch.tensor([[1, 2, 3]]), None, settings)
    next(tokens), next(tokens)
    tracer = Tracer()
    with tracer.recording():
        next(tokens)
    yield tracer.count("token", "one generated token")


DECODER = {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
DISTILBERT = {"vocab_size": 96, "dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4}
T5 = {"vocab_size": 96, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
BART = {
    "vocab_size": 96, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48,
}  # fmt: skip
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        name: ("AutoModelForCausalLM", DECODER)
        for name in (
            *("arcee", "gpt2", "gpt_neox", "llama", "mistral", "nanochat"),
            *("openai-gpt", "opt", "palm", "qwen2", "qwen3"),
        )
    },
    **{name: ("AutoModelForMaskedLM", DECODER) for name in ("bert", "roberta", "xlm-roberta")},
    "distilbert": ("AutoModelForMaskedLM", DISTILBERT),
    **{name: ("AutoModelForSeq2SeqLM", T5) for name in ("t5", "mt5")},
    "bart": ("AutoModelForSeq2SeqLM", BART),
    "marian": ("AutoModelForSeq2SeqLM", BART | {"pad_token_id": 95, "decoder_start_token_id": 95}),
}
"""Which Auto class makes a model of each family, and its tiny sizes."""


def tiny(name: str) -> Any:
    """Return a small fresh model of a family, for evaluation."""
    auto, sizes = FAMILIES[name]
    return getattr(mt, auto).from_config(mt.AutoConfig.for_model(name, **sizes)).eval()


def family(folder: Path) -> Iterator[Count]:
    """Yield the count of each family's forward pass, `model(input_ids)`."""
    for name, (auto, _) in sorted(FAMILIES.items()):
        model, ids = tiny(name), torch.arange(3, 12)[None]
        options = {"decoder_input_ids": ids} if "Seq2Seq" in auto else {}
        tracer = Tracer()
        with tracer.recording(), torch.no_grad():
            model(ids, **options)
        tracer.add_classes(model)
        yield tracer.count("family", f"forward pass of {name}")


PATHS: dict[str, Callable[[Path], Iterator[Count]]] = {
    "training_step": training_step, "document": document, "token": token, "family": family,
}  # fmt: skip


def import_everything() -> None:
    """Import all modules of massivetext, so that no import runs while a path is traced."""
    for module in pkgutil.walk_packages(mt.__path__, "massivetext."):
        if not module.name.endswith("__main__"):
            import_module(module.name)


def counted(paths: Iterable[str]) -> list[Count]:
    """Return the counts of the paths."""
    import_everything()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "overflow encountered")  # kernels as Python: hashes wrap around
    with tempfile.TemporaryDirectory() as folder:
        return [count for path in paths for count in PATHS[path](Path(folder) / path)]


def worst(counts: Sequence[Count]) -> list[Count]:
    """Return one count for each path: the one with the most lines."""
    return [
        max((count for count in counts if count.path == path), key=lambda count: count.lines)
        for path in dict.fromkeys(count.path for count in counts)
    ]


def cells(count: Count) -> tuple[str, str, str]:
    """Return the name of a path, its files and its lines, each number with its limit."""
    limit = LIMITS[count.path]
    lines = f"{count.lines:,}" if limit.lines is None else f"{count.lines:,} of {limit.lines:,}"
    return count.name, f"{len(count.files)} of {limit.files}", lines


def listed(where: str, table: dict[str, str]) -> str:
    """Return files and the reasons why they were left out, as an item of a Markdown list."""
    files = "; ".join(f"`{file}` ({why})" for file, why in table.items())
    return fill(f"- {where}: {files}.", 120, subsequent_indent="  ")


def markdown(counts: Sequence[Count]) -> str:
    """Return the table for CONTRIBUTING.md, with the date and what was left out."""
    families = [count for count in counts if count.path == "family"]
    rows = []
    for count in worst(counts):
        name, files, lines = cells(count)
        if count.path == "family":
            name = f"a family's forward pass; the longest of {len(families)}: {count.name.split()[-1]}"
        rows.append(f"| {name} | {files} | {lines} |")
    left_out = {"everywhere": LEFT_OUT, **{path.replace("_", " "): table for path, table in LEFT_OUT_OF.items()}}
    return "\n".join(
        [
            f"Counted on {date.today().isoformat()} by `python scripts/reading_budget.py`: files of the package in",
            "which code runs, with all of their lines.",
            "",
            "| path | files, of at most | lines, of at most |",
            "|---|---|---|",
            *rows,
            "",
            "Left out:",
            "",
            *(listed(where, table) for where, table in left_out.items() if table),
        ]
    )


def write_table(counts: Sequence[Count]) -> None:
    """Put the table between its marks in CONTRIBUTING.md."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    CONTRIBUTING.write_text(f"{before}{BEGIN}\n{markdown(counts)}\n{END}{after}", encoding="utf-8")


def main() -> int:
    """Count, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PATHS, help="count one path")
    parser.add_argument("--files", action="store_true", help="name the files and their lines")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="put the table into CONTRIBUTING.md")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a count is over its limit")
    options = parser.parse_args()
    if options.write and options.only:
        parser.error("--write needs all paths; leave out --only")
    counts = counted([options.only] if options.only else PATHS)
    if options.json:
        rows = [
            {"path": count.path, "name": count.name, "files": count.files, "lines": count.lines, "over": count.is_over,
             "limit": asdict(LIMITS[count.path])}
            for count in counts
        ]  # fmt: skip
        print(json.dumps(rows, indent=2))
    else:
        for count in counts:
            name, files, lines = cells(count)
            print(f"{name:<55} {files:>9} files {lines:>15} lines{'   OVER THE LIMIT' if count.is_over else ''}")
            if options.files:
                print(*(f"    {file} {size}" for file, size in count.files.items()), sep="\n")
    if options.write:
        write_table(counts)
    return int(options.check and any(count.is_over for count in counts))


if __name__ == "__main__":
    sys.exit(main())
