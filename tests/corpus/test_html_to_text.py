"""`html_to_text`: pages become their main text, other texts stay, hostile pages cost no more than themselves."""

import json
import os
import signal

import pyarrow as pa
import pytest

from massivetext.corpus import working
from massivetext.corpus.building import build_corpus
from massivetext.corpus.html_to_text import HtmlToText, HtmlToTextSettings
from massivetext.corpus.main_text import MAX_NESTING, is_too_deep, main_text
from massivetext.corpus.readers.columns import meta_json

PAGE = """<html><head><title>{title}</title></head><body><nav><a href="/">Home</a> <a href="/b">About us</a></nav>
<article><h1>{title}</h1><p>{first}</p><p>{second}</p></article><footer>Copyright, all rights reserved</footer>
</body></html>"""
ENGLISH = PAGE.format(
    title="Cats",
    first="The cat is a small animal that many people keep at home, for its company and for catching mice.",
    second="It sleeps for most of the day, and hunts at dawn and at dusk, when its eyes see better than ours.",
)
CHINESE = PAGE.format(
    title="猫",
    first="猫是一种小型动物，许多人把它养在家里，既是为了陪伴，也是为了捉老鼠。它的听觉和嗅觉都非常灵敏。",
    second="它一天中的大部分时间都在睡觉，只在黎明和黄昏时分出来捕猎，那时它的眼睛比我们看得更清楚。",
)
HTML = meta_json({"content_type": "text/html"})


def batch(*rows):
    texts, metas = zip(*rows)
    return pa.RecordBatch.from_arrays([pa.array(texts, pa.string()), pa.array(metas, pa.string())], ["text", "meta"])


def edited(step, *rows):
    return step.edit(batch(*rows)).to_pylist()


def step(**values):
    return HtmlToText(HtmlToTextSettings.parse(values, "step"))


@pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse"])
@pytest.mark.parametrize(("page", "inside"), [(ENGLISH, "catching mice."), (CHINESE, "捉老鼠。")])
def test_the_main_text_is_kept_and_what_is_around_it_is_not(extractor, page, inside):
    (text,) = edited(step(extractor=extractor), (page, HTML))
    assert inside in text
    assert "About us" not in text and "<" not in text and "all rights reserved" not in text


def test_all_takes_everything_visible():
    (text,) = edited(step(extractor="all"), (ENGLISH, HTML))
    assert "About us" in text and "catching mice" in text


def test_texts_that_are_not_marked_as_html_stay(tmp_path):
    plain = meta_json({"content_type": "text/plain"})
    rows = [("if a <b and c> d", None), ("<p>as is</p>", plain), (None, HTML)]
    assert edited(step(), *rows) == [text for text, _ in rows]
    given = batch(("a", None))
    assert step().edit(given).buffers()[2].address == given.column("text").buffers()[2].address


def test_everything_is_html_where_the_recipe_says_so():
    assert edited(step(only_marked=False, extractor="all"), ("<p>one</p><p>two</p>", None)) == ["one\n\ntwo"]


@pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse", "all"])
def test_a_page_nested_a_hundred_thousand_deep_ends_soon_and_the_next_is_read(extractor):
    deep = "<html><body>" + "<div>" * 100_000 + "deep" + "</div>" * 100_000
    hostile, text = edited(step(extractor=extractor, seconds_per_page=20), (deep, HTML), (ENGLISH, HTML))
    assert hostile in ("", "deep")
    assert "catching mice" in text


@pytest.mark.parametrize(("depth", "deep"), [(MAX_NESTING, False), (MAX_NESTING + 1, True)])
def test_too_deep_is_more_than_the_limit(depth, deep):
    assert is_too_deep("<div>" * depth + "<br>" * MAX_NESTING) == deep


def test_paragraphs_and_items_left_open_are_not_deep():
    assert not is_too_deep("<p>text<li>item" * MAX_NESTING * 2)


def test_a_worker_that_is_killed_costs_its_text_and_no_other(monkeypatch):
    task = "test_html_to_text:misbehave"
    monkeypatch.syspath_prepend(os.path.dirname(__file__))
    assert working.run(task, "!", "a", 60) == "a!"
    assert working.run(task, "!", "die", 60) is None
    assert working.run(task, "!", "b", 60) == "b!"
    assert working.run(task, "!", "raise", 60) is None
    assert working.run(task, "!", "print", 60) == "print!"
    assert working.run(task, "!", "c" * 10**6, 60) == "c" * 10**6 + "!"
    assert working.run(task, "!", "sleep", 1) is None
    assert working.run(task, "!", "d", 60) == "d!"


