"""The rules gopher_quality, gopher_repetition and length, on both sides of each threshold; presets."""

import pyarrow as pa
import pytest
from deciding import decide, reasons

from massivetext.corpus.steps import Decide
from massivetext.corpus.steps.gopher import RepetitionSettings
from massivetext.corpus.steps.table import make_steps
from massivetext.errors import ConfigError, DataError

PROSE = "the cat and the dog have seen that " * 10
LINE, DOTTED = PROSE + "\n", PROSE + "…\n"
LONG = "the have " + "abcdefghij " * 58
CHINESE = "春眠不觉晓，处处闻啼鸟。" * 10


def test_plain_english_prose_is_kept() -> None:
    decision = decide("gopher_quality", PROSE)
    assert [decision.reason[0].as_py(), decision.value[0].as_py(), decision.threshold[0].as_py()] == [None, None, None]


def test_a_drop_tells_rule_value_and_threshold() -> None:
    decision = decide("gopher_quality", "too short")
    assert [decision.reason[0].as_py(), decision.value[0].as_py(), decision.threshold[0].as_py()] == [
        "min_words",
        2,
        50,
    ]


@pytest.mark.parametrize(
    ("kept", "dropped", "reason"),
    [
        ("the of " + "word " * 48, "the of " + "word " * 47, "min_words"),
        ("the of " + "word " * 98, "the of " + "word " * 99, "max_words"),
        ("the be abcd " + "abc " * 47, "the be abc " + "abc " * 47, "min_mean_word_characters"),
        (LONG + "a" * 23, LONG + "a" * 24, "max_mean_word_characters"),
        (PROSE + "#" * 8, PROSE + "#" * 9, "max_hashes_per_word"),
        (PROSE + "…" * 8 + "x", PROSE + "…" * 9 + "x", "max_ellipses_per_word"),
        ("- the and word that have it\n" * 9 + PROSE, "- the and word that have it\n" * 10, "max_bullet_line_fraction"),
        (LINE * 7 + DOTTED * 3, LINE * 6 + DOTTED * 4, "max_ellipsis_line_fraction"),
        ("to the " + "ones " * 78 + "1 " * 20, "to the " + "ones " * 77 + "1 " * 21, "min_alphabetic_word_fraction"),
        ("the of " + "word " * 60, "the the " + "word " * 60, "min_stop_words"),
    ],
)  # fmt: skip
def test_each_gopher_rule_keeps_on_its_limit_and_drops_past_it(kept: str, dropped: str, reason: str) -> None:
    step = (
        {"gopher_quality": {"max_words": 100}}
        if reason in ("max_words", "min_alphabetic_word_fraction")
        else "gopher_quality"
    )
    assert reasons(step, kept, dropped) == [None, reason]


@pytest.mark.parametrize("text", [CHINESE, CHINESE + "GPT-2 和 BERT", "私は日本語の文章を書く。" * 12])
def test_rules_for_english_words_are_not_asked_of_text_in_han_characters(text: str) -> None:
    assert reasons("gopher_quality", text) == [None]


def test_rules_for_english_words_apply_as_long_as_most_words_are_written_in_letters() -> None:
    half, fewer = "abcdefghijklm 汉 " * 30, "abcdefghijklm abcdefghijklm 汉 " * 30
    assert reasons("gopher_quality", half, fewer) == [None, "min_stop_words"]
    assert reasons("gopher_quality", "un deux trois quatre cinq " * 12) == ["min_stop_words"]


def test_the_other_rules_of_gopher_drop_chinese_too() -> None:
    assert reasons("gopher_quality", CHINESE[:40], CHINESE + "#" * 20) == ["min_words", "max_hashes_per_word"]


@pytest.mark.parametrize(
    ("kept", "dropped", "reason"),
    [
        ("甲\n甲\n乙\n丙", "甲\n甲\n甲\n乙丙丁戊己庚辛壬癸子丑寅卯", "max_duplicate_line_fraction"),
        ("甲\n\n甲\n\n乙\n\n丙丁戊己庚辛", "甲\n\n甲\n\n甲\n\n乙丙丁戊己庚辛", "max_duplicate_paragraph_fraction"),
        ("ab\nab\nc\nde", "ab\nab\nc\nd", "max_duplicate_line_character_fraction"),
        ("a\nb\n\na\nb\n\nc\n\nde", "a\nb\n\na\nb\n\nc\n\nd", "max_duplicate_paragraph_character_fraction"),
    ],
)
def test_each_repetition_rule_keeps_below_its_limit_and_drops_past_it(kept: str, dropped: str, reason: str) -> None:
    assert reasons({"gopher_repetition": only(reason)}, kept, dropped) == [None, reason]


