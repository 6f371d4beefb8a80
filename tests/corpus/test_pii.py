"""`pii`: each type found in English and Chinese, valid and broken numbers told apart, placeholders put, all counted."""

import random
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massivetext.corpus.steps import pii
from massivetext.corpus.steps.pii import (
    PLACEHOLDERS,
    RESIDENT_CHECKS,
    RESIDENT_WEIGHTS,
    TYPES,
    find_pii,
    is_card,
    is_iban,
    is_resident_id,
    replaced,
)
from massivetext.corpus.steps.pii_marks import COLONS, DIGITS, KEYS, find_marks
from massivetext.corpus.steps.table import make_steps
from massivetext.text.arrays import string_buffers

FOUND = [
    ("write to ann.b+x@mail.example.co.uk, please", "email", "ann.b+x@mail.example.co.uk"),
    ("邮箱是zhang_san@qq.com。", "email", "zhang_san@qq.com"),
    ("host 8.8.8.8 answers", "ip", "8.8.8.8"),
    ("服务器地址2001:4860:4860::8888，端口80", "ip", "2001:4860:4860::8888"),
    ("call +44 20 7946 0958 now", "phone", "+44 20 7946 0958"),
    ("call (212) 555-0147 x12", "phone", "(212) 555-0147 x12"),
    ("手机13812345678。", "phone", "13812345678"),
    ("电话：010-62345678", "phone", "010-62345678"),
    ("+86 138-1234-5678", "phone", "+86 138-1234-5678"),
    ("card 4111 1111 1111 1111 ok", "card", "4111 1111 1111 1111"),
    ("卡号6222021234567890128。", "card", "6222021234567890128"),
    ("IBAN DE89 3704 0044 0532 0130 00.", "iban", "DE89 3704 0044 0532 0130 00"),
    ("gb82west12345698765432", "iban", "gb82west12345698765432"),
    ("身份证11010519491231002X，", "resident_id", "11010519491231002X"),
    ("卡号 622202 8969350492581。", "card", "622202 8969350492581"),
    ("card 6222-0212-3456-7890-128", "card", "6222-0212-3456-7890-128"),
    ("my SSN: 460-89-9847", "ssn", "460-89-9847"),
    ("social security number 460899847", "ssn", "460899847"),
    ("社会安全号码：460 89 9847", "ssn", "460 89 9847"),
    ("IP 地址 6.0.0.1", "ip", "6.0.0.1"),
    ("访问 http://6.0.0.1/", "ip", "6.0.0.1"),
    ("8.8.4.4 resolves", "ip", "8.8.4.4"),
    ("Chrome 104.28.7.93", "ip", "104.28.7.93"),
    ("2024-01-02 13812345678", "phone", "13812345678"),
    ("电话13612345678元旦有效", "phone", "13612345678"),
    ("key = 'AKIAIOSFODNN7EXAMPLE'", "secret", "AKIAIOSFODNN7EXAMPLE"),
    ("token ghp_" + "a1B2" * 9 + " end", "secret", "ghp_" + "a1B2" * 9),
]
NOTHING = [
    "logo@2x.png", "a @ b", "v 8.8.8.8 of the tool", "version 1.2.3.4", "192.168.1.1 is private", "127.0.0.1",
    "300.1.1.1", "on 2024-01-02 at 10:11:12", "1,234,567 people", "ISBN 978-3-16-148410-0", "4111 1111 1111 1112",
    "2024年1月2日", "110105194912310021", "110105194913310029", "3.14159265358979", "0x1234567890abcdef",
    "std::vector::size", "10:20:30", "12812345678",
    "版本号 6.0.0.1 已发布", "版本：6.0.0.1", "固件版本号为6.0.0.1", "升级到 6.0.0.1", "第 1.2.3.4 节", "6.0.0.1版",
    "section 1.2.3.4", "Python 6.0.0.1 is out", "updated to 6.0.0.1", "软件 6.0.0.1", "firmware: v6.0.0.1",
    "营收13612345678元", "共 13612345678 人次", "¥13612345678", "13612345678 dollars", "重 13612345678 吨",
    "6222 0212 3456 7890 123", "0212 3456 7890 1234 5678", "6222-0212-3456-7890", "order 460899847",
    "000-12-3456", "666-12-3456", "912-12-3456", "123-00-6789", "123-45-0000", "123-45-67890",
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "value"), FOUND)
def test_each_type_is_found(text, name, value):
    assert [(text[start:end], found) for start, end, found in find_pii(text)] == [(value, name)]


@pytest.mark.parametrize("text", NOTHING)
def test_what_only_looks_like_it_is_left(text):
    assert find_pii(text) == []


def test_a_private_key_goes_as_a_whole():
    key = "-----BEGIN RSA PRIVATE KEY-----\nabc\ndef\n-----END RSA PRIVATE KEY-----"
    assert replaced(f"a\n{key}\nb", TYPES) == "a\n<SECRET>\nb"


