"""Personal data and secrets in texts: the measure `pii_counts` and the edit `pii`, which puts `<EMAIL>` for an address.

What is found is never logged nor kept, only counted. A quick pass marks stretches that may hold something (an `@`, some
digits close together, the beginning of a key); the exact patterns, and check digits where a number has them, look at
those alone.
"""

import ipaddress
import json
import re
from bisect import bisect
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from importlib.metadata import version
from typing import Any, Literal
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.steps import Edit, Edited, Measure
from massivetext.corpus.steps.pii_marks import COLONS, find_marks
from massivetext.settings import Settings
from massivetext.text.arrays import string_buffers

PiiType = Literal["secret", "email", "iban", "resident_id", "card", "ssn", "ip", "phone"]
TYPES: tuple[PiiType, ...] = ("secret", "email", "iban", "resident_id", "card", "ssn", "ip", "phone")
"""In the order in which they are believed where two of them overlap."""
PLACEHOLDERS = {
    "secret": "<SECRET>",
    "email": "<EMAIL>",
    "iban": "<IBAN>",
    "resident_id": "<RESIDENT_ID>",
    "card": "<CARD>",
    "ssn": "<SSN>",
    "ip": "<IP_ADDRESS>",
    "phone": "<PHONE>",
}
AT_IN_URL = "%40"
MAX_DIGITS = 4000
MARGIN = 48
"""Characters around a mark that the patterns may need."""
EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_+-])?"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp")
"""Endings of file names such as `logo@2x.png`."""
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?(?![A-Za-z0-9])")
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24,
    "XK": 20,
}  # fmt: skip
RESIDENT_ID = re.compile(r"(?<![0-9A-Za-z])[1-9][0-9]{5}(?:18|19|20)[0-9]{9}[0-9Xx](?![0-9A-Za-z])")
RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
RESIDENT_CHECKS = "10X98765432"
PROVINCES = {
    *("11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37"),
    *("41", "42", "43", "44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71", "81"),
    *("82", "83"),
}
CARD = re.compile(r"(?<![0-9A-Za-z.+])(?:[0-9]{12,19}|[0-9]{4}(?:[ -][0-9]{4}){3}(?:[ -]?[0-9]{1,3})?"
                  r"|[0-9]{4}(?:[ -][0-9]{4}){2}[ -][0-9]{1,7}|[0-9]{6,8}[ -][0-9]{6,13}"
                  r"|[0-9]{4}[ -][0-9]{6}[ -][0-9]{4,9})(?![0-9A-Za-z])")  # fmt: skip
