"""The time that a record takes grows with its length, whatever signs it repeats: for every reader, and every step."""

import io
import itertools
import json
import signal
import time
from html import escape
from pathlib import Path

import pyarrow as pa
import pytest

from massivetext.corpus.readers.records import make_reader
from massivetext.corpus.readers.streams import Piece, SourceFile
from massivetext.corpus.settings import SourceSettings
from massivetext.corpus.steps import Decide, Edit, Measure
from massivetext.corpus.steps.table import make_steps
from massivetext.errors import BadDocument, DataError

CHARACTERS = 2**14
QUICK_SECONDS = 0.25
"""What takes less is fast enough: square time would show at this length."""
MAX_SECONDS, MAX_GROWTH = 10.0, 3.2
"""Of processor time; and per doubling of the length, where 4 would be square."""
CLEARLY_LINEAR = 2.4
"""Growth per doubling that one measurement settles: noise does not make it of 4."""
ATTEMPTS = 3
"""A busy machine may spoil a measurement; what grows too fast does so each time."""
MAIL = "From a@b.c Mon Jan  1 00:00:00 2024\n"
PAGE = ".TH A 1\n"
FILES = {
    "mbox body": ("mbox", "a.mbox", MAIL + "Subject: x\n\n{}\n"),
    "mbox subject": ("mbox", "a.mbox", MAIL + "Subject: {}\n\nbody\n"),
    "mbox type": ("mbox", "a.mbox", MAIL + "Content-Type: text/plain; {}\n\nbody\n"),
    "mbox disposition": ("mbox", "a.mbox", MAIL + "Content-Disposition: inline; {}\nDate: {}\n\nbody\n"),
    "mbox html": ("mbox", "a.mbox", MAIL + "Content-Type: text/html\n\n{}\n"),
    "mbox parts": ("mbox", "a.mbox", MAIL + "Content-Type: multipart/mixed; boundary=x\n\n--x\n{}\n--x--\n"),
    "mbox envelope": ("mbox", "a.mbox", "From {}\nSubject: x\n\nbody\n"),
    "mediawiki": (
        "mediawiki",
        "a.xml",
        "<page><title>t</title><ns>0</ns><revision><text>{xml}</text></revision></page>",
    ),
    "latex": ("latex", "a.tex", "{}"),
    "latex preamble": ("latex", "a.tex", "\\documentclass{{a}}{}\\begin{{document}}some words\\end{{document}}"),
    "chat": ("chat", "a.log", "{}"),
    "chat, after a time": ("chat", "a.log", "12:30 {}"),
    "chat, after a date": ("chat", "a.log", "2024-01-02, 12:30 {}"),
    "subtitles": ("subtitles", "a.srt", "1\n00:00:01,000 --> 00:00:02,000\n{}\n"),
    "gutenberg": ("gutenberg", "a.txt", "{}"),
    "gutenberg, framed": ("gutenberg", "a.txt", "*** START OF THE PROJECT GUTENBERG EBOOK {}\nProduced by {}"),
    "man": ("man_pages", "man1/a.1", PAGE + "{}\n"),
    "man, request": ("man_pages", "man1/a.1", PAGE + ".SH {}\n.Op {}\n.if {}\n"),
    "man, table": ("man_pages", "man1/a.1", PAGE + ".TS\nl.\n{}\n.TE"),
    "code": ("code", "a.h", "{}"),
    "code, script": ("code", "a.inc", "#!{}"),
    "python": ("python_code", "a.py", "{}"),
    "python docs": ("python_docs", "a.py", 'def f():\n    """{}"""\n'),
    "fortunes": ("fortunes", "a", "{}"),
    "readme": ("package_readme", "a.dist-info/METADATA", "Metadata-Version: 2.1\nName: x\nVersion: 1\n\n{}"),
    "html": ("html", "a.html", "<html {}><meta {}>"),
    "stackexchange": ("stackexchange", "Posts.xml", '<row Id="1" PostTypeId="1" Title="t" Body="{xml}" />\n'),
    "jsonl": ("jsonl", "a.jsonl", "{json}"),
    "json": ("json", "a.json", "[{json}]"),
    "json, broken": ("json", "a.json", "{}"),
    "csv": ("csv", "a.csv", 'text,a\n"b",{}\n'),
    "text": ("text", "a.txt", "{}"),
}
"""A format, a file's name, and what stands around the run of signs."""
STEPS = {
    "normalise": "normalise",
    "pii": "pii",
    "c4": "c4",
    "fineweb": "fineweb",
    "gopher": "gopher",
    "chinese": "fineweb2-zh",
    "map-neo": "map-neo-zh",
    "chinesewebtext": "chinesewebtext",
    "code": "code",
    "language": "language",
    "all of a page": {"html_to_text": {"extractor": "all", "only_marked": False}},
    "main text": {"html_to_text": {"extractor": "resiliparse", "only_marked": False}},
}
SIGNS = [
    *("<", "<a ", "<foo ", "<!--", "</", "<ref>", "<p>", "<div>", "<td>", "&#", "[[", "{{", "{{a|", "{|", "\n{|", "}}"),
    *("]]", "-{", "[http://a ", "''", "'''", "__A", "\n* ", "\n:", "(", "（", "《", "“", "![", "](", "`", "#", "***"),
    *("\\", "\\newcommand", "\\def\\a{", "\\title[", "%", "$", "{", "eyJ", "eyJa.", "_authToken", "/:_authToken="),
    *("//", "sk-", "xoxb-1-", "-----BEGIN PRIVATE KEY-----", "a@", "@a", "a@b.co ", "1.", "1:", "+1 ", "(1", "DE12"),
    *("1.1.1.1 ", "::", "tel ", "电话", "=?utf-8?q?", "=?utf-8?b?YQ==?= ", "; a=b", ";a*0=b", '; a="', '"', '"""', "'"),
    *('\\"', "From ", "\n>From ", ".", "...", "-", "--", "|", "| |", "!", "。", "．", "，", "\\f[", "\\*[", "T{\n"),
    *("\n.RS\n", "\n.if n ", "\n.Op Op ", "\\\n", "\n.ds a \\*a\\*a\n\\*a", "\\x", "\\N{", "\n.. image::", "12:30 <"),
    *("1/1/1, 12:30 ", "{\\", "badge", "generated ", "-a ", '{"a":', "[1,", "\\ud800", '""', "\x1b[", "\0"),
]
RUNS = [
    *(" ", "a", "A", "0", "中", "あ", "\t", "\n", "\r", "\u3000", "\u00a0", "_", "/", "=", "a ", "中 ", "a\n", "中\n"),
    *("\u0301\u0323", "é", "😀", "\ufeff"),
]


