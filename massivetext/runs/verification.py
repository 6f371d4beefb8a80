"""`massivetext doctor FOLDER`: compares every file of a run or a corpus with the digest that was recorded for it.

Something vouches for each part of a run: the manifests for corpus and token store, `COMPLETE` for a checkpoint,
`massivetext.json` for the model, the markers in `stages/` for what the stages left, and a digest of its own for each
marker, `run.json`, `evaluation.json`, `recipe.yaml` and the reports.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from massivetext.corpus.checking import check_parts
from massivetext.corpus.reading import open_manifest
from massivetext.errors import DataError, MassiveTextError
from massivetext.evaluation.results import read_scores
from massivetext.report.page import COMMENT, REPORT, REPORT_MARKDOWN
from massivetext.runs.doctor import Finding
from massivetext.runs.folder import RECIPE, RUN
from massivetext.runs.stages import GRAPH, TRAININGS
from massivetext.runs.training import MODEL
from massivetext.state import STAGES, read_sealed, read_state, recorded_faults
from massivetext.tokens.store import open_store
from massivetext.training.checkpoints import checkpoint_folders, find_damage
from massivetext.translations import tr

AGAIN = "Restore it from a copy, or delete it and give the same `massivetext run` again"


def examine_folder(folder: Path) -> list[Finding]:
    """Return a finding for each part of a run or corpus folder: intact, or what is damaged and what to do about it.

    Raises DataError if the folder is neither. Reads every byte.
    """
    if (folder / STAGES).is_dir() or (folder / RECIPE).is_file():
        return [
            finding for check in (_corpus, _store, _checkpoints, _model, _stages, _files) for finding in check(folder)
        ]
    if (folder / "manifest.json").is_file():
        return [*_checked(tr("corpus"), lambda: corpus_faults(folder), AGAIN), *_page(folder)]
    raise DataError(
        f"{folder} is neither a run folder (no stages/) nor a corpus (no manifest.json); give one of these, or a recipe"
    )


def corpus_faults(folder: Path) -> list[str]:
    """Return what is wrong with a corpus, one sentence each, after reading every byte of it; an empty list: nothing."""
    try:
        manifest = open_manifest(folder)
    except MassiveTextError as error:
        return [str(error)]
    return check_parts(folder, manifest, whole=True)


def _checked(subject: str, faults: Callable[[], list[str]], remedy: str) -> Iterator[Finding]:
    """Yield a finding for each fault that a check returns or raises, or one that says that there is none."""
    try:
        found = faults()
    except MassiveTextError as error:
        found = [str(error)]
    for fault in found:
        yield Finding("error", subject, fault, "" if remedy in fault else remedy)
    if not found:
        yield Finding("ok", subject, tr("as recorded"))


def _corpus(run: Path) -> Iterator[Finding]:
    folder = run / "corpus"
    if (folder / "manifest.json").is_file() or (folder / "documents").is_dir():
        yield from _checked(tr("corpus"), lambda: corpus_faults(folder), AGAIN)
        yield from _page(folder)


def _page(folder: Path) -> Iterator[Finding]:
    """Yield a finding on each form of a folder's report that is there."""
    for path in (folder / REPORT, folder / REPORT_MARKDOWN):
        if path.is_file():
            remedy = tr("write it again with `massivetext report {folder}`", folder=folder)
            yield from _checked(tr("report"), partial(_report_faults, path, remedy), remedy)


def _store(run: Path) -> Iterator[Finding]:
    folder = run / "tokens"
    if any(path.name[0] != "." for path in folder.glob("*")):
        remedy = tr("delete {folder} and give the same command again", folder=folder)
        yield from _checked(tr("tokens"), lambda: open_store(folder).faults(), remedy)


def _checkpoints(run: Path) -> Iterator[Finding]:
    for folder in [found for training in TRAININGS for found in checkpoint_folders(training.folder(run).checkpoints)]:
        remedy = tr("delete {folder}: the training resumes from the checkpoint before it", folder=folder)
        damage = find_damage(folder)
        found = [] if damage is None else [f"{folder}: {damage}"]
        yield from _checked(folder.name, partial(list, found), remedy)


def _model(run: Path) -> Iterator[Finding]:
    for folder in (run / training.output(MODEL) for training in TRAININGS):
        if folder.is_dir():
            remedy = tr(
                "delete {folder} and give the same command again: it is made from the last checkpoint", folder=folder
            )
            yield from _checked(tr("model"), partial(_model_faults, folder), remedy)


def _model_faults(folder: Path) -> list[str]:
    from massivetext.models.auto import AutoModelForCausalLM

    return _none(AutoModelForCausalLM.from_pretrained(folder))


def _stages(run: Path) -> Iterator[Finding]:
    """Yield a finding for each stage: its marker, and the files that the marker vouches for."""
    for name in (stage.name for stage in GRAPH.order):
        marker = run / STAGES / f"{name}.json"
        if marker.is_file():
            yield from _checked(f"stages/{name}.json", partial(recorded_faults, run, name), AGAIN)


def _files(run: Path) -> Iterator[Finding]:
    """Yield a finding for each of the run's own files that carries a digest."""
    if (run / RECIPE).is_file():
        same = tr("give the same command again: it is written again")
        yield from _checked(RECIPE, lambda: _none(read_sealed(run / RECIPE, same)), same)
    if (run / RUN).is_file():
        yield from _checked(RUN, lambda: _none(read_state(run / RUN, (), AGAIN)), AGAIN)
    if (run / "evaluation.json").is_file():
        yield from _checked("evaluation.json", lambda: _none(read_scores(run / "evaluation.json", AGAIN)), AGAIN)
    yield from _page(run)


def _report_faults(path: Path, remedy: str) -> list[str]:
    return _none(read_sealed(path, remedy, COMMENT))


def _none(_: object) -> list[str]:
    """Return no fault: the check raises where there is one."""
    return []
