"""Damage to every file of a finished run: `doctor` names it, no command uses it in silence or ends in a traceback."""

import random
import shutil
from pathlib import Path

import pytest
from small_run import small_recipe, write_texts

import massivetext as mt
from massivetext.corpus.inspecting import summary
from massivetext.errors import MassiveTextError
from massivetext.report.page import write_report
from massivetext.runs.verification import examine_folder
from massivetext.state import read_json

TIMES = {"elapsed_seconds", "sha256"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rot")
    write_texts(folder / "texts", documents=40)
    recipe = small_recipe(folder / "texts")
    recipe["corpus"]["steps"][2] = {"length": {"min_characters": 230}}  # so that something is dropped
    recipe["train"] |= {"steps": 4, "checkpoint_every_steps": 2, "evaluate_every_steps": 4}
    mt.run(recipe, folder / "run", quiet=True)
    return folder / "run", recipe


def files_of(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"]


def flipped(data, place, bit):
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def damages(data, chance, flips):
    """Yield (name, bytes) of a file's damaged versions: flips at its beginning, end and between, cuts, other JSON."""
    places = [0, len(data) - 1, *(chance.randrange(len(data)) for _ in range(flips))]
    for place in places:
        yield f"bit flipped in byte {place}", flipped(data, place, chance.randrange(8))
    yield "cut in half", data[: len(data) // 2]
    yield "empty", b""
    yield "a list", b"[]\n"
    yield "an empty object", b"{}\n"
    yield "NULs at the end", data[:-8] + bytes(8)
    yield "no UTF-8", b"\xff\xfe" + data[2:]


def named(path, findings):
    return [finding for finding in findings if finding.level == "error" and finding.found]


def check_doctor(run, flips, seed):
    chance = random.Random(seed)
    assert not named(run, examine_folder(run))
    missed = []
    for path in files_of(run):
        data = path.read_bytes()
        try:
            for what, changed in list(damages(data, chance, flips))[: None if flips > 1 else 1]:
                path.write_bytes(changed)
                if changed != data and not named(path, examine_folder(run)):
                    missed.append(f"{path.relative_to(run)}: {what}")
        finally:
            path.write_bytes(data)
    assert missed == []


def test_doctor_names_a_flipped_bit_in_any_file(made):
    check_doctor(made[0], 1, 1)


@pytest.mark.slow
def test_doctor_names_any_damage_in_any_file(made):
    check_doctor(made[0], 6, 2)


@pytest.mark.parametrize("name", ["corpus/documents/train", "corpus/dropped", "tokens/train/english", "checkpoints"])
def test_doctor_names_a_missing_file(made, tmp_path, name):
    run = Path(shutil.copytree(made[0], tmp_path / "run"))
    next(path for path in files_of(run / name)).unlink()
    assert named(run, examine_folder(run))


def test_doctor_names_foreign_parts(made, tmp_path):
    run = Path(shutil.copytree(made[0], tmp_path / "run"))
    part = next((run / "corpus/documents/train").glob("*.parquet"))
    shutil.copy(part, part.with_name("build-0001-part-00007.parquet"))
    shard = next((run / "tokens/train/english").glob("*.bin"))
    shutil.copy(shard, shard.with_name("shard-00007.bin"))
    found = " ".join(finding.found for finding in named(run, examine_folder(run)))
    assert "part-00007.parquet is not a part of this corpus" in found
    assert "shard-00007.bin is not a part of this store" in found
    with pytest.raises(MassiveTextError, match=r"is not a part of this corpus.*move foreign files away"):
        mt.load_corpus(run / "corpus")


def without_times(values):
    return {key: value for key, value in values.items() if key not in TIMES}


def texts_of(corpus):
    rows = [row for split in corpus.splits for batch in corpus.documents(split, columns=("id", "text", "source"))
            for row in batch.to_pylist()]  # fmt: skip
    return rows, [row for batch in corpus.dropped(columns=("id", "reason")) for row in batch.to_pylist()]


def commands(run, recipe, redo):
    """Return what the commands give that read a run; `redo`: scores and samples are made again from what is there."""

    def again():
        if redo:
            (run / "evaluation.json").unlink(missing_ok=True)
            (run / "samples.json").unlink(missing_ok=True)
        mt.run(recipe, run, quiet=True)
        return without_times(read_json(run / "evaluation.json")), read_json(run / "samples.json") if redo else None

    return {
        "run": again,
        "report": lambda: write_report(run).name,
        "inspect": lambda: summary(mt.load_corpus(run / "corpus"))["digest"],
        "documents": lambda: texts_of(mt.load_corpus(run / "corpus")),
        "model": lambda: str(mt.AutoModelForCausalLM.from_pretrained(run / "model").state_dict()),
    }


def check_commands(made, scratch, paths, chosen, seed, redo):
    source, recipe = made
    chance = random.Random(seed)
    untouched = Path(shutil.copytree(source, scratch / "untouched"))
    expected = {name: command() for name, command in commands(untouched, recipe, redo).items()}
    silent = []
    for path in paths:
        data = (source / path).read_bytes()
        for what, changed in [list(damages(data, chance, 2))[number] for number in chosen]:
            if changed == data:
                continue
            run = Path(shutil.copytree(source, scratch / "run"))
            (run / path).write_bytes(changed)
            for name, command in commands(run, recipe, redo).items():
                try:
                    if command() != expected[name]:
                        silent.append(f"{path}: {what}: {name}")
                except MassiveTextError as error:
                    assert str(path.name) in str(error) or str(path.parent.name) in str(error), (path, what, error)
            shutil.rmtree(run)
    assert silent == []


FEW = ("stages/corpus.json", "stages/train.json", "run.json", "metrics.jsonl", "evaluation.json", "samples.json",
       "recipe.yaml", "corpus/manifest.json", "tokens/manifest.json", "tokens/test/english/shard-00000.bin",
       "tokenizer/tokenizer.json")  # fmt: skip


def test_no_command_uses_a_damaged_file_in_silence_or_ends_in_a_traceback(made, tmp_path):
    check_commands(made, tmp_path, [Path(name) for name in FEW], (2, 4), 3, redo=False)


@pytest.mark.slow
def test_no_command_uses_any_damaged_file(made, tmp_path):
    paths = [path.relative_to(made[0]) for path in files_of(made[0])]
    check_commands(made, tmp_path, paths, (2, 3, 4, 5, 6), 4, redo=True)