ISSUERS = re.compile(r"4|5[0-8]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[4-9]|30[0-5]|6(?:0|2|3|4|5|7)|1800|2131")
IPV4 = re.compile(r"(?<![0-9A-Za-z.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z]|\.[0-9])")
IPV6 = re.compile(r"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![0-9A-Za-z:])")
SSN = re.compile(
    r"(?<![0-9A-Za-z.+-])(?!000|666|9)[0-9]{3}([ -]?)(?!00)[0-9]{2}\1(?!0000)[0-9]{4}(?![0-9A-Za-z]|[.-][0-9])"
)
CUED_SSN = re.compile(r"(?:\bssn|social security|社会安全号|社会保障号|社安号)[^0-9\n]{0,20}$", re.IGNORECASE)
VERSION = re.compile(
    r"(?:\b(?:v|ver|version|release|rev|revision|build|firmware|patch|(?:updated?|upgraded?) to|section|chapter|clause"
    r"|figure|table|annex)|§|版本号?|固件|(?:升级|更新)[到至为]|第|附录|图|表)[号为是]?\.?\s{0,2}[:：=]?\s{0,2}v?$",
    re.IGNORECASE,
)
"""What stands before a version or the number of a section."""
VERSION_AFTER = re.compile(r"\s?(?:正式版|测试版|版|节|章|条|款|(?:release|version|build)\b)")
ANNOUNCED_ADDRESS = re.compile(
    r"(?:\bip|address|host|server|dns|ping|gateway|route|client|peer|proxy|://|@|地址|主机|服务器|网关|来自|登录|访问)"
    r"[^\n]{0,12}$",
    re.IGNORECASE,
)
MAX_VERSION_PART = 20
"""Four numbers up to this one behind a name are a version, as in "Python 3.11.0.1", unless they are announced."""
PHONES = tuple(re.compile(pattern) for pattern in (
    r"(?<![0-9A-Za-z+.])(?:\+|00)(?!0)[0-9]{1,3}(?:[ .-]{0,2}\(?[0-9]{1,5}\)?){2,6}(?:x[0-9]{1,5})?"
    r"(?![0-9A-Za-z]|[.-][0-9])",
    r"(?<![0-9A-Za-z+.-])1[3-9][0-9](?:[0-9]{8}|([ -])[0-9]{4}\1[0-9]{4})(?![0-9A-Za-z]|[.-][0-9])",
    r"(?<![0-9A-Za-z+.-])(?:\(0[0-9]{2,3}\) ?|0[0-9]{2,3}-)[2-9][0-9]{6,7}(?:-[0-9]{1,5})?(?![0-9A-Za-z])",
    r"(?<![0-9A-Za-z+.-])(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}([ .-]))[2-9][0-9]{2}[ .-][0-9]{4}"
    r"(?: ?(?:x|ext\.?) ?[0-9]{1,5})?(?![0-9A-Za-z]|[.-][0-9])",
    r"(?<![0-9A-Za-z+.-])\(?0[1-9][0-9]{0,3}\)?(?:[ .-][0-9]{2,4}){2,4}(?![0-9A-Za-z]|[.-][0-9])",
))  # fmt: skip
NUMBER_OF_PHONE = r"((?:\+|\()?[0-9](?:[ ().-]{0,2}[0-9]){6,14})"
CUED_PHONE = re.compile(
    r"(?:\b(?:tele?phone|phone|mobile|cell|desk|fax|tel|call(?: me| us)?(?: at| on)?|answering at|whatsapp"
    r"|contact)\b"
    r"(?: (?:no|number|is))*|电话|電話|手机|手機|联系方式|传真|座机)[.:：是为 ]{0,4}\n?"
    + NUMBER_OF_PHONE
    + r"(?![0-9A-Za-z])",
    re.IGNORECASE,
)
"""A number after a word that announces it, on the same line or the next."""
NAMED_PHONE = re.compile(
    rf"(?<![0-9A-Za-z+.-]){NUMBER_OF_PHONE}[ ,-]{{1,2}}\(?(?:office|fax|mobile|cell|home|desk)\b", re.IGNORECASE
)
"""A number before the word that says what it is."""
MIN_PHONE_DIGITS, MAX_PHONE_DIGITS = 7, 15
AMOUNT_BEFORE = re.compile(r"[¥￥$€£]\s?$")
AMOUNT_AFTER = re.compile(
    r"\s?(?:[千百万亿]*(?:元|块钱|[美欧日港]元|英镑|人民币|人次|吨|公里|平方米|千克|公斤|股)|%|％|(?:dollars|euros|yuan|usd|rmb|cny"
    r"|people|tons|km|shares)\b)",
    re.IGNORECASE,
)
KEY_PLUGINS = (
    "aws:AWSKeyDetector", "azure_storage_key:AzureStorageKeyDetector", "github_token:GitHubTokenDetector",
    "gitlab_token:GitLabTokenDetector", "pypi_token:PypiTokenDetector",
    "sendgrid:SendGridDetector", "slack:SlackDetector",
    "square_oauth:SquareOAuthDetector", "stripe:StripeDetector",
)  # fmt: skip
KEY_FORMS = (
    re.compile(r"eyJ[A-Za-z0-9_=-]{1,1000}+(?:\.[A-Za-z0-9_=-]{1,10000}+){1,2}"),
    re.compile(
        r"sk-(?=[A-Za-z0-9_-]{20,200}?T3BlbkFJ)[A-Za-z0-9_-]{0,180}[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}", re.ASCII
    ),
)
"""Web tokens and keys of OpenAI: the library's patterns for them take square time on repeated beginnings."""
NPM_TOKEN = re.compile(r"/:_authToken=\s{0,9}(?:npm_.|[A-Fa-f0-9-]{36})")
MAX_ADDRESS_CHARACTERS = 1000
"""How long the address before an npm token may be."""
PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----")
MAX_KEY_CHARACTERS = 20_000
Span = tuple[int, int, PiiType]


def find_pii(text: str, types: tuple[PiiType, ...] = TYPES) -> list[Span]:
    """Return (start, end, type) of what is found, by place, without overlaps; of two that overlap TYPES decides."""
    data = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
    keyed, marks = find_marks(data, np.array([0, len(data)]))
    return _find(text, bool(keyed[0]), marks[:, 1:].tolist(), types)


