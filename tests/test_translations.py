"""Every caption of the package has its Chinese, with the same fields."""

import ast
import re
from dataclasses import asdict
from pathlib import Path
from string import Formatter

import pytest

import massivetext
from massivetext.metrics.declarations import METRICS, SYSTEMS, Metric
from massivetext.translations import chinese, language, set_language, tr

PACKAGE = Path(massivetext.__file__).parent
IN_TEMPLATE = re.compile(r"""\btr\(\s*"((?:[^"\\]|\\.)*)\"""")
DECLARED = {
    caption
    for metric in [*METRICS.values(), Metric("", "")]
    for caption in (metric.label, metric.unit, metric.items, *asdict(metric.captions).values())
    if caption
} | {
    caption
    for system in SYSTEMS.values()
    for caption in (system.label, system.title, system.phrase, system.note)
    if caption and not re.fullmatch(r"\w+ -\w+", caption)  # "gzip -9" is the same in every language
}
"""Captions of metrics and systems."""
COMPUTED = {
    "corpus/steps/classifier.py": {"all", "han", "other"},
    "runs/checks.py": {"run folder", "corpus", "tokenizer", "mixture", "model", "train", "samples", "evaluate"},
    "runs/graph.py": {"corpus", "tokenizer", "tokens", "train", "model", "evaluate", "samples", "report"},
    "report/quantities.py": {
        "exact duplicate",
        "near duplicate",
        "normalised duplicate",
        "only repeated lines",
        "nothing left",
        "could not be parsed",
        "failed",
        "bridges two splits",
        "taken down earlier",
        "empty",
        "mostly U+FFFD",
        "longer than max_record_bytes",
        "broken JSON",
        "a redirect",
        "not an article",
        "another language",
        "language uncertain",
        "holds a benchmark item",
    },
    "report/flow.py": {"train", "validation", "test"},
    "metrics/declarations.py": DECLARED,
    "metrics/tables.py": {"test", "files"},
}
"""Captions that reach `tr` through a variable, by the file where they do."""


def captions_of(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        return set(IN_TEMPLATE.findall(text))
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    named = [node for node in calls if getattr(node.func, "id", None) == "tr" and node.args]
    return {node.args[0].value for node in named if isinstance(node.args[0], ast.Constant)}


FILES = sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html")])
USED = {path.relative_to(PACKAGE).as_posix(): captions_of(path) for path in FILES}
EVERY = {caption for captions in [*USED.values(), *COMPUTED.values()] for caption in captions}


def fields(text):
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name)


@pytest.fixture
def in_chinese():
    before = language()
    set_language("zh")
    yield
    set_language(before)


def test_the_captions_of_the_package_are_found():
    assert "bits per byte" in DECLARED
    assert "The model has not been scored yet." in USED["report/sections.py"]
    assert "The pipeline" in USED["report/template.html"]


def test_every_caption_has_its_chinese():
    missing = sorted(EVERY - set(chinese()))
    assert not missing, f"{len(missing)} captions lack Chinese in translations_zh.json:\n" + "\n".join(missing)


def strings_of(path):
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_no_chinese_is_left_without_a_caption():
    written = {text for path in PACKAGE.rglob("*.py") for text in strings_of(path)}
    unused = sorted(set(chinese()) - EVERY - written)
    assert not unused, "translations_zh.json holds captions that nothing uses:\n" + "\n".join(unused)


def test_both_languages_have_the_same_fields():
    wrong = {english: text for english, text in chinese().items() if fields(english) != fields(text)}
    assert not wrong


def test_f_strings_never_reach_the_table():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "tr":
                assert not isinstance(node.args[0], ast.JoinedStr), f"{path}:{node.lineno}"


def test_a_caption_is_shown_in_chinese(in_chinese):
    assert tr("{count} documents", count="3") == "3 篇文档"


def test_a_caption_without_chinese_is_shown_in_english(in_chinese):
    assert tr("nothing of this kind {x}", x=1) == "nothing of this kind 1"


@pytest.mark.parametrize(
    ("caption", "values", "written"),
    [
        ("{n} documents were dropped", {"n": "1"}, "1 document was dropped"),
        ("{n} documents were dropped", {"n": "2"}, "2 documents were dropped"),
        ("{count} other licences", {"count": 1}, "1 other licence"),
        ("{count} tokens, {passes} passes", {"count": "10", "passes": "1"}, "10 tokens, 1 pass"),
        ("{a} steps", {"a": "11"}, "11 steps"),
    ],
)  # fmt: skip
def test_one_is_singular(caption, values, written):
    assert tr(caption, **values) == written


def test_chinese_has_no_plural():
    set_language("zh")
    assert tr("{count} documents", count="1") == "1 篇文档"
    set_language("en")