@given(st.integers(0, 10**6))
def test_of_an_identity_number_one_check_digit_is_valid(seed):
    source = random.Random(seed)
    born = f"19{source.randrange(10, 99)}{source.randrange(1, 13):02d}{source.randrange(1, 29):02d}"
    body = f"110105{born}{source.randrange(1000):03d}"
    right = RESIDENT_CHECKS[sum(weight * int(digit) for weight, digit in zip(RESIDENT_WEIGHTS, body)) % 11]
    assert [check for check in RESIDENT_CHECKS if is_resident_id(body + check)] == [right]


@given(st.integers(10**14, 10**15 - 1))
def test_of_a_card_number_one_last_digit_is_valid(number):
    assert sum(is_card(f"4{number}{last}") for last in range(10)) == 1


@pytest.mark.parametrize(("value", "valid"), [
    ("GB82 WEST 1234 5698 7654 32", True), ("GB82 WEST 1234 5698 7654 33", False), ("GB82WEST123456987654", False),
    ("XX82 WEST 1234 5698 7654 32", False),
])  # fmt: skip
def test_account_numbers_have_length_and_remainder(value, valid):
    assert is_iban(value) == valid


def stepped(texts, **values):
    batch = pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], ["text"])
    counts, edit = make_steps([{"pii": values}])
    for name, column in counts.measure(batch).items():
        batch = batch.append_column(name, column)
    return batch, edit.edit(batch).texts


def test_placeholders_are_put_and_counted():
    batch, texts = stepped(["a@b.example, c@d.example; 13812345678", "nothing", None, "联系a@b.example。"])
    assert texts.to_pylist() == ["<EMAIL>, <EMAIL>; <PHONE>", "nothing", None, "联系<EMAIL>。"]
    assert batch.column("pii_counts__email").to_pylist() == [2, 0, None, 1]
    assert batch.column("pii_counts__phone").to_pylist() == [1, 0, None, 0]


def test_only_the_types_asked_for_are_replaced_and_all_are_counted():
    batch, texts = stepped(["a@b.example 4111 1111 1111 1111"], types=["phone", "email"])
    assert texts.to_pylist() == ["<EMAIL> 4111 1111 1111 1111"]
    assert batch.column("pii_counts__card").to_pylist() == [1]


def test_texts_in_which_nothing_is_found_are_not_copied():
    batch, texts = stepped(["one", "2024-01-02"])
    assert texts.buffers()[2].address == batch.column("text").buffers()[2].address


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([text for text, _, _ in FOUND] + NOTHING + ["中文。", "\n", "x" * 60]), max_size=8))
def test_measuring_in_batches_agrees_with_looking_at_each_text(parts):
    text = " ".join(parts)
    batch, texts = stepped([text, "", text])
    assert texts.to_pylist() == [replaced(text, TYPES), "", replaced(text, TYPES)]
    found = [name for _, _, name in find_pii(text)]
    for name in TYPES:
        assert batch.column(f"pii_counts__{name}").to_pylist() == [found.count(name), 0, found.count(name)]


CUES = (
    "Tel: ",
    "MOBİLE ",
    "mobıle: ",
    "deſK ",
    "电话",
    " office",
    "(fax)",
    "12)  (34",
    "0",
    "+44 ",
    "MT84MALT0110000123",
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*CUES, *NOTHING, *(value for _, _, value in FOUND), " ", "x" * 60]), max_size=8))
def test_a_pattern_matches_only_where_its_sign_and_enough_digits_are(parts):
    text = "".join(parts)
    _, marks = find_marks(np.frombuffer(text.encode(), np.uint8), np.array([0, len(text.encode())]))
    most = max([0, *marks[:, 3].tolist()])
    for _, pattern, is_real, fewest, sign in pii._patterns():
        group = 1 if pattern in (pii.CUED_PHONE, pii.NAMED_PHONE) else 0
        if any(is_real(hit[group], text, hit.start(group)) for hit in pattern.finditer(text)):
            assert sign(text, 0, len(text)) and most >= fewest, pattern


@given(st.text(alphabet="0123456789.:@-+() aAx中", max_size=200))
def test_nothing_crashes_and_spans_do_not_overlap(text):
    spans = find_pii(text)
    assert all(end <= start for (_, end, _), (start, _, _) in pairwise(spans))
    assert all(0 <= start < end <= len(text) for start, end, _ in spans)
    assert set(PLACEHOLDERS) == set(TYPES)


@pytest.mark.parametrize(
    "part", ["1", "1 ", "1.", "(", "+", "a@", "@", ":", "1:", "AKIA", "eyJ", "-----BEGIN PRIVATE KEY-----"]
)
def test_long_repetitions_take_no_long_time(part):
    find_pii(part * 5_000)