def _find(text: str, keyed: bool, marks: list[tuple[int, int, int]], types: tuple[PiiType, ...]) -> list[Span]:
    """Return what `find_pii` does; keyed: whether it holds one of KEYS."""
    found: list[Span] = []
    if "secret" in types and keyed:
        found += [(*span, "secret") for span in _secrets(text)]
    for start, end, most in _stretches(text, marks):
        for name, pattern, is_real, least, sign in _patterns():
            if name not in types or most < least or not sign(text, start, end):
                continue
            for hit in pattern.finditer(text, start, end):
                group = 1 if pattern in (CUED_PHONE, NAMED_PHONE) else 0
                if is_real(hit[group], text, hit.start(group)):
                    found.append((hit.start(group), hit.end(group), name))
    return _parted(found)


def _stretches(text: str, marks: list[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, digits) of the stretches of a text that may hold something: marks with a margin around them.

    digits: of the mark with most in it.
    """
    begun: tuple[int, int, int] | None = None
    for start, end, most in sorted(marks):
        start, end = max(start - MARGIN, 0), min(end + MARGIN, len(text))
        if begun is not None and start <= begun[1]:
            begun = begun[0], max(end, begun[1]), max(most, begun[2])
            continue
        if begun is not None:
            yield begun
        begun = start, end, most
    if begun is not None:
        yield begun


def _parted(found: list[Span]) -> list[Span]:
    """Return spans by place without overlaps: the earlier type in TYPES stays, of one type the longer."""
    if len(found) < 2:
        return found
    kept: list[Span] = []
    taken: list[tuple[int, int]] = []
    for start, end, name in sorted(found, key=lambda span: (TYPES.index(span[2]), span[0] - span[1], span[0])):
        # None of those taken overlap, so that only the two beside it can.
        after = bisect(taken, (start, end))
        if (after == 0 or taken[after - 1][1] <= start) and (after == len(taken) or taken[after][0] >= end):
            taken.insert(after, (start, end))
            kept.append((start, end, name))
    return sorted(kept)


Sign = Callable[[str, int, int], object]


@cache
def _patterns() -> tuple[tuple[PiiType, re.Pattern[str], Callable[[str, str, int], bool], int, Sign], ...]:
    """Return (type, pattern, whether what it matched is real, fewest digits, quick sign) in the order of TYPES.

    Fewest digits: of a chain as DIGITS matches it, which a match cannot do without. Quick sign: a pattern that is fast,
    because the first character of its matches is known, and that matches wherever there is a match; or words.
    """

    def sign(pattern: str) -> Sign:
        return re.compile(pattern).search

    def words(*listed: str) -> Sign:
        return lambda text, start, end: any(map(text[start:end].casefold().__contains__, listed))

    def always(text: str, start: int, end: int) -> bool:
        return True

    zero = sign("[+0](?<![0-9A-Za-z.][+0])")
    chinese = ("电话", "電話", "手机", "手機", "联系方式", "传真", "座机")
    phones = ((0, zero), (11, always), (0, zero), (10, always), (0, zero))
    return (
        ("email", EMAIL, lambda value, text, start: not value.lower().endswith(PICTURES), 0, sign("@")),
        ("iban", IBAN, lambda value, text, start: is_iban(value), 0, sign("[0-9](?<=[A-Za-z]{2}[0-9])")),
        ("resident_id", RESIDENT_ID, lambda value, text, start: is_resident_id(value), 17, always),
        ("card", CARD, lambda value, text, start: is_card(value), 12, always),
        ("ssn", SSN, _is_ssn, 9, always),
        ("ip", IPV4, _is_address, 0, sign(r"\.[0-9]{1,3}\.[0-9]{1,3}\.")),
        ("ip", IPV6, _is_address, 0, COLONS.search),
        *(("phone", pattern, _is_plain_phone, *needed) for pattern, needed in zip(PHONES, phones)),
        # With other cases than those of English, an i has more forms than casefold knows: mob(ile), answer(ing).
        ("phone", CUED_PHONE, _is_phone, MIN_PHONE_DIGITS, words(
            "phone", "mob", "cell", "desk", "fax", "tel", "call", "answer", "whatsapp", "contact", *chinese,
        )),
        ("phone", NAMED_PHONE, _is_phone, MIN_PHONE_DIGITS, words("off", "fax", "mob", "cell", "home", "desk")),
    )  # fmt: skip


def is_iban(value: str) -> bool:
    """Return whether an account number has its country's length and the remainder 1 by 97 (ISO 13616)."""
    compact = value.replace(" ", "").upper()
    if IBAN_LENGTHS.get(compact[:2]) != len(compact):
        return False
    return int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1


def is_resident_id(value: str) -> bool:
    """Return whether a mainland-Chinese identity number has a province, a date and its check digit (GB 11643)."""
    if value[:2] not in PROVINCES:
        return False
    try:
        date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(RESIDENT_WEIGHTS, value))
    return value[17].upper() == RESIDENT_CHECKS[total % 11]


