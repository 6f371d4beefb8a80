"""Measure `import massivetext` and `massivetext --help` without interpreter start, compared with `import transformers`.

    python benchmarks/startup.py [--out benchmarks/results/startup.json]

The programs run alternately, so that disturbances affect all of them, and the medians are compared. `transformers` is
measured with a typical import (a model class and a tokenizer class), not only with its lazy top level.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from inputs import require_packages

from massivetext.storage import write_json

ROUNDS = 15
PROGRAMS = {
    "bare": [sys.executable, "-c", "pass"],
    "import_massivetext": [sys.executable, "-c", "import massivetext"],
    "massivetext_help": [sys.executable, "-m", "massivetext", "--help"],
    "import_transformers": [sys.executable, "-c", "import transformers"],
    "import_massivetext_classes": [
        sys.executable, "-c", "from massivetext import AutoModelForCausalLM, AutoTokenizer",
    ],
    "import_transformers_classes": [
        sys.executable, "-c", "from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM",
    ],
}  # fmt: skip


def seconds(command: list[str]) -> float:
    """Return the wall time of one run of a program."""
    started_at = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started_at


def main() -> None:
    """Run the programs alternately, print the medians and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "startup.json")
    options = parser.parse_args()
    require_packages("transformers")
    for command in PROGRAMS.values():
        seconds(command)  # fills the page cache and compiles the byte code
    rounds = [{name: seconds(command) for name, command in PROGRAMS.items()} for _ in range(ROUNDS)]
    medians = {name: statistics.median(row[name] for row in rounds) for name in PROGRAMS}
    beyond = {name: medians[name] - medians["bare"] for name in PROGRAMS if name != "bare"}
    found = {
        "benchmark": "startup",
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_average": round(os.getloadavg()[0], 1),
        },
        "rounds": ROUNDS,
        "median_seconds": medians,
        "beyond_bare_seconds": beyond,
        "classes_ratio": beyond["import_transformers_classes"] / beyond["import_massivetext_classes"],
    }
    for name, value in medians.items():
        print(f"{name:28} {value:6.3f} s")
    write_json(options.out, found)


if __name__ == "__main__":
    main()
