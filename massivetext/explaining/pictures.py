"""Pictures of attention: one map with its words, and the sheet of all layers and heads. Legend: T readers, S read."""

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from massivetext.explaining.maps import AttentionMap
from massivetext.explaining.pieces import TextPiece
from massivetext.report.svg import Drawing, text_width, xml_text
from massivetext.translations import tr

INK = (194, 73, 29)  # seen on light and on dark paper
LONGEST_LABEL = 16
LARGE, SMALL, ROW = 30.0, 11.0, 640.0  # a cell's side in pixels: at most, at least, and what a row shares
TILE, SHEET, TALL = 110.0, 880.0, 1500.0  # a small map's side at most, the width and height that they share

Weights = NDArray[np.float32]


def heat_map(
    weights: Weights, readers: Sequence[TextPiece], read: Sequence[TextPiece], title: str, cells: Weights
) -> str:
    """Return one map (T, S) as an SVG picture: a row for each reader, darker where it reads more.

    cells: (T, S), above zero where some head reads, so that a cell is drawn; pass `weights` for a picture on its own.
    Each cell says its words and its number under the pointer.
    """
    rows, columns = [short(piece.label) for piece in readers], [short(piece.label) for piece in read]
    side = max(SMALL, min(LARGE, ROW / max(len(rows), len(columns))))
    font = min(13.0, side * 0.85)
    left = max(text_width(name, font * 1.2) for name in rows) + 12  # capitals and brackets are wider than most letters
    top = max(text_width(name, font * 1.2) for name in columns) * 0.8 + 14  # the words above lean by 53 degrees
    right = text_width(columns[-1], font) * 0.6 + 6
    drawing = Drawing(left + side * len(columns) + right, top + side * len(rows) + 4, title)
    for number, name in enumerate(rows):
        drawing.add("text", xml_text(name), x=left - 7, y=top + side * (number + 0.5) + font * 0.35, text_anchor="end",
                    style=f"font-size:{font:.1f}px")  # fmt: skip
    for number, name in enumerate(columns):
        x, y = left + side * (number + 0.5) + font * 0.3, top - 6
        drawing.add("text", xml_text(name), transform=f"translate({x:.1f} {y:.1f}) rotate(-53)",
                    style=f"font-size:{font:.1f}px")  # fmt: skip
    drawing.add("rect", x=left, y=top, width=side * len(columns), height=side * len(rows), class_="frame",
                fill="none", stroke="currentColor", stroke_opacity="0.2")  # fmt: skip
    for row, column in zip(*np.nonzero(cells > 0), strict=True):
        share = float(weights[row, column])
        words = f"{rows[row]} ← {columns[column]}  {share:.3f}"
        drawing.add("rect", "", words, x=left + side * column, y=top + side * row, width=side, height=side,
                    fill=ink(), fill_opacity=f"{share**0.5:.3f}", data_at=f"{row} {column}")  # fmt: skip
    return drawing.finish("map")


def sheet(found: AttentionMap, title: str) -> str:
    """Return the maps of all layers (rows) and heads (columns) as one SVG picture around one embedded image.

    Its data attributes say how the image is laid out, for the page's script: a map's rows and columns, and the gap.
    """
    layers, heads, rows, columns = found.weights.shape
    gap = gap_of(rows, columns)
    pixels = np.zeros((layers, rows + gap, heads, columns + gap), dtype=np.uint8)
    pixels[:, :rows, :, :columns] = np.rint(255 * np.sqrt(found.weights)).astype(np.uint8).transpose(0, 2, 1, 3)
    flat = pixels.reshape(layers * (rows + gap), heads * (columns + gap))
    scale = min(TILE, SHEET / heads, max(TALL / layers, 30.0)) / (max(rows, columns) + gap)
    width, height, left, top = flat.shape[1] * scale, flat.shape[0] * scale, 62.0, 22.0
    drawing = Drawing(left + width, top + height, title)
    for head in range(heads):
        drawing.text(left + (columns + gap) * scale * head, 13, str(head) if head else tr("head 0"), "tick")
    for layer in range(layers):
        drawing.text(left - 8, top + (rows + gap) * scale * layer + 11, tr("layer {n}", n=layer), "tick", "end")
        for head in range(heads):
            drawing.add("rect", x=left + (columns + gap) * scale * head, y=top + (rows + gap) * scale * layer,
                        width=columns * scale, height=rows * scale, class_="tile",
                        data_at=f"{layer} {head}")  # fmt: skip
    drawing.add("image", x=left, y=top, width=width, height=height, preserveAspectRatio="none",
                href=f"data:image/png;base64,{base64.b64encode(png(flat)).decode()}")  # fmt: skip
    return drawing.finish("sheet")


def gap_of(rows: int, columns: int) -> int:
    """Return how many pixels of the sheet's image stand between maps of so many rows and columns."""
    return -(-max(rows, columns) // 10)


def png(alpha: NDArray[np.uint8]) -> bytes:
    """Return a PNG file of one ink, as opaque as `alpha` (rows, columns) says: a palette of 256 shades of it."""
    height, width = alpha.shape
    lines = b"".join(b"\0" + line.tobytes() for line in alpha)  # each begins with its filter: none
    parts = {
        b"IHDR": struct.pack(">2I5B", width, height, 8, 3, 0, 0, 0),
        b"PLTE": bytes(INK) * 256,
        b"tRNS": bytes(range(256)),
        b"IDAT": zlib.compress(lines, 9),
        b"IEND": b"",
    }
    written = [struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
               for name, data in parts.items()]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def standalone(picture: str) -> str:
    """Return an SVG picture as a file of its own, which brings its fonts along."""
    style = "<style>text{font-family:system-ui,'Noto Sans','Noto Sans CJK SC',sans-serif}</style>"
    head, rest = picture.split(">", 1)
    return f"{head}>{style}{rest}\n"


def ink() -> str:
    """Return the ink as CSS writes it."""
    return f"rgb({INK[0]},{INK[1]},{INK[2]})"


def short(words: str) -> str:
    """Return words cut to what fits beside a row."""
    return words if len(words) <= LONGEST_LABEL else words[: LONGEST_LABEL - 1] + "…"
