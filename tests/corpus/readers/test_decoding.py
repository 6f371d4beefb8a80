"""Encodings: declared names mean what browsers read, others are detected from the lines that are not UTF-8."""

import gzip
import json
import time

import pytest
from corpus.readers.reading import read

from massivetext.corpus.readers.charsets import codec_of, decode
from massivetext.corpus.readers.html_file import declared_encoding
from massivetext.corpus.readers.text import decode_file

SIMPLIFIED = "我们在学习自然语言处理，文本的编码各不相同。今天天气很好，大家一起去公园散步。"
TRADITIONAL = "我們的學校在臺灣，學習中文很有意思，電腦與網路讓語言變得更容易。"
CANTONESE = "佢哋喺度傾偈，嗰啲嘢冇咁貴，你睇吓啦。"
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"
KOREAN = "한국어로 쓰인 글입니다. 오늘은 날씨가 좋아서 모두 함께 공원에 갑니다."
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастлива по-своему."
GERMAN = "Die Bäume blühen schön über den Häusern, sagte er müde."
FRENCH = "Le café où j'étais né à Genève était déjà fermé ; l'été, ça m'a plu."
ENGLISH = "He said “no”, it’s a café, and left for home together with all of the others."
PLAIN = "The old man went to the river every day, and the boy carried the nets.\n"


def found(data, declared=None):
    return decode_file(data, "auto", declared)


@pytest.mark.parametrize("repeated", [1, 40])
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((SIMPLIFIED, name) for name in ("gbk", "gb18030", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "hz")),
        ("㐂" + SIMPLIFIED + "𠀀", "gb18030"),
        *((TRADITIONAL, name) for name in ("big5", "gb18030", "utf-16-le", "utf-16-be")),
        (TRADITIONAL + CANTONESE, "big5hkscs"),
        *((JAPANESE, name) for name in ("cp932", "euc_jp", "iso2022_jp", "utf-16-le", "utf-16-be")),
        *((KOREAN, name) for name in ("euc_kr", "utf-16-le", "utf-16-be")),
        (KOREAN + " 똠방각하와 펲시콜라.", "cp949"),
        *((RUSSIAN, name) for name in ("koi8-r", "cp1251", "cp866", "iso8859-5", "utf-16-le")),
        *((text, "cp1252") for text in (GERMAN, FRENCH, ENGLISH)),
        *((PLAIN, name) for name in ("ascii", "utf-16-le", "utf-16-be")),
    ],
)
def test_a_text_in_any_of_these_encodings_is_read_as_it_was(text, encoding, repeated):
    text = "\n".join([text] * repeated)
    assert (found(text.encode(encoding)).text, found(text.encode(encoding)).invalid) == (text, False)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("汉字", "gbk"),
        ("你好吗", "gbk"),
        ("今天天气很好", "gbk"),
        ("naïve", "cp1252"),
        ("Zoë’s", "cp1252"),
        ("今天天气很好。", "utf-16-le"),
    ],
)
def test_a_few_words_are_enough(text, encoding):
    assert found(text.encode(encoding)).text == text


def test_two_accents_in_a_long_english_text_are_windows_1252():
    text = PLAIN * 2000 + "It’s a café.\n" + PLAIN * 2000
    assert found(text.encode("cp1252")) == (text, False, "cp1252")


@pytest.mark.parametrize("unit", ["file", "line", "block"])
@pytest.mark.parametrize("packed", [False, True])
def test_chinese_after_much_ascii_is_detected_where_it_begins(tmp_path, unit, packed):
    text = PLAIN * 3000 + "老人每天去河边，孩子替他拿着渔网。\n" * 3
    data = text.encode("gbk")
    (tmp_path / ("a.txt.gz" if packed else "a.txt")).write_bytes(gzip.compress(data) if packed else data)
    records = read(tmp_path, unit=unit)
    assert "老人每天去河边，孩子替他拿着渔网。" in records[-1].text
    assert not any(record.invalid for record in records)
    assert records[-1].fields.meta == '{"encoding":"gb18030"}'


