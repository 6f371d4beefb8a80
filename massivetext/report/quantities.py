"""Format quantities for readers: bytes, counts, durations, shares, in English and in Chinese."""

import math
from collections.abc import Sequence

from massivetext.translations import language, tr

NARROW = "\u202f"  # narrow non-breaking space between a number and its unit
MINUS = "\u2212"


def bytes_text(size_bytes: float) -> str:
    """Return a size in decimal units with three digits: 20.3 MB."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= scale * 0.9995:
            return f"{three_digits(size_bytes / scale)}{NARROW}{unit}"
    return f"{size_bytes:.0f}{NARROW}B"


def count_text(count: float) -> str:
    """Return a count, with three digits if it is large: 8,412, 5.12 M; in Chinese 512 万."""
    chinese = (("亿", 1e8), ("万", 1e4))
    english = (("T", 1e12), ("B", 1e9), ("M", 1e6))
    for unit, scale in chinese if language() == "zh" else english:
        if abs(count) >= scale * 0.9995:
            return f"{three_digits(count / scale)}{NARROW}{unit}"
    return f"{count:,.0f}"


def share_text(fraction: float) -> str:
    """Return a fraction as a percentage with its significant digits: 0.03 %, 4.2 %, 97.9 %."""
    percent = 100 * fraction
    digits = 2 if 0 < percent < 0.995 else 0 if percent in (0, 100) else 1
    return f"{percent:.{digits}f}{NARROW}%"


def change_text(fraction: float) -> str:
    """Return a relative change with its sign: −5.2 %, +14.1 %."""
    sign = MINUS if fraction < 0 else "+"
    return f"{sign}{abs(100 * fraction):.1f}{NARROW}%"


def three_digits(value: float) -> str:
    """Return a number with three digits: 1.23, 12.3, 123."""
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


def tick_text(value: float) -> str:
    """Return an axis number without trailing zeros; large and small ones with a unit or a power of ten."""
    if value == 0:
        return "0"
    if abs(value) >= 1e4:
        number, narrow, unit = count_text(value).partition(NARROW)
        return (number.rstrip("0").rstrip(".") if "." in number else number) + narrow + unit
    if abs(value) < 1e-3:
        exponent = math.floor(math.log10(abs(value)) + 1e-9)
        digits = str(exponent).replace("-", "⁻").translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        mantissa = value / 10**exponent
        return f"10{digits}" if abs(mantissa - 1) < 1e-9 else f"{mantissa:.3g}·10{digits}"
    return f"{value:,.6g}"


def joined(parts: Sequence[str]) -> str:
    """Return a list in words: a, b and c."""
    if len(parts) < 2:
        return "".join(parts)
    return tr("{first} and {last}", first=tr(", ").join(parts[:-1]), last=parts[-1])


def short_digest(digest: str) -> str:
    """Return the first twelve characters of a digest, which are enough to distinguish two."""
    return digest.removeprefix("sha256:")[:12]


def reason_words(reason: str) -> str:
    """Return the words for a corpus's `step: reason` of dropped documents; limits keep their setting's name."""
    step, _, rest = reason.partition(": ")
    name, colon, detail = rest.partition(": ")
    if step in ("read", "deduplicate"):
        return tr(name) + colon + detail
    return f"{step}: {tr(name)}{colon}{detail}" if rest else step
