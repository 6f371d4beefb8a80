"""Checks everything before a long run: machine, packages, recipe, data, model, memory, time, disk; with remedies."""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from massivetext.errors import MassiveTextError
from massivetext.models.memory import memory_bytes
from massivetext.recipe import Recipe, load_recipe
from massivetext.report.quantities import count_text
from massivetext.runs.checks import recipe_faults
from massivetext.translations import tr


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: its level, what was found, and what to do about it."""

    level: Literal["ok", "warning", "error"]
    subject: str
    found: str
    remedy: str = ""


def examine(recipe: str | Path | None = None, overrides: Sequence[str] = (), out: Path | None = None) -> list[Finding]:
    """Return the findings on this machine and, where a recipe is given, on its data, model, memory, time and disk."""
    findings = [*_machine(), *_packages()]
    if recipe is not None:
        try:
            resolved = load_recipe(recipe, overrides)
        except MassiveTextError as error:
            return [*findings, Finding("error", tr("recipe"), str(error), tr("mend the recipe"))]
        out = out or Path("runs") / Path(recipe).stem
        faults = recipe_faults(resolved, out)
        findings += [Finding("error", subject, message, tr("mend the recipe")) for subject, message in faults]
        findings += [Finding("ok", tr("recipe"), str(recipe))] if not faults else []
        findings += _sources(resolved)
        if not faults:
            findings += _costs(resolved, _text_bytes(resolved))
        findings += _disk(out)
    return findings


def as_values(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings as one JSON object with the counts of each level."""
    counts = {level: sum(finding.level == level for finding in findings) for level in ("ok", "warning", "error")}
    return {**counts, "findings": [asdict(finding) for finding in findings]}


def as_text(findings: Sequence[Finding]) -> str:
    """Return the findings as lines for a terminal, remedies indented below."""
    marks = {"ok": "ok  ", "warning": "warn", "error": "FAIL"}
    lines = []
    for finding in findings:
        lines.append(f"{marks[finding.level]}  {finding.subject}: {finding.found}")
        if finding.remedy:
            lines.append(f"      → {finding.remedy}")
    return "\n".join(lines)


def _machine() -> Iterator[Finding]:
    version = platform.python_version()
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding("ok" if fits else "warning", "Python", version, "" if fits else tr("use Python 3.11, 3.12 or 3.13"))
    linux = sys.platform.startswith("linux")
    yield Finding(
        "ok" if linux else "warning",
        tr("system"),
        platform.platform(),
        "" if linux else tr("tested on Linux only; macOS should work, Windows needs WSL (file locks)"),
    )
    yield Finding("ok", tr("processor"), tr("{cores} cores", cores=os.cpu_count()))
    yield Finding("ok", tr("memory"), f"{memory_bytes() / 2**30:.1f} GiB")
    compiler = shutil.which("g++") or shutil.which("clang++")
    yield Finding(
        "ok" if compiler else "warning",
        tr("C++ compiler"),
        compiler or tr("none"),
        "" if compiler else tr("install g++: without it training runs uncompiled, about a third slower"),
    )


