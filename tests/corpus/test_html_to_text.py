"""`html_to_text`: pages become their main text, other texts stay, hostile pages cost no more than themselves."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from massivetext.corpus import working
from massivetext.corpus.building import build_corpus
from massivetext.corpus.readers.columns import meta_json
from massivetext.corpus.steps.html_to_text import HtmlToText, HtmlToTextSettings
from massivetext.corpus.steps.main_text import MAX_CHARACTERS, MAX_NESTING, is_too_deep, main_text
from massivetext.errors import BadDocument, MassiveTextError

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
    second="它一天中的大部分时间都在睡觉，只在黎明和黄昏时分出来捕猎，那时它的眼睛比我们看得更清楚。猫与人相处已有数千年，古埃及人就已养猫守护粮仓；如今它是世界上最常见的宠物之一，品种多达数十个。",
)
HTML = meta_json({"content_type": "text/html"})


def batch(*rows):
    texts, metas = zip(*rows)
    return pa.RecordBatch.from_arrays([pa.array(texts, pa.string()), pa.array(metas, pa.string())], ["text", "meta"])


def edited(step, *rows):
    return step.edit(batch(*rows)).texts.to_pylist()


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
    assert step().edit(given).texts.buffers()[2].address == given.column("text").buffers()[2].address


def test_everything_is_html_where_the_recipe_says_so():
    assert edited(step(only_marked=False, extractor="all"), ("<p>one</p><p>two</p>", None)) == ["one\n\ntwo"]


@pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse", "all"])
def test_a_page_nested_a_hundred_thousand_deep_ends_soon_and_the_next_is_read(extractor):
    deep = "<html><body>" + "<div>" * 100_000 + "deep" + "</div>" * 100_000
    hostile, text = edited(step(extractor=extractor, seconds_per_page=20), (deep, HTML), (ENGLISH, HTML))
    assert hostile in (None, "", "deep")
    assert "catching mice" in text


@pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse", "all"])
def test_a_page_that_is_too_long_says_so(extractor, monkeypatch):
    page = ENGLISH.replace("<p>", "<p>" + "猫" * MAX_CHARACTERS)
    (reason,) = step(extractor=extractor).edit(batch((page, HTML))).reasons
    assert reason.as_py() == "longer than 20,000,000 characters"


@pytest.mark.parametrize(("depth", "deep"), [(MAX_NESTING, False), (MAX_NESTING + 1, True)])
def test_too_deep_is_more_than_the_limit(depth, deep):
    assert is_too_deep("<div>" * depth + "<br>" * MAX_NESTING) == deep


def test_paragraphs_and_items_left_open_are_not_deep():
    assert not is_too_deep("<p>text<li>item" * MAX_NESTING * 2)


@pytest.fixture
def task(monkeypatch):
    monkeypatch.syspath_prepend(os.path.dirname(__file__))
    return "test_html_to_text:misbehave"


def test_a_text_that_its_worker_cannot_read_is_refused_with_its_reason_and_the_next_is_read(task):
    assert working.run(task, "!", "a", 60) == "a!"
    for text, reason in (
        ("raise", working.UNPARSABLE),
        ("refuse", "for a reason"),
        ("exit", working.UNPARSABLE),
        ("crash", working.CRASHES),
        ("swell", working.TOO_LARGE),
        ("loop", working.TOO_SLOW),
    ):
        with pytest.raises(BadDocument) as caught:
            working.run(task, "!", text, 0.5)
        assert str(caught.value) == reason
        assert working.run(task, "!", "b", 60) == "b!"
    assert working.run(task, "!", "print", 60) == "print!"
    assert working.run(task, "!", "c" * 10**6, 60) == "c" * 10**6 + "!"


def test_a_text_whose_worker_was_killed_once_is_read_by_another(task, tmp_path):
    mark = tmp_path / "mark"
    assert working.run(task, "!", f"once {mark}", 60) == f"once {mark}!"
    assert mark.exists()


def test_a_worker_that_is_killed_again_and_again_is_an_error_and_no_fault_of_the_text(task):
    with pytest.raises(MassiveTextError, match=r"killed or stopped from outside 5 times.*SIGKILL.*resumes"):
        working.run(task, "!", "die", 60)


def test_a_worker_that_stays_stopped_is_replaced(task, tmp_path, monkeypatch):
    monkeypatch.setattr(working, "STALLED_SECONDS", 0.3)
    mark = tmp_path / "mark"
    assert working.run(task, "!", f"stop {mark}", 60) == f"stop {mark}!"


def test_waiting_does_not_count_against_the_limit(task):
    assert working.run(task, "!", "wait", 0.2) == "wait!"


def test_a_task_that_cannot_be_imported_is_an_error_with_a_way_to_see_why():
    with pytest.raises(MassiveTextError, match="ended with status 1 5 times; run `python -m"):
        working.run("massivetext.no_such_module:name", "x", "text", 60)


def misbehave(argument, text):
    """What the workers of the tests above do."""
    verb, _, mark = text.partition(" ")
    if mark and not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGSTOP if verb == "stop" else signal.SIGKILL)
    if text == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "crash":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
    if text == "swell":
        bytearray(8 * 2**30)
    if text == "raise":
        raise ValueError(text)
    if text == "refuse":
        raise BadDocument("for a reason")
    if text == "exit":
        raise SystemExit
    if text == "print":
        print("noise")
    if text == "wait":
        time.sleep(0.6)
    while text == "loop":
        pass
    return text + argument


class Disturber(threading.Thread):
    """Kills or stops a worker of this process every now and then, at most `times` times."""

    def __init__(self, sign, times):
        super().__init__(daemon=True)
        self.sign, self.left, self.done = sign, times, threading.Event()
        self.hit = []

    def run(self):
        while self.left and not self.done.wait(0.15):
            for process in children():
                if process not in self.hit and self.left:
                    try:
                        os.kill(process, self.sign)
                    except ProcessLookupError:
                        continue
                    self.hit.append(process)
                    self.left -= 1
                    if self.sign == signal.SIGSTOP:
                        # It goes on after a while, as on a busy machine.
                        time.sleep(1.5)
                        os.kill(process, signal.SIGCONT)
                    break


def children():
    """Return this process's workers, which have begun their work."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"massivetext.corpus.working" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return sorted(found)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP])