class TooSlow(BaseException):
    """The processor time is over; no handler in between may take it for a failed record."""


def stop(*_):
    raise TooSlow


def filled(template, run):
    """Return a file's bytes: the run in its place, spelled as the format wants it."""
    printable = "".join(sign for sign in run if sign >= " " or sign in "\n\t")
    xml = escape(printable)
    values = {"xml": xml, "json": json.dumps({"text": run, "other": run})}
    return template.format(*[run] * 3, **values).encode("utf-8", "replace")


def reading(format, name, template):
    """Return what reads a run as a file of the format."""

    def read(run):
        data = filled(template, run)
        reader = make_reader(format, SourceSettings(name="s", path="x", format=format))
        file = SourceFile(Path(name), name, len(data), 0, format, content=lambda: io.BufferedReader(io.BytesIO(data)))
        try:
            reader.check([file])
            list(reader.read(Piece(file)))
        except (BadDocument, DataError):
            pass

    return read


def stepping(listed):
    """Return what takes a run through steps."""
    steps = make_steps([listed])

    def take(run):
        batch = pa.RecordBatch.from_pydict({"text": pa.array([run.encode("utf-8", "replace").decode()])})
        for step in steps:
            if isinstance(step, Measure):
                for name, values in step.measure(batch).items():
                    index = batch.schema.get_field_index(name)
                    batch = batch.append_column(name, values) if index < 0 else batch.set_column(index, name, values)
            elif isinstance(step, Edit):
                step.edit(batch)
            elif isinstance(step, Decide):
                step.decide(batch)

    return take


def seconds(work, run):
    """Return the processor time of some work; infinity beyond MAX_SECONDS."""
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    start = time.process_time()
    try:
        work(run)
    except TooSlow:
        return float("inf")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return time.process_time() - start


def grows_too_fast(work, sign, run):
    """Return whether the time grows faster than the run; run: what follows the sign, which is repeated if it is empty.

    Only what takes long is measured at three lengths, the best of three each: a busy machine must not decide.
    """

    def text(length):
        return (sign * length)[:length] if not run else sign + (run * length)[:length]

    whole = seconds(work, text(CHARACTERS))
    if whole < QUICK_SECONDS:
        return False
    if whole < CLEARLY_LINEAR * min(seconds(work, text(CHARACTERS // 2)) for _ in range(2)) < float("inf"):
        return False
    for _ in range(ATTEMPTS):
        times = [min(seconds(work, text(CHARACTERS // part)) for _ in range(3)) for part in (4, 2, 1)]
        grows = times[2] > MAX_GROWTH * times[1] and times[1] > MAX_GROWTH * times[0] / 1.5
        if times[2] < float("inf") and not grows:
            return False
    return True


WORKS = {**{f"reader: {name}": (reading, row) for name, row in FILES.items()},
         **{f"step: {name}": (stepping, (listed,)) for name, listed in STEPS.items()}}  # fmt: skip


@pytest.mark.parametrize("name", WORKS)
def test_time_grows_with_the_length_of_a_run_of_any_sign(name):
    make, values = WORKS[name]
    work = make(*values)
    work("a few words 几个字")
    assert [sign for sign in [*SIGNS, *RUNS] if grows_too_fast(work, sign, "")] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_time_grows_with_the_length_of_a_run_after_any_sign(name):
    make, values = WORKS[name]
    work = make(*values)
    work("a few words 几个字")
    assert [pair for pair in itertools.product(SIGNS, RUNS) if grows_too_fast(work, *pair)] == []


@pytest.mark.parametrize(
    ("name", "sign", "run"),
    [
        ("reader: latex preamble", "\\newcommand", " "),
        ("reader: latex preamble", "\\title", " "),
        ("reader: mediawiki", "[[", " "),
        ("reader: mediawiki", "a", " "),
        ("reader: chat, after a date", "", " " * 64 + ":"),
        ("reader: man", "跋", "\n"),
        ("reader: readme", "a", " "),
        ("reader: readme", "[a]: https://a/", "badge"),
        ("reader: code, script", "", "a"),
        ("step: pii", "_authToken", "//"),
    ],
)
def test_time_grows_with_the_length_of_a_run_after_a_sign(name, sign, run):
    make, values = WORKS[name]
    assert not grows_too_fast(make(*values), sign, run)