@pytest.mark.parametrize("first", ["utf-8", "gbk"])
@pytest.mark.parametrize("unit", ["file", "line"])
def test_a_file_of_two_encodings_is_read_in_both(tmp_path, first, unit):
    second = {"utf-8": "gbk", "gbk": "utf-8"}[first]
    lines = [f"{SIMPLIFIED}{number}" for number in range(20)]
    data = b"".join(f"{line}\n".encode(second if number == 15 else first) for number, line in enumerate(lines))
    (tmp_path / "a.txt").write_bytes(data)
    assert "\n".join(record.text.strip() for record in read(tmp_path, unit=unit)) == "\n".join(lines)


def test_a_chinese_line_that_is_utf8_by_chance_is_read_as_its_neighbours_are():
    text = f"{SIMPLIFIED}\n联通\n{SIMPLIFIED}\n"
    assert found(text.encode("gbk")).text == text


@pytest.mark.parametrize("flaw", [b"\xff", b"\xe5\x9c"])
def test_utf8_with_a_flaw_stays_utf8(flaw):
    data = SIMPLIFIED.encode() + flaw
    assert found(data) == (SIMPLIFIED + "\ufffd", True, "utf-8")


def test_a_quotation_mark_cut_at_the_end_of_a_file_is_not_another_encoding():
    assert found(PLAIN.encode() + b"don\xe2\x80") == (PLAIN + "don\ufffd", True, "utf-8")


def test_ascii_with_zero_bytes_is_not_utf16():
    text = "one\0two\0three hundred\0four"
    assert found(text.encode()) == (text, False, "utf-8")


@pytest.mark.parametrize("text", ["(format t ~{~a~^, ~} list)", "\\textbf~{\\bf x~} and ~{ab~}", "\x1b[31mred\x1b[0m"])
def test_ascii_with_tildes_or_escapes_is_ascii(text):
    assert found(text.encode()) == (text, False, "utf-8")


def test_json_lines_in_another_encoding_are_read(tmp_path):
    texts = [SIMPLIFIED, "联通", PLAIN]
    lines = "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts)
    (tmp_path / "a.jsonl").write_bytes(lines.encode("gbk"))
    assert [record.text for record in read(tmp_path)] == texts


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        *(("iso-8859-1", "cp1252"), ("Latin1", "cp1252"), ("us-ascii", "cp1252"), ("iso-8859-9", "cp1254")),
        *(("gb2312", "gb18030"), ("GBK", "gb18030"), ("x-gbk", "gb18030"), ("gb_2312-80", "gb18030")),
        *(("big5", "big5hkscs"), ("Big5-HKSCS", "big5hkscs"), ("shift_jis", "cp932"), ("x-sjis", "cp932")),
        *(("euc-kr", "cp949"), ("ks_c_5601-1987", "cp949"), ("tis-620", "cp874"), (" utf8 ", "utf-8")),
        *(("x-user-defined", "cp1252"), ("koi8-u", "koi8-u"), ("cp850", "cp850"), ("hz-gb-2312", "hz")),
        *(("nonsense", None), ("rot13", None), ("hex", None), ("unicode_escape", None), ("", None)),
    ],
)
def test_a_declared_name_means_what_browsers_read(label, codec):
    assert codec_of(label) == codec


@pytest.mark.parametrize(
    ("data", "declared", "text"),
    [
        (b"\x93no\x94 \x97 \x80 5", "iso-8859-1", "“no” — € 5"),
        ("朱镕基说㐂".encode("gb18030"), "gb2312", "朱镕基说㐂"),
        ("髙﨑①".encode("cp932"), "shift_jis", "髙﨑①"),
        ("똠방각하".encode("cp949"), "euc-kr", "똠방각하"),
        (CANTONESE.encode("big5hkscs"), "big5", CANTONESE),
        (b"\xa5d\xba\xb8\xa1E\xb0\xa8\xa7J\xab\xe4 \xa3\xe1", "big5", "卡爾‧馬克思 €"),
        ("①と高い".encode("euc_jis_2004"), "euc-jp", "①と高い"),
        ("ışığı".encode("cp1254"), "iso-8859-9", "ışığı"),
        ("ภาษาไทย".encode("cp874"), "tis-620", "ภาษาไทย"),
        (JAPANESE.encode("iso2022_jp"), "iso-2022-jp", JAPANESE),
    ],
)
def test_bytes_are_read_as_declared(data, declared, text):
    assert found(data, declared)[:2] == (text, False)