def _packages() -> Iterator[Finding]:
    """Yield a finding for each required package: there, too old, or missing."""
    try:
        requirements = importlib.metadata.requires("massivetext") or []
    except importlib.metadata.PackageNotFoundError:
        requirements = []
        yield Finding("warning", "massivetext", tr("not installed, run from its sources"), "pip install -e .")
    for requirement in requirements:
        if "extra ==" in requirement:
            continue
        name, _, least = re.split(r"[;,]", requirement)[0].partition(">=")
        name = name.split("<")[0].strip()
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding("error", name, tr("not installed"), f"pip install '{requirement}'")
            continue
        if least and _numbers(version) < _numbers(least):
            yield Finding("error", name, version, f"pip install '{requirement}'")
    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else tr("no accelerator: training on the CPU")
    yield Finding("ok", "torch", f"{torch.__version__}, {device}")
    from massivetext.tokens.fast import fast_encoder_available

    fast = fast_encoder_available()
    yield Finding(
        "ok" if fast else "warning",
        "fastokens",
        tr("fast encoder in use") if fast else tr("fast encoder not usable here"),
        "" if fast else tr("pip install -U fastokens; the slower reference encoder is used meanwhile"),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _sources(recipe: Recipe) -> Iterator[Finding]:
    """Yield a finding for each source: its files and their size, or why they cannot be read."""
    from massivetext.corpus.readers.finding import input_files
    from massivetext.corpus.readers.records import make_reader

    for source in recipe.corpus.sources:
        subject = tr("source {name}", name=source.name)
        try:
            files = input_files(source)
            for name in sorted({file.format for file in files}):
                make_reader(name, source).check([file for file in files if file.format == name])
        except (MassiveTextError, OSError) as error:
            yield Finding("error", subject, str(error), tr("mend the source's path"))
            continue
        size = sum(file.size for file in files)
        found = tr("{files} files, {megabytes} MB", files=len(files), megabytes=f"{size / 1e6:.1f}")
        yield Finding("ok", subject, found)


def _text_bytes(recipe: Recipe) -> int:
    """Return the bytes of the files of those sources that can be read."""
    from massivetext.corpus.readers.finding import input_files

    total = 0
    for source in recipe.corpus.sources:
        with suppress(MassiveTextError, OSError):
            total += sum(file.size for file in input_files(source))
    return total


def _costs(recipe: Recipe, total_bytes: int) -> Iterator[Finding]:
    """Yield findings on the size of the model, the memory and the time its training needs, and the data beside it."""
    import torch

    from massivetext.models.construction import new_config
    from massivetext.models.families.table import CLASSES
    from massivetext.models.listing import TRAINED_BYTES, USABLE_SHARE
    from massivetext.models.presets import parameter_count
    from massivetext.training.utilisation import MatmulPeak, flops_per_token

    config = new_config(recipe.model, recipe.train.context_tokens, recipe.tokenizer.vocab_size)
    parameters = parameter_count(config)
    model = CLASSES["causal-lm"][config.model_type](config, None)  # without weights: nothing is allocated
    needed = parameters * TRAINED_BYTES
    enough = needed < USABLE_SHARE * memory_bytes()
    yield Finding(
        "ok" if enough else "error",
        tr("model"),
        tr(
            "{millions} M parameters; training holds about {gigabytes} GiB beside activations",
            millions=f"{parameters / 1e6:.1f}",
            gigabytes=f"{needed / 2**30:.2f}",
        ),
        "" if enough else tr("take a smaller model or a machine with more memory"),
    )
    settings = recipe.train
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    peak = MatmulPeak(device, torch.bfloat16 if device.type == "cuda" else torch.float32).value()
    rate = 0.7 * peak / flops_per_token(model, settings.context_tokens)
    if settings.minutes is not None:
        tokens = settings.minutes * 60 * rate
    elif settings.steps is not None:
        tokens = settings.steps * settings.batch_tokens
    else:
        tokens = settings.tokens or (settings.epochs or 1) * total_bytes / 4
    yield Finding(
        "ok",
        tr("time"),
        tr(
            "about {tokens} M tokens in {minutes} min of training at 70 % of this machine's matmul peak",
            tokens=f"{tokens / 1e6:.1f}",
            minutes=f"{tokens / rate / 60:.1f}",
        ),
    )
    if not total_bytes:
        return
    passes = tokens / (total_bytes / 4)
    many, shown = passes > 4, f"{passes:,.1f}" if passes < 1e6 else count_text(passes)
    yield Finding(
        "warning" if many else "ok",
        tr("data"),
        tr("about {passes} passes over the text, if a token is four bytes", passes=shown),
        tr("more than about four passes teach little: bring more text or train shorter") if many else "",
    )


def _disk(out: Path) -> Iterator[Finding]:
    folder = out.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    enough = free > 2 * 2**30
    yield Finding(
        "ok" if enough else "warning",
        tr("disk"),
        tr("{gigabytes} GiB free at {folder}", gigabytes=f"{free / 2**30:.1f}", folder=folder),
        "" if enough else tr("free some space or choose another place with --out"),
    )