def is_card(value: str) -> bool:
    """Return whether a number begins as payment cards do and has Luhn's check digit (ISO/IEC 7812)."""
    digits = [int(character) for character in value if character.isdigit()]
    if not 12 <= len(digits) <= 19 or len(set(digits)) < 2 or not ISSUERS.match("".join(map(str, digits))):
        return False
    doubled = (2 * digit - 9 * (digit > 4) for digit in digits[-2::-2])
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def _is_address(value: str, text: str, start: int) -> bool:
    """Return whether it is a public address, and not a version or a time."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    if not address.is_global:
        return False
    before = max(start - 24, 0)
    if address.version == 6 or ANNOUNCED_ADDRESS.search(text, before, start):
        return not VERSION.search(text, before, start)
    parts = {int(part) for part in value.split(".")}
    named = text[max(start - 2, 0) : start].rstrip(" ")[-1:].isalpha()
    small = named and max(parts) <= MAX_VERSION_PART and len(parts) > 1
    return not (small or VERSION.search(text, before, start) or VERSION_AFTER.match(text, start + len(value)))


def _is_ssn(value: str, text: str, start: int) -> bool:
    """Return whether nine digits are a social security number: with hyphens, or announced as one."""
    return "-" in value or CUED_SSN.search(text, max(start - 40, 0), start) is not None


def _is_plain_phone(value: str, text: str, start: int) -> bool:
    """Return whether a number that nothing announces is one: no amount, and not cut out of a longer one."""
    end = start + len(value)
    if AMOUNT_BEFORE.search(text, max(start - 2, 0), start) or AMOUNT_AFTER.match(text, end):
        return False
    for sign in " -":
        if sign in value and (
            re.search(rf"(?<![0-9])[0-9]{{4}}{sign}$", text[max(start - 6, 0) : start])
            or re.match(rf"{sign}[0-9]{{4}}(?![0-9])", text[end : end + 6])
        ):
            return False
    return _is_phone(value, text, start)


def _is_phone(value: str, text: str, start: int) -> bool:
    """Return whether it has as many digits as a telephone number."""
    return MIN_PHONE_DIGITS <= sum(character.isdigit() for character in value) <= MAX_PHONE_DIGITS


@cache
def _key_patterns() -> tuple[re.Pattern[str], ...]:
    """Return the patterns of detect-secrets for keys whose form is their own."""
    from importlib import import_module

    patterns: list[re.Pattern[str]] = []
    for name in KEY_PLUGINS:
        module, _, plugin = name.partition(":")
        patterns += getattr(import_module(f"detect_secrets.plugins.{module}"), plugin).denylist
    return tuple(patterns)


def _secrets(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of keys and tokens."""
    for found in PRIVATE_KEY.finditer(text):
        closing = f"-----END {found[1]}-----"
        end = text.find(closing, found.end(), found.end() + MAX_KEY_CHARACTERS)
        if end >= 0:
            yield found.start(), end + len(closing)
    for pattern in (*_key_patterns(), *KEY_FORMS):
        for found in pattern.finditer(text):
            yield found.span()
    done = 0
    for found in NPM_TOKEN.finditer(text):
        # The address of the registry, before the token, and the rest of the line go with it.
        begin = max(done, found.start() - MAX_ADDRESS_CHARACTERS)
        start = text.find("//", max(begin, text.rfind("\n", begin, found.start()) + 1), found.start())
        if start >= 0:
            end = text.find("\n", found.end())
            done = len(text) if end < 0 else end
            yield start, done


class PiiCounts(Measure):
    """Counts what a text holds of each type."""

    name = "pii_counts"
    version = 4

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The columns `pii_counts__TYPE`."""
        return {f"{self.name}__{name}": pa.int64() for name in TYPES}

    def describe(self) -> dict[str, Any]:
        """Return name, version, settings, and the version of the library whose patterns of keys these are."""
        return {**super().describe(), "library": f"detect-secrets {version('detect-secrets')}"}

    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return the counts."""
        texts = batch.column("text")
        keyed, marks = find_marks(*string_buffers(texts))
        places = np.searchsorted(marks[:, 0], np.arange(len(texts) + 1))
        counts = np.zeros((len(TYPES), len(batch)), np.int64)
        for row in np.flatnonzero(keyed | (np.diff(places) > 0)).tolist():
            marked = marks[places[row] : places[row + 1], 1:].tolist()
            for _, _, name in _find(texts[row].as_py(), bool(keyed[row]), marked, TYPES):
                counts[TYPES.index(name), row] += 1
        null = np.asarray(pc.is_null(texts).to_numpy(zero_copy_only=False))
        return {f"{self.name}__{name}": pa.array(row, mask=null) for name, row in zip(TYPES, counts)}


