"""Take screenshots of a run's report for README and docs in both languages: `python scripts/report_pictures.py RUN`.

Requires Chromium. The report is rewritten in English and Chinese.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
NAMES = {"zh": "report-zh.png", "en": "report.png"}
COLOURS = 96


def take(run: Path, language: str, picture: Path) -> None:
    """Write a screenshot of the top of a run's report."""
    write = [sys.executable, "-m", "massivetext", "report", str(run), "--language", language]
    subprocess.run(write, check=True, capture_output=True)
    with tempfile.TemporaryDirectory() as scratch:
        shot = Path(scratch) / "shot.png"
        browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        browser += ["--force-device-scale-factor=1.5", "--window-size=1040,1460", "--virtual-time-budget=3000"]
        browser += [f"--screenshot={shot}", (run / "report.html").resolve().as_uri()]
        subprocess.run(browser, check=True, capture_output=True, timeout=120)
        colours = Image.open(shot).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        colours.save(picture, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "report.html").is_file():
        sys.exit("usage: python scripts/report_pictures.py RUN\nRUN is a finished run folder, which holds report.html")
    for language, name in NAMES.items():
        take(Path(sys.argv[1]), language, IMAGES / name)