def test_a_build_whose_workers_are_killed_or_stopped_gives_the_same_corpus(tmp_path, sign):
    working._end_all()
    pages = tmp_path / "pages"
    pages.mkdir()
    for number in range(40):
        page = (ENGLISH if number % 2 else CHINESE).replace("</article>", f"<p>Page {number}.</p></article>")
        (pages / f"{number:02d}.html").write_text(page.replace("</nav>", "<a href=x>link</a> " * 3000 + "</nav>"))
    recipe = {
        "sources": [{"name": "pages", "path": str(pages)}],
        "steps": ["html_to_text"],
        "split": {"validation": 0, "test": 0},
    }
    undisturbed = build_corpus(recipe, tmp_path / "a", quiet=True)
    disturber = Disturber(sign, 3)
    disturber.start()
    try:
        disturbed = build_corpus(recipe, tmp_path / "b", quiet=True)
    finally:
        disturber.done.set()
        disturber.join()
    assert disturber.hit
    assert undisturbed.digest == disturbed.digest
    assert undisturbed.manifest["sources"] == disturbed.manifest["sources"]


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
    monkeypatch.setattr(
        HtmlToText,
        "_text",
        lambda self, page: (None, "could not be parsed") if "fails" in page else original(self, page),
    )
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

    from massivetext.corpus.steps.main_text import without_readings

    begun = process_time()
    without_readings("<ruby>" + part * 300_000)
    assert process_time() - begun < 5
