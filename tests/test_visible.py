"""Text of others cannot steer a terminal or a page: control characters are shown, everything else stays."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massivetext.visible import visible, visible_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", "a␛[2Jb"),
        ("bell\x07 null\x00 \r over", "bell␇ null␀ ␍ over"),
        ("\x9b31m and \x7f", "⟨U+009B⟩31m and ␡"),
        ("invoice\u202egpj.exe", "invoice⟨U+202E⟩gpj.exe"),
        ("甲\u2067乙\u2069", "甲⟨U+2067⟩乙⟨U+2069⟩"),
        ("half \ud800 pair", "half ⟨U+D800⟩ pair"),
    ],
)
def test_control_characters_are_shown(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["plain\ttext\n", "汉字，标点。", "👩‍👩‍👧 family", "می‌خواهم", "soft\u00adhyphen"])
def test_other_text_stays(text):
    assert visible(text) == text


@given(st.text(st.characters(codec=None)))
def test_json_keeps_its_values_and_holds_no_control_character(text):
    written = visible_json(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(written) == {"text": text}
    assert visible(written) == written
    written.encode()


@pytest.mark.parametrize("as_json", [True, False])
def test_what_a_verb_prints_is_visible(as_json, capsys):
    from massivetext.cli.options import show

    show({"url": "http://x/\x1b[31m\u202e"}, as_json, lambda value: value["url"])
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "\u202e" not in printed and "31m" in printed


def test_messages_and_errors_are_visible(capsys, monkeypatch):
    from massivetext import cli
    from massivetext.progress import log

    log("read \x1b]0;title\x07")
    monkeypatch.setattr(sys, "argv", ["massivetext", "report", "no\x1b[31msuch"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    printed = capsys.readouterr().err
    assert stopped.value.code == 1
    assert "\x1b" not in printed and "␛]0;title␇" in printed and "no␛[31msuch" in printed
