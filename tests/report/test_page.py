"""The page: complete in itself, honest about who won, whole in both languages, and there for unfinished runs."""

import re
from html.parser import HTMLParser

import pytest

from massivetext.errors import ConfigError, DataError
from massivetext.report.page import write_report
from massivetext.translations import chinese, language

from .synthetic import CHINESE, ENGLISH, make_run, write_json

VOID = {"meta", "wbr", "br", "hr", "link", "img", "input", "line", "rect", "circle", "path"}


class Page(HTMLParser):
    """Text of a page, its tags in balance, and every address it names."""

    def __init__(self, source):
        super().__init__()
        self.open, self.words, self.addresses = [], [], []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href", "action", "data")]
        if tag not in VOID or tag in ("rect", "circle", "path", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        while self.open and self.open[-1] in VOID and self.open[-1] != tag:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style",):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "quickstart")


def read(folder, language="en"):
    return write_report(folder, language).read_text(encoding="utf-8")


def test_the_page_loads_nothing(finished):
    page = Page(read(finished))
    assert page.addresses == []
    assert "<script" not in read(finished)
    assert "url(" not in read(finished)
    assert "@import" not in read(finished)


def test_the_page_is_small(finished):
    assert write_report(finished, "en").stat().st_size < 300_000


def test_the_tags_are_in_balance(finished):
    assert Page(read(finished)).open == []


def test_the_headline_is_the_score_beside_the_corpus_digest(finished):
    text = Page(read(finished)).text
    assert text.index("1.742") < text.index("bits per byte") < text.index("3fa9c2e13fa9") < text.index("The pipeline")


def test_who_lost_to_whom_is_said(finished):
    text = Page(read(finished)).text.replace("\u202f", " ")
    assert "It needs fewer bits than xz -9e (5.9 % fewer) and gzip -9 (16.4 % fewer)." in text
    lost = "the 5-gram model (14.5 % more) and xz -9e that has seen the training text (23.4 % more)"
    assert f"It needs more bits than {lost}." in text


def test_the_table_names_the_winner_and_the_margin(finished):
    text = Page(read(finished)).text.replace("\u202f", " ")
    assert "xz -9e, primed 7.2 % below 5-gram model" in text


def test_a_model_that_wins_is_named(tmp_path):
    from .synthetic import evaluation

    folder = make_run(tmp_path / "won")
    kept = {"code": 9_000_000, "reference": 3_000_000, "readme": 2_000_000}
    write_json(folder / "evaluation.json", evaluation(kept, mine=1.1))
    text = Page(read(folder)).text
    assert "It needs more bits" not in text
    assert "this model 22" in text  # the winner, then its margin


@pytest.mark.parametrize("number", ["20.3 MB", "18.0 MB", "5.39 M", "1,240 steps", "3.90 M", "1.742"])
def test_the_journey_has_its_numbers(finished, number):
    journey = Page(read(finished)).text.replace("\u202f", " ").split("The pipeline")[1].split("How well")[0]
    assert number in journey


def test_every_source_has_its_sample_and_its_prompt_is_marked(finished):
    page = read(finished)
    assert page.count("<mark>") == 3
    assert "<mark>def </mark>read_lines(path):" in page


def test_text_of_the_model_is_never_markup(finished):
    assert "a string &lt;b&gt;&amp;amp;&lt;/b&gt;." in read(finished)


def test_hostile_names_are_escaped(tmp_path):
    folder = make_run(tmp_path / "a<b>&run")
    write_json(folder / "samples.json", [{"source": "<i>", "prompt": "</pre><script>", "text": "</pre><script>x"}])
    page = read(folder)
    assert "<script" not in page and "<i>" not in page
    assert "a&lt;b&gt;&amp;run" in page


def test_the_chinese_page_holds_no_english_caption(tmp_path):
    folder = make_run(tmp_path / "zh", CHINESE)
    text = Page(read(folder, "zh")).text
    spoken = {english for english in chinese() if "{" not in english and len(english) > 12}
    assert not [english for english in spoken if english in text]
    assert "处理流程" in text and "床前明月光" in text and "390 万" in text.replace("\u202f", " ")


def test_the_language_in_use_is_restored(finished):
    before = language()
    write_report(finished, "zh")
    assert language() == before


def test_writing_twice_gives_the_same_page(finished):
    assert read(finished) == read(finished)


@pytest.mark.parametrize("until", ["recipe", "corpus", "tokens", "train", "model", "evaluate"])
@pytest.mark.parametrize("tongue", ["en", "zh"])
def test_an_unfinished_run_has_a_report_that_says_so(tmp_path, until, tongue):
    folder = make_run(tmp_path / "run", until=until)
    text = Page(read(folder, tongue)).text
    assert ("This run is not finished." if tongue == "en" else "这次运行尚未完成。") in text
    assert "samples.json" in text


def test_a_finished_run_is_not_called_unfinished(finished):
    assert "This run is not finished." not in read(finished)


def test_a_training_in_its_first_step_has_a_report(tmp_path):
    folder = make_run(tmp_path / "run", steps=1, until="train")
    assert "How it learned" in read(folder)


def test_rows_that_were_left_out_are_left_out_of_the_page(tmp_path):
    text = Page(read(make_run(tmp_path / "run", primed=False))).text
    assert "primed" not in text and "5-gram" in text


def test_many_sources_fit(tmp_path):
    many = {f"source-{i:02d}": 1_000_000 * (i + 1) for i in range(14)}
    page = read(make_run(tmp_path / "run", many, steps=40))
    assert all(page.count(name) >= 3 for name in many)


def test_the_recipe_and_the_way_on_are_there(finished):
    page = read(finished)
    assert "muon_learning_rate: 0.02" in page
    assert f"massivetext chat {finished}" in page
    assert re.search(r"--set train\.from=\S+ --set train\.steps=1240", page)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(DataError, match=r"has no recipe\.yaml; give a run folder"):
        write_report(tmp_path)
    with pytest.raises(DataError, match="is not there"):
        write_report(tmp_path / "nowhere")


def test_an_unknown_language_is_refused(finished):
    with pytest.raises(ConfigError, match="unknown language 'fr'"):
        write_report(finished, "fr")


def test_the_synthetic_sources_are_named_in_order(finished):
    text = Page(read(finished)).text
    assert [name for name in ENGLISH if name in text] == list(ENGLISH)


@pytest.mark.parametrize(("read_tokens", "passes"), [(4_320_000, "0.59"), (14_680_000, "2.00")])
def test_the_river_shows_how_much_of_the_training_text_the_model_read(tmp_path, read_tokens, passes):
    from massivetext.report.flow import journey_picture
    from massivetext.report.gathering import read_run

    facts = read_run(make_run(tmp_path / "run"))
    for number, entry in enumerate(facts.tokens["splits"]["train"].values()):
        entry["tokens"] = 7_340_000 if number == 0 else 0
    facts.training[-1]["tokens"] = read_tokens
    drawn = journey_picture(facts, {name: "c0" for name in facts.sources}).replace("\u202f", " ")
    assert f"{'4.32' if read_tokens < 7e6 else '14.7'} M tokens read" in drawn and f"{passes} passes" in drawn


@pytest.mark.parametrize("tongue", ["en", "zh"])
def test_the_markdown_copy_has_the_numbers_and_no_text_of_documents(tmp_path, tongue):
    folder = make_run(tmp_path / "a|b")
    write_json(folder / "run.json", {"version": "9.9", "packages": {"torch": "2.99"}, "commit": "abc123+"})
    write_report(folder, tongue)
    written = (folder / "report.md").read_text(encoding="utf-8")
    rows = [line for line in written.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {3, 5, 10}
    assert "# a\\|b: " in written and "1.742" in written and "9.9" in written
    assert "| torch | 2.99 |" in written and "abc123+" in written
    assert "def read_lines" not in written and "床前明月光" not in written
    if tongue == "zh":
        assert "How well" not in written and "预测效果" in written


def test_the_table_of_scores_names_its_columns_for_small_screens(finished):
    page = read(finished)
    names = re.findall(r'data-name="([^"]+)"', page)
    columns = len(set(names))
    assert columns == 8 and len(names) % columns == 0


def test_titles_say_which_page_it_is(finished):
    assert "<title>quickstart · run report · MassiveText</title>" in read(finished)
