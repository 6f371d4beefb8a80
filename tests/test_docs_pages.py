"""Every page of docs/ has working links; recipes and programs on pages without a test of their own run as written."""

import re
from pathlib import Path
from pydoc_data.topics import topics

import newcomer
import pytest
import yaml
from newcomer import TINY, prose, write
from stand_ins import write_stand_ins

import massivetext as mt
from massivetext.corpus.building import build_corpus
from massivetext.recipe import load_corpus_recipe, load_recipe

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *REPOSITORY.glob("*.md"), REPOSITORY / "recipes" / "README.md"])
TESTED_ELSEWHERE = {"README", "README.zh-CN", "corpus", "explaining", "extending", "models", "steps"}
GENERATED = {"recipe.md", "commands.md", "api.md", "recipes.md", "contributing.md", "changelog.md"}
PARAGRAPHS = "<html><body><article><p>{}</p></article></body></html>"
LEAST = {"corpus": {"sources": [{"name": "books", "path": "mydata"}, {"name": "web", "path": "mydata"}]}}


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def named(pages, language):
    found = [(page, block) for page in pages for block in blocks(page, language)]
    return [pytest.param(*one, id=f"{one[0].relative_to(REPOSITORY)}: {one[1].splitlines()[0]}") for one in found]


OTHERS = [page for page in PAGES if page.stem not in TESTED_ELSEWHERE]
CHINESE = sorted((DOCS / "zh").glob("*.md"))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("published")
    write_stand_ins(root)
    return root


@pytest.mark.parametrize(("page", "example"), named([page for page in OTHERS if page not in CHINESE], "python"))
def test_the_program_runs(page, example, published, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MASSIVETEXT_MODELS", str(published))
    size = mt.AutoConfig.from_preset
    tiny = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    monkeypatch.setattr(mt.AutoConfig, "from_preset", lambda name: type(size(name))(**tiny))
    if "mydata" in example:
        newcomer.english(tmp_path / "mydata")
    exec(compile(example, str(page), "exec"), {})


@pytest.mark.parametrize(("page", "text"), named([*OTHERS, DOCS / "zh" / "steps.md"], "yaml"))
def test_the_recipe_is_read(page, text):
    values = yaml.safe_load(text)
    if isinstance(values, list):
        values = {"steps": values}
    if "steps" in values:
        values = {"corpus": {**LEAST["corpus"], **values}}
    load = load_recipe if {"model", "train"} <= set(values) else load_corpus_recipe
    if "mixture" in values:
        names = next(iter(values["mixture"].values()))
        values["corpus"] = {"sources": [{"name": name, "path": "mydata"} for name in names]}
    load({**LEAST, **values})


def test_the_recipe_of_the_first_page_runs(tmp_path, monkeypatch):
    common = " It has to be said that {} of these were there with the others in the garden of number {}. "
    monkeypatch.setattr(newcomer, "prose", lambda *given: prose(*given) + common.format(*given))  # Gopher's stop words
    monkeypatch.chdir(tmp_path)
    newcomer.english(tmp_path / "mydata")
    (text,) = blocks(DOCS / "getting-started.md", "yaml")
    assert text in (DOCS / "zh" / "getting-started.md").read_text(encoding="utf-8")
    tiny = [f"{key}={value}" for key, value in TINY.items() if key != "corpus.split"]
    assert Path(mt.run(yaml.safe_load(text), "out", tiny, quiet=True)["report"]).is_file()


def test_the_corpus_for_those_who_come_from_datatrove_is_built(tmp_path, monkeypatch):
    texts = iter(sorted(topics.values(), key=len)[-40:])  # Python's reference: English that no rule minds
    monkeypatch.setattr(newcomer, "prose", lambda *given: re.sub(r"[*`|]", "", next(texts)))
    monkeypatch.setattr(newcomer, "page", lambda text: PARAGRAPHS.format("</p><p>".join(text.split("\n\n"))))
    monkeypatch.setattr(newcomer, "write", lambda path, text: path.suffix == ".warc" and write(path, text))
    monkeypatch.chdir(tmp_path)
    newcomer.web(tmp_path / "mydata")
    (text,) = (text for text in blocks(DOCS / "coming-from.md", "yaml") if "warc" in text)
    corpus = build_corpus(yaml.safe_load(text), "out", quiet=True)
    assert corpus.manifest["splits"]["train"]["documents"] >= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_to_files(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s#]+)[^)\s]*\)", text):
        if "://" not in target:
            path = (page.parent / target).resolve()
            generated = path.parent in (DOCS / "reference", DOCS / "zh" / "reference") and path.name in GENERATED
            assert path.exists() or generated, target


def test_every_english_page_is_in_the_chinese_list_or_translated():
    listed = (DOCS / "zh" / "english.md").read_text(encoding="utf-8")
    for page in DOCS.glob("*.md"):
        assert (DOCS / "zh" / page.name).is_file() or f"(../{page.name})" in listed, page.name


def test_chinese_pages_have_the_code_of_the_english_ones():
    for page in CHINESE:
        known = (DOCS / page.name).read_text(encoding="utf-8") if (DOCS / page.name).is_file() else ""
        for example in blocks(page, "python"):
            assert example in known, (page.name, example)
