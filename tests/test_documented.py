"""Every recipe runs to its end, and every command in the documents and in the help texts does what it shows."""

import inspect
import json
import re
import shlex
from pathlib import Path

import newcomer
import pytest
import typer.main
from newcomer import WRITERS, overrides, prose, write
from stand_ins import write_bert
from typer.testing import CliRunner

import massivetext as mt
from massivetext.cli import app
from massivetext.cli.help import commands_below
from massivetext.recipe import BUILT_IN, load_corpus_recipe, load_recipe
from massivetext.runs import execution
from massivetext.translations import set_language

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "recipes/README.md"]
PAGES += sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").rglob("*.md"))
RECIPES = sorted(path.stem for path in (REPOSITORY / "recipes").glob("*.yaml"))
runner = CliRunner()


@pytest.fixture(autouse=True)
def english():
    yield
    set_language("en")


def path_of(recipe):
    return recipe if recipe in BUILT_IN else str(REPOSITORY / "recipes" / f"{recipe}.yaml")


def invoke(words, **options):
    done = runner.invoke(app, words, **options)
    assert done.exit_code == 0, (shlex.join(words), done.exception or done.output)
    return done


def page(name):
    return (REPOSITORY / name).read_text(encoding="utf-8")


# Recipes


@pytest.mark.parametrize("recipe", [*RECIPES, *BUILT_IN])
def test_the_recipe_runs_to_its_report(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    WRITERS[recipe](tmp_path / "mydata")
    found = json.loads(invoke(["run", path_of(recipe), *overrides(recipe), "--json", "--quiet"]).stdout)
    assert Path(found["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    chinese = load_recipe(path_of(recipe)).language == "zh"
    assert ('lang="zh' in Path(found["report"]).read_text(encoding="utf-8")[:200]) == chinese
    kept = json.loads(Path("runs", recipe, "corpus", "manifest.json").read_text(encoding="utf-8"))
    assert sum(split["documents"] for split in kept["splits"].values()) > 20
    doctor = runner.invoke(app, ["doctor", f"runs/{recipe}"])
    assert doctor.exit_code == 0, doctor.output


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "quickstart-long"])
def test_doctor_names_each_source_that_a_newcomer_lacks(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = runner.invoke(app, ["doctor", path_of(recipe), "--json"])
    missing = [line["found"] for line in json.loads(done.output)["findings"] if line["level"] == "error"]
    sources = load_corpus_recipe(path_of(recipe)).corpus.sources
    assert done.exit_code == 1 and len(missing) == len(sources)
    for source, found in zip(sources, missing, strict=True):
        assert str(source.path).startswith("mydata") and f"'{source.name}'" in found and "mydata" in found


@pytest.mark.parametrize("recipe", ["english", "chinese", "web"])
def test_one_path_is_enough_for_the_recipe(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = runner.invoke(app, ["doctor", path_of(recipe), "--set", f"corpus.sources.0.path={REPOSITORY}", "--json"])
    assert not [line for line in json.loads(done.output)["findings"] if line["level"] == "error"], done.output


def uncommented(recipe):
    """Return the text of a recipe whose commented settings are switched on; comments in prose stay."""
    text = page(f"recipes/{recipe}.yaml")
    return re.sub(r"(?m)^( +)# (?=(- |  )*[a-z_]+:|  +- )", r"\1", text)


def test_the_sources_that_are_comments_in_the_web_recipe_are_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    newcomer.more_of_the_web(tmp_path / "mydata")
    write(tmp_path / "all.yaml", uncommented("web"))
    invoke(["corpus", "build", "all.yaml", *overrides("web"), "--quiet"])
    kept = {}
    for split in ("train", "validation", "test"):
        for batch in mt.load_corpus("runs/all/corpus").documents(split, columns=["source"]):
            for source in batch["source"].to_pylist():
                kept[source] = kept.get(source, 0) + 1
    assert set(kept) == {"pages", "encyclopedia", "answers", "cleaned", "chinese", "verse"}
    assert min(kept.values()) >= 6, kept


def test_the_nested_column_that_is_a_comment_in_the_chinese_recipe_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    newcomer.nested_chinese(tmp_path / "mydata")
    text = uncommented("chinese").replace("      text_column: content\n", "")
    write(tmp_path / "nested.yaml", text)
    assert "      text_column: data.paragraphs.context\n" in text
    invoke(["corpus", "build", "nested.yaml", *overrides("chinese"), "--quiet"])
    manifest = mt.load_corpus("runs/nested/corpus").manifest
    assert sum(split["documents"] for split in manifest["splits"].values()) == 40


# Commands


def help_examples():
    """Return the example of each verb's help."""
    texts = [inspect.cleandoc(one.help) for one in commands_below(typer.main.get_command(app)) if one.help]
    found = [re.search(r"Example: (massivetext .*)", text, re.DOTALL) for text in texts]
    return [" ".join(match[1].split()) for match in found if match]


def block_commands():
    """Return the lines in the code blocks of all pages."""
    found = []
    for name in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page(name), re.DOTALL):
            found += [part.strip() for line in block.splitlines() for part in line.split("&&") if part.strip()]
    return list(dict.fromkeys(found))


def inline_commands():
    """Return the commands in running text: verbs and options, with words such as FOLDER for a reader's own."""
    found = []
    for name in PAGES:
        text = re.sub(r"```.*?```", "", page(name), flags=re.DOTALL)
        found += [" ".join(words.split()) for words in re.findall(r"`(massivetext (?!as )[^`]+)`", text)]
    return list(dict.fromkeys(found))


def words_of(line):
    """Return the words after `massivetext`, without what the shell does with the output."""
    return shlex.split(line.partition(" > ")[0], comments=True)[1:]


def parsed(words):
    """Return the verb of a command line and its parameters; an unknown verb or option is an error."""
    command, context = typer.main.get_command(app), None
    while hasattr(command, "commands"):
        context = context or command.make_context("massivetext", list(words))
        name, command, words = command.resolve_command(context, list(words))
        context = command.make_context(name, list(words), parent=context)
        words = [*context._protected_args, *context.args] if hasattr(command, "commands") else words
    return command.name, context.params


BLOCK = [line for line in block_commands() if line.startswith("massivetext ")]
HELP = help_examples()


def test_commands_are_found():
    assert len(BLOCK) >= 10 and len(HELP) >= 20 and len(inline_commands()) >= 5


@pytest.mark.parametrize("line", inline_commands())
def test_a_command_in_running_text_names_a_verb_and_options_that_exist(line):
    words = words_of(line)
    command = typer.main.get_command(app)
    while hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, line
        command = command.commands[words.pop(0)]
    known = {"-h", "--help", *(option for parameter in command.params for option in parameter.opts)}
    assert {word for word in words if word.startswith("--")} <= known, line


@pytest.mark.parametrize("line", [*BLOCK, *HELP])
def test_a_command_is_read_with_its_options_and_keys(line, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    verb, given = parsed(words_of(line))
    recipe = given.get("recipe")
    if recipe and verb != "mixture":
        load = load_recipe if verb in ("run", "train", "doctor") else load_corpus_recipe
        assert load(recipe, given["overrides"] or ())


def test_programs_in_the_code_blocks_exist():
    programs = [words for line in block_commands() if (words := shlex.split(line, comments=True))]
    files = [words[1] for words in programs if words[0] in ("python", "pytest") and not words[1].startswith("-")]
    assert files and all((REPOSITORY / file).is_file() for file in files), files


SMALLER = {"train.minutes=10": "train.steps=4", "train.steps=2000": "train.steps=8"}
STAND_IN_RUNS = {"runs/before": "english", "runs/after": "english", "runs/english": "english"}

SPLIT = overrides("english")[:2]


def smaller(line):
    """Return the words of a documented command with what makes it small; what it sets itself stays."""
    words = [SMALLER.get(word, word) for word in words_of(line)]
    verb, given = parsed(words)
    if "overrides" not in given or verb in ("doctor", "mixture"):
        return words
    recipe = Path(given["recipe"]).stem
    kept = {text.partition("=")[0] for text in given["overrides"] or () if not text.startswith("tokenizer.vocab_size")}
    more = SPLIT if verb == "append" else overrides(recipe)
    pairs = [more[at : at + 2] for at in range(0, len(more), 2)]
    return [*words, *(word for pair in pairs if pair[1].partition("=")[0] not in kept for word in pair)]


@pytest.fixture(scope="module")
def newcomers_folder(tmp_path_factory):
    """A folder with the repository's recipes and pages, a newcomer's texts, and the runs that commands speak of."""
    home = tmp_path_factory.mktemp("newcomer")
    for name in ("recipes", "README.md", "README.zh-CN.md"):
        (home / name).symlink_to(REPOSITORY / name)
    newcomer.mixture(home / "mydata")
    newcomer.web(home / "mydata")
    newcomer.english(home / "mydata")
    newcomer.python_files(home / "mydata", 30)
    newcomer.debian(home / "mydata")
    newcomer.chinese(home / "我的文本")
    for number in range(5):
        write(home / "more" / f"{number}.txt", prose("en", 5000 + number) + "\n")
    for number in range(30):
        write(home / "mydata" / "good" / f"{number}.txt", prose("en", 6000 + number))
        write(home / "mydata" / "bad" / f"{number}.txt", "click here !!! " * 9 + prose("en", 6100 + number, 1))
    write(home / "pages.jsonl", newcomer.lines([prose("en", 7000)], url="https://example.org/a"))
    write_bert(home / "models" / "bert-base-uncased")
    return home


def in_order(lines):
    """Return the commands, those that make runs first; the one that goes on from a run after it, takedowns last."""
    first = {"run": 0, "train": 2, "append": 3, "remove": 4}
    return sorted(dict.fromkeys(lines), key=lambda line: first.get(parsed(words_of(line))[0], 2))


def test_every_documented_command_runs(newcomers_folder, monkeypatch):
    monkeypatch.chdir(newcomers_folder)
    monkeypatch.setenv("MASSIVETEXT_MODELS", str(newcomers_folder / "models"))
    for folder, recipe in STAND_IN_RUNS.items():
        paths = ["--set", "corpus.sources.0.path=mydata/*.txt"]
        verb = ["run"] if folder == "runs/english" else ["corpus", "build"]
        invoke([*verb, path_of(recipe), "--out", folder, *overrides(recipe), *paths, "--quiet"])
    done = set()
    for line in in_order([*BLOCK, *HELP]):
        words = smaller(line)
        if tuple(words) in done:
            continue
        done.add(tuple(words))
        words += ["--overwrite"] * (words[0] == "run")  # several examples write runs/mine
        if words[:2] == ["corpus", "remove"]:  # removes by address: let the corpus hold one
            source = "corpus.sources.0={name: pages, path: pages.jsonl}"
            invoke(["corpus", "append", "recipes/english.yaml", "--to", "runs/mine", "--set", source, *SPLIT])
        result = runner.invoke(app, words, input="Hello\n你好\n")
        assert result.exit_code == 0, (line, result.exception or result.output)
    for made in ("runs/longer/model", "explanation.html", "head.svg", "quickstart.gguf", "classifiers/prose"):
        assert Path(made).exists(), made


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_python_of_the_readme_runs(name, newcomers_folder, monkeypatch):
    monkeypatch.chdir(newcomers_folder)
    small = [word for word in overrides("quickstart") if word != "--set"]
    monkeypatch.setattr(mt, "run", lambda recipe: execution.run(recipe, "runs/python", small, quiet=True))
    for example in re.findall(r"```python\n(.*?)```", page(name), re.DOTALL):
        exec(compile(example, name, "exec"), {})