@pytest.mark.parametrize("declared", ["iso-8859-1", "gb2312", "big5", "shift_jis", "nonsense", "utf-16"])
def test_a_declaration_does_not_make_utf8_anything_else(declared):
    assert found(SIMPLIFIED.encode(), declared) == (SIMPLIFIED, False, "utf-8")


@pytest.mark.parametrize("declared", ["utf-8", "utf-16", "euc-kr", "x-unknown", "hz-gb-2312"])
def test_a_declaration_that_the_bytes_contradict_gives_way_to_the_detector(declared):
    assert found(SIMPLIFIED.encode("gbk") * 3, declared).text == SIMPLIFIED * 3


def test_a_byte_order_mark_overrules_the_declaration():
    assert found(b"\xff\xfe" + SIMPLIFIED.encode("utf-16-le"), "gb2312").text == SIMPLIFIED


@pytest.mark.parametrize(
    ("page", "header", "declared"),
    [
        (b"<meta charset=gb2312>", None, "gb2312"),
        (b'<META content="text/html; charset=gbk" http-equiv=content-type>', None, "gbk"),
        (b"<?xml version='1.0' encoding='GBK'?>", None, "gbk"),
        (b"<!-- <meta charset=big5> --><meta charset=gbk>", None, "gbk"),
        (b"<meta charset=nonsense><meta charset='big5'/>", None, "big5"),
        (b'<meta name=keywords content="charset=big5">', None, None),
        (b"<meta charset=gbk>", 'text/html; charset="x-gbk"', "x-gbk"),
        (b"<meta charset=gbk>", "text/html; charset=nonsense", "gbk"),
        (b"<meta charset=gbk>", "text/html", "gbk"),
    ],
)
def test_the_declaration_of_a_page_is_found(page, header, declared):
    assert declared_encoding(page, header) == declared


def test_bytes_that_windows_does_not_define_are_controls_as_in_browsers():
    assert decode(b"\x81\x8d\x93", "cp1252") == ("\x81\x8d“", False)


def test_encoded_and_raw_subjects_of_mail_are_read_in_their_encoding(tmp_path):
    subject = "朱镕基说".encode("gbk")
    encoded = b"=?gb2312?Q?" + b"".join(b"=%02X" % byte for byte in subject) + b"?= and =?iso-8859-1?Q?caf=E9_=80?="
    raw = SIMPLIFIED.encode("gbk")
    head = b"From a@b.example Mon Jan 1 00:00:00 2020\nSubject: "
    body = b"\nContent-Type: text/plain; charset=us-ascii\n\n" + raw + b"\n\n"
    (tmp_path / "a.mbox").write_bytes(head + encoded + body + head + raw + body)
    assert [record.text for record in read(tmp_path)] == [
        f"朱镕基说 and café €\n\n{SIMPLIFIED}",
        f"{SIMPLIFIED}\n\n{SIMPLIFIED}",
    ]


@pytest.mark.parametrize("filler", [b"caf\xe9 ", b"\xff", b"\xb0\xa1", b"~{", b"\x1b$B", b"\xe9\n", b"\0\xe9"])
def test_time_grows_linearly_with_the_bytes(filler):
    def cost(count):
        data = filler * count
        began = time.process_time()
        found(data)
        return time.process_time() - began

    cost(10)
    assert min(cost(40_000) for _ in range(3)) < 6 * max(min(cost(10_000) for _ in range(3)), 0.01)


@pytest.mark.shared
def test_every_chinese_passage_in_gb18030_is_read_as_it_was(shared):
    entries = json.loads((shared / "zh/cmrc2018_trial.json").read_text())["data"]
    texts = [paragraph["context"] for entry in entries for paragraph in entry["paragraphs"]]
    assert sum(found(text.encode("gb18030")).text == text for text in texts) == len(texts)