class PiiSettings(Settings):
    """Which types are replaced."""

    types: tuple[PiiType, ...] = TYPES
    """Types to replace; all types are counted."""


FIELDS = ("url", "license", "meta")
"""Columns beside the text that `pii` edits. `uri` stays: it is the name of the input file, and part of the id."""


class Pii(Edit):
    """Puts a placeholder for what is found in the text, `url`, `license` and `meta`: `<EMAIL>`, `<PHONE>`, ..."""

    name = "pii"
    version = 4
    needs = ("pii_counts",)
    settings_type = PiiSettings
    settings: PiiSettings
    redacts = True

    def edit(self, batch: pa.RecordBatch) -> Edited:
        """Return the texts and the fields with placeholders."""
        return Edited(self.edit_texts(batch), columns=self.edit_fields(batch))

    def edit_texts(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the texts with placeholders; only texts in which something was counted are looked at again."""
        texts = batch.column("text")
        hit = pa.array(np.zeros(len(batch), np.bool_))
        for name in self.settings.types:
            hit = pc.or_(hit, pc.fill_null(pc.greater(batch.column(f"pii_counts__{name}"), 0), False))
        if not pc.any(hit).as_py():
            return texts
        new = [replaced(text, self.settings.types) for text in texts.filter(hit).to_pylist()]
        return pc.replace_with_mask(texts, hit, pa.array(new, texts.type))

    def edit_fields(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return `url`, `license` and `meta` with placeholders, where one of them changes."""
        found = {}
        for name in FIELDS:
            if name not in batch.schema.names:
                continue
            values = batch.column(name)
            edit = redacted_meta if name == "meta" else redacted_url
            hit = _may_hold(values)
            if not hit.any():
                continue
            new = [edit(value, self.settings.types) for value in values.filter(pa.array(hit)).to_pylist()]
            edited = pc.replace_with_mask(values, pa.array(hit), pa.array(new, values.type))
            if not edited.equals(values):
                found[name] = edited
        return found


def _may_hold(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which of some strings may hold something, also an address written as `ann%40example.org`."""
    keyed, marks = find_marks(*string_buffers(values))
    hit = keyed | pc.fill_null(pc.match_substring(values, AT_IN_URL), False).to_numpy(zero_copy_only=False)
    hit[np.unique(marks[:, 0])] = True
    return np.asarray(hit & values.is_valid().to_numpy(zero_copy_only=False))


def redacted_meta(meta: str, types: tuple[PiiType, ...] = TYPES) -> str:
    """Return a JSON object with placeholders in its values; the name of a value says what it is, as words in a text do.

    A number that is replaced becomes a string. An object in which nothing is found is returned as it is.
    """

    def edited(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {replaced(key, types): edited(key, inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [edited(name, inner) for inner in value]
        if isinstance(value, bool) or not isinstance(value, str | int):
            return value
        cue = f"{re.sub('[._-]', ' ', name)}: "
        whole = redacted_url(str(value), types) if AT_IN_URL in str(value) else str(value)
        new = replaced(cue + whole, types, len(cue))[len(cue) :]
        return value if new == str(value) else new

    # Python refuses to read longer whole numbers; they are no personal data either.
    before = json.loads(meta, parse_int=lambda digits: int(digits) if len(digits) <= MAX_DIGITS else digits)
    after = edited("", before)
    return meta if after == before else json.dumps(after, ensure_ascii=False, separators=(",", ":"))


def redacted_url(url: str, types: tuple[PiiType, ...] = TYPES) -> str:
    """Return a URL or path with placeholders for what is found in it, also where it is written as `ann%40example.org`.

    One in which something is found comes back without its percent signs; any other as it is.
    """
    readable = unquote(url)
    found = replaced(readable, types)
    return url if found == readable else found


def replaced(text: str, types: tuple[PiiType, ...], start_at: int = 0) -> str:
    """Return a text with placeholders for what is found of some types; what begins before `start_at` stays."""
    parts, place = [], 0
    # All types are looked for, so that a card number is no telephone number where only those are replaced.
    for start, end, name in find_pii(text):
        if name in types and start >= start_at:
            parts += [text[place:start], PLACEHOLDERS[name]]
            place = end
    return "".join([*parts, text[place:]])
