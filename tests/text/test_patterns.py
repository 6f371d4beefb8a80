"""Possessive groups match the same text as atomic groups do, which older Pythons need."""

import re

import pytest

from massivetext.corpus.readers.groff import ARGUMENTS
from massivetext.corpus.readers.latex import BLANK_LINES, MACRO
from massivetext.corpus.readers.mediawiki import GAPS, NOTHING_LEFT
from massivetext.corpus.readers.package_readme import PICTURES
from massivetext.corpus.readers.python import TOKENS
from massivetext.corpus.steps.main_text import READING, RUBY
from massivetext.text.patterns import IS_RIGHT, with_atomic_groups

PATTERNS = (ARGUMENTS, BLANK_LINES, MACRO, GAPS, NOTHING_LEFT, PICTURES, TOKENS, RUBY, READING)
TEXTS = (
    'def f():\n    """doc "a" \\" 汉字"""\n    x = "a\\n" + \'b\'  # why\n',
    "<ruby>汉<rp>(</rp><rt>hàn</rt><rp>)</rp></ruby>字 <RUBY class=x>明日<RT>あした</RT></RUBY> <ruby>open",
    "# A\n\n[![b](https://x/b.svg)](https://y)\n|b| |c|\n\n.. image:: a.png\n   :alt: b\n\n| a | b |\n|---|---|\n",
    "a\n \n\t\n\nb （，）()\n* * #\n",
    '.TH "A ""B""" 1 two\\ words "open',
    "\\newcommand{\\name}{a {b} c {d}} \\def\\x{y}\n \n \nEnd.",
)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"a(?:b|c)*+d", r"a(?>(?:b|c)*)d"),
        (r"(?:x(?:y|z)++){1,2}+", r"(?>(?:x(?>(?:y|z)+)){1,2})"),
        (r"[()]*+\(a\)++(b)?+", r"[()]*+\(a\)++(?>(b)?)"),
        (r"[]()]++[^])]++(?:a)?", r"[]()]++[^])]++(?:a)?"),
    ],
)
def test_possessive_groups_become_atomic(pattern, expected):
    assert with_atomic_groups(pattern) == expected


@pytest.mark.parametrize("pattern", PATTERNS, ids=range(len(PATTERNS)))
def test_both_forms_match_the_same_text(pattern):
    atomic = re.compile(with_atomic_groups(pattern.pattern), pattern.flags)
    assert atomic.pattern != pattern.pattern or not IS_RIGHT
    for text in TEXTS:
        assert [found.span() for found in atomic.finditer(text)] == [found.span() for found in pattern.finditer(text)]
