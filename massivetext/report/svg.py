"""Write a few SVG shapes as text. Colours and fonts come from the page's style sheet, so pictures follow dark mode."""

import math
import re
from collections.abc import Iterable, Sequence
from html import escape

Point = tuple[float, float]
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # what XML 1.0 cannot hold


class Drawing:
    """An SVG picture that grows shape by shape; `finish` returns it. Lengths are CSS pixels."""

    def __init__(self, width: float, height: float, name: str) -> None:
        self.width, self.height, self.name = width, height, name
        self._parts: list[str] = []

    def add(self, tag: str, content: str = "", title: str = "", **attributes: object) -> None:
        """Add any element. Attribute names have `_` for `-`, and `class_` for `class`; None omits the attribute."""
        written = "".join(
            f' {key.rstrip("_").replace("_", "-")}="{xml_text(number(value))}"'
            for key, value in attributes.items()
            if value is not None
        )
        inside = (f"<title>{xml_text(title)}</title>" if title else "") + content
        self._parts.append(f"<{tag}{written}>{inside}</{tag}>" if inside else f"<{tag}{written}/>")

    def text(self, x: float, y: float, words: str, class_: str = "", anchor: str = "start") -> None:
        """Write words with their baseline at (x, y)."""
        self.phrase(x, y, [(words, "")], class_, anchor)

    def phrase(
        self, x: float, y: float, parts: Sequence[tuple[str, str]], class_: str = "", anchor: str = "start"
    ) -> None:
        """Write pairs of (words, class) on one line, separated by spaces."""
        written = [
            f'<tspan class="{kind}">{xml_text(words)}</tspan>' if kind else xml_text(words) for words, kind in parts
        ]
        place = None if anchor == "start" else anchor
        self.add("text", "\u2002".join(written), "", x=x, y=y, class_=class_ or None, text_anchor=place)

    def line(self, x1: float, y1: float, x2: float, y2: float, class_: str) -> None:
        """Draw a straight line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)

    def curve(self, points: Iterable[Point], class_: str, title: str = "") -> None:
        """Draw straight segments through points."""
        self.add("path", d=path_through(points), class_=class_, title=title)

    def ribbon(self, start: Point, end: Point, width_start: float, width_end: float, class_: str, title: str) -> None:
        """Draw a band from `start` to `end`, each (x, top)."""
        (x1, y1), (x2, y2) = start, end
        middle = (x1 + x2) / 2
        path = (
            f"M{number(x1)} {number(y1)}C{number(middle)} {number(y1)} {number(middle)} {number(y2)} "
            f"{number(x2)} {number(y2)}V{number(y2 + width_end)}C{number(middle)} {number(y2 + width_end)} "
            f"{number(middle)} {number(y1 + width_start)} {number(x1)} {number(y1 + width_start)}Z"
        )
        self.add("path", d=path, class_=class_, title=title)

    def finish(self, class_: str = "") -> str:
        """Return the picture as one SVG element."""
        width, height = number(self.width), number(self.height)
        start = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-label="{xml_text(self.name)}" class="{class_}">'
        )
        return start + "".join(self._parts) + "</svg>"


def xml_text(words: str) -> str:
    """Return words escaped for XML: control characters as Unicode control pictures, other invalid ones as U+FFFD."""
    return escape(FORBIDDEN.sub(lambda found: chr(0x2400 + ord(found[0])) if found[0] < " " else "\ufffd", words))


def number(value: object) -> str:
    """Return an attribute's value; floats have one decimal, which is precise enough and keeps the page small."""
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)


def path_through(points: Iterable[Point]) -> str:
    """Return the path data of straight segments through points."""
    return "".join(f"{'L' if i else 'M'}{number(x)} {number(y)}" for i, (x, y) in enumerate(points))


def text_width(words: str, size: float = 12.0) -> float:
    """Return the approximate width of words in a proportional font: one em per Han character, about half per letter."""
    return sum(size if ord(character) >= 0x2E80 else size * 0.54 for character in words)


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return about `wanted` round numbers in [low, high], in steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def spread(wanted: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Return positions near the wanted ones, in order, at least `distance` apart and inside [low, high] if they fit."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = [0.0] * len(wanted)
    last = low - distance
    for i in order:
        last = placed[i] = max(wanted[i], last + distance)
    limit = high
    for i in reversed(order):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - distance
    return placed