def only(reason: str) -> dict[str, None]:
    """Return settings that switch all other rules of repetition off."""
    names = RepetitionSettings.model_fields
    return {name: None for name in names if name not in (reason, "words")}


def repeating(order: int, copies: int, others: int) -> str:
    """Return a text that says `order` words of one letter `copies` times, and `others` other words between."""
    sequence = " ".join("abcdefghij"[:order])
    fillers = iter(range(1000, 1000 + others))
    spread = [" ".join([sequence, *(f"{next(fillers)}" for _ in range(others // copies))]) for _ in range(copies)]
    return " ".join([*spread, *map(str, fillers)])


@pytest.mark.parametrize("order", range(2, 11))
def test_each_n_gram_rule_keeps_on_its_limit_and_drops_past_it(order: str) -> None:
    kind = "top" if order < 5 else "duplicate"
    name = f"max_{kind}_{order}_gram_character_fraction"
    share = (2 if kind == "top" else 1) * (2 * order - 1)
    text = repeating(order, 2, 40)
    for limit, reason in ((share / len(text), None), (share / len(text) - 1e-9, name)):
        decision = decide({"gopher_repetition": {**only(name), name: limit}}, text)
        assert decision.reason[0].as_py() == reason
    if order == 5:
        assert reasons({"gopher_repetition": only(name)}, repeating(5, 2, 9), repeating(5, 2, 6)) == [None, name]


def test_chinese_repetition_is_of_characters() -> None:
    rule = "max_top_2_gram_character_fraction"
    assert reasons({"gopher_repetition": only(rule)}, "春眠" + "".join(map(chr, range(0x4E00, 0x4E10))) + "春眠") == [
        None
    ]
    assert reasons({"gopher_repetition": only(rule)}, "春眠" + "".join(map(chr, range(0x4E00, 0x4E0F))) + "春眠") == [
        rule
    ]


def test_a_preset_stands_for_its_steps_and_takes_settings_for_each() -> None:
    assert [step.name for step in make_steps(["gopher"])] == [
        "statistics", "gopher_quality", "ngrams", "gopher_repetition",
    ]  # fmt: skip
    steps = make_steps([{"fineweb2-zh": {"gopher_quality": {"min_words": 7}}}])
    quality = next(step for step in steps if step.name == "gopher_quality")
    assert (quality.settings.min_words, quality.settings.max_mean_word_characters) == (7, 5)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"gopher": {"quality": {}}}, r"corpus.steps\[0\].gopher: unknown step of the preset 'quality'"),
        ({"gopher": 3}, "allowed is a mapping of its steps"),
        ({"gopher": {"gopher_quality": {"min_word": 3}}}, "did you mean 'min_words'"),
        ("gophr", "did you mean 'gopher'"),
    ],
)
def test_what_a_preset_cannot_take_is_said(item: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_steps([item])


def test_length_counts_characters_of_english_and_chinese_alike_and_keeps_both_limits() -> None:
    step = {"length": {"min_characters": 2, "max_characters": 3}}
    assert reasons(step, "a", "ab", "abc", "abcd") == ["min_characters", None, None, "max_characters"]
    assert reasons(step, "春", "春眠", "春眠不", "春眠不觉") == ["min_characters", None, None, "max_characters"]


def test_length_alone_drops_only_empty_text() -> None:
    assert reasons("length", "", "a" * 10_000) == ["min_characters", None]


def test_the_first_broken_rule_in_the_order_of_the_settings_is_the_reason() -> None:
    assert reasons("gopher_quality", "#") == ["min_words"]


def test_a_null_text_breaks_no_rule() -> None:
    assert reasons("gopher_quality", None) == [None]


def test_decisions_do_not_depend_on_the_batch() -> None:
    texts = [PROSE, "short", CHINESE, PROSE + "#" * 9, ""]
    assert reasons("gopher_quality", *texts) == [reason for text in texts for reason in reasons("gopher_quality", text)]


def test_an_empty_batch_gives_an_empty_decision() -> None:
    assert reasons("gopher_quality") == []


def test_without_the_measure_the_error_says_what_is_there_and_what_to_do() -> None:
    batch = pa.RecordBatch.from_pydict({"text": [PROSE]})
    step = make_steps(["gopher_quality"])[-1]
    assert isinstance(step, Decide)
    with pytest.raises(DataError, match="no column statistics__words; found text; take the measure 'statistics'"):
        step.decide(batch)