def misbehave(argument, text):
    """What the workers of the test above do."""
    if text == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "raise":
        raise ValueError(text)
    if text == "print":
        print("noise")
    if text == "sleep":
        signal.pause()
    return text + argument


def test_the_library_that_decides_is_part_of_the_description():
    assert step().describe()["library"].startswith("trafilatura ")
    assert step(extractor="all").describe()["library"].startswith("resiliparse ")


@pytest.mark.shared
def test_marked_articles_are_found_as_well_as_the_benchmark_says(shared):
    import gzip

    marked = json.loads((shared / "article-extraction/ground-truth.json").read_text())
    for name in sorted(marked)[:12]:
        page = gzip.decompress((shared / f"article-extraction/html/{name}.html.gz").read_bytes()).decode(
            errors="replace"
        )
        words = set(marked[name]["articleBody"].split())
        found = set(main_text("trafilatura", page).split())
        assert len(words & found) >= 0.8 * len(words), name


def test_a_page_that_fails_and_one_without_text_are_dropped_under_the_steps_name(tmp_path, monkeypatch):
    original = HtmlToText._text
    monkeypatch.setattr(HtmlToText, "_text", lambda self, page: None if "fails" in page else original(self, page))
    for name, page in (("a", ENGLISH), ("b", "<html><body>fails</body></html>"), ("c", "<html><img src=x></html>")):
        (tmp_path / f"{name}.html").write_text(page)
    recipe = {
        "sources": [{"name": "pages", "path": str(tmp_path / "*.html")}],
        "steps": [{"html_to_text": {"extractor": "all"}}, "normalise", {"gopher_quality": {"min_words": 10}}],
        "split": {"validation": 0, "test": 0},
    }
    corpus = build_corpus(recipe, tmp_path / "out", quiet=True)
    gone = {row["uri"]: row for batch in corpus.dropped() for row in batch.to_pylist()}
    assert {uri: (row["step"], row["reason"]) for uri, row in gone.items()} == {
        "b.html": ("html_to_text", "could not be parsed"),
        "c.html": ("html_to_text", "nothing left"),
    }
    assert (
        gone["b.html"]["excerpt"] == "<html><body>fails</body></html>"
        and gone["c.html"]["excerpt"] == "<html><img src=x></html>"
    )
    counts = corpus.manifest["sources"]["pages"]
    assert counts["read"]["bytes"] == (
        counts["kept"]["bytes"]
        + sum(entry["bytes"] for entry in counts["dropped"].values())
        + sum(entry["removed_bytes"] for entry in counts["edited"].values())
    )


@pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse", "all"])
@pytest.mark.parametrize(
    ("ruby", "plain"),
    [
        ("<ruby>汉<rp>(</rp><rt>hàn</rt><rp>)</rp>字<rp>(</rp><rt>zì</rt><rp>)</rp></ruby>", "汉字"),
        ("<ruby>漢<rt>かん<rt>字</ruby>", "漢"),
        ("<ruby><rb>東<rb>京<rtc><rt>とう<rt>きょう</rtc></ruby>", "東京"),
        ("<RUBY class=x>明日<RT>あした</RT></RUBY>", "明日"),
    ],
)
def test_readings_above_characters_are_left_out(extractor, ruby, plain):
    page = CHINESE.replace("猫是一种", f"猫{ruby}是一种")
    (text,) = edited(step(extractor=extractor), (page, HTML))
    assert f"猫{plain}是一种" in text
    assert not set("àìかんとうきょあした") & set(text)


@pytest.mark.parametrize("part", ["<ruby>", "<ruby><rt>", "<rt>", "<ruby", "<rt></rt>", "</ruby>"])
def test_ruby_that_is_never_closed_takes_no_long_time(part):
    from time import process_time

    from massivetext.corpus.main_text import without_readings

    begun = process_time()
    without_readings("<ruby>" + part * 300_000)
    assert process_time() - begun < 5