@pytest.mark.parametrize(("text", "number"), [
    ("Phone:\n60-56-85-91\n", "60-56-85-91"), ("Reach us: 28-64-66-98 office\n", "28-64-66-98"),
    ("781 1704-Fax", "781 1704"), ("+447700677662 mobile", "+447700677662"), ("手机：\n6056 8591", "6056 8591"),
])  # fmt: skip
def test_a_word_on_the_line_before_or_after_the_number_makes_it_a_telephone(text, number):
    (span,) = find_pii(text)
    assert (text[span[0] : span[1]], span[2]) == (number, "phone")


@pytest.mark.parametrize("text", ["60-56-85-91", "It has 6056 8591 officers.", "page 781 1704"])
def test_without_such_a_word_a_number_without_form_is_none(text):
    assert find_pii(text) == []


def test_all_three_parts_of_a_web_token_go():
    token = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{'a1B2' * 10}"
    assert find_pii(f"token: {token} end") == [(7, 7 + len(token), "secret")]


def test_a_secret_of_aws_is_found_by_its_name():
    text = f'aws_secret_access_key = "{"a1B2" * 10}"'
    assert [name for _, _, name in find_pii(text)] == ["secret"]


PARTS = (
    "1",
    "23",
    "4567",
    " ",
    "-",
    ". ",
    ".",
    "1.2.3.4",
    "10.20.30.4",
    ":",
    "::",
    "ab:",
    "f",
    "g",
    "(0)",
    "中",
    "\n",
    "+",
    "   ",
    "    ",
    "/",
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=25).map("".join))
def test_the_kernel_marks_what_the_patterns_match(text):
    expected = [found.span() for pattern in (DIGITS, COLONS) for found in pattern.finditer(text)]
    data = np.frombuffer(f"中1:{text}2:中".encode(), np.uint8)
    _, marks = find_marks(data, np.array([5, len(data) - 5]))
    assert sorted(tuple(mark) for mark in marks[:, 1:3].tolist()) == sorted(expected)


@pytest.mark.parametrize("key", KEYS)
def test_each_key_is_seen_whole_and_in_its_own_text_only(key):
    texts = [key, f"中{key}。", key[:-1], key[-1] + "=_-", f"- {key}"]
    keyed, _ = find_marks(*string_buffers(pa.array(texts)))
    assert keyed.tolist() == [True, True, False, False, True]


FIELDS = [
    ("https://x.example/u?mail=ann@example.org", "https://x.example/u?mail=<EMAIL>"),
    ("https://x.example/u?mail=ann%40example.org&a=%20", "https://x.example/u?mail=<EMAIL>&a= "),
    ("https://x.example/联系/13812345678", "https://x.example/联系/<PHONE>"),
    ("https://x.example/a%20b/2023/01/15/1234567", "https://x.example/a%20b/2023/01/15/1234567"),
    (None, None),
]
METAS = [
    ('{"author":"Ann <ann@example.org>","year":2011}', '{"author":"Ann <<EMAIL>>","year":2011}'),
    ('{"作者.电话":"62345678","标题":"海"}', '{"作者.电话":"<PHONE>","标题":"海"}'),
    ('{"user_phone":13812345678}', '{"user_phone":"<PHONE>"}'),
    ('{"tel":"62345678","time":1700000000}', '{"tel":"<PHONE>","time":1700000000}'),
    ('{"link":"https://x.example/?m=ann%40example.org"}', '{"link":"https://x.example/?m=<EMAIL>"}'),
    ('{"a@example.org":[true,null,1.5]}', '{"<EMAIL>":[true,null,1.5]}'),
    ('{"a": 1,  "spaces": "stay"}', '{"a": 1,  "spaces": "stay"}'),
    ('{"n":' + "9" * 5000 + "}", '{"n":' + "9" * 5000 + "}"),
    (None, None),
]


@pytest.mark.parametrize(("column", "pairs"), [("url", FIELDS), ("license", FIELDS), ("meta", METAS)])
def test_what_a_record_says_of_itself_is_edited_too(column, pairs):
    batch = pa.RecordBatch.from_pydict({column: pa.array([before for before, _ in pairs], pa.string())})
    assert pii.Pii().edit_fields(batch)[column].to_pylist() == [after for _, after in pairs]


def test_only_the_types_that_are_asked_for_are_replaced_in_fields():
    batch = pa.RecordBatch.from_pydict({"url": pa.array(["https://x.example/13812345678?m=ann@example.org"])})
    edited = pii.Pii(pii.PiiSettings(types=("email",))).edit_fields(batch)
    assert edited["url"].to_pylist() == ["https://x.example/13812345678?m=<EMAIL>"]


def test_fields_without_anything_to_replace_are_not_touched():
    assert pii.Pii().edit_fields(pa.RecordBatch.from_pydict({"url": pa.array(["https://x.example/", None])})) == {}
