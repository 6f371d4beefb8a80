"""Describes the machine on which the corpus benchmarks run."""

import importlib.metadata
import os
import platform
import re
from pathlib import Path


def describe_machine() -> dict[str, object]:
    """Return the processor, its load, and the versions of Python and of the libraries used."""
    lines = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    model = re.search(r"model name\s*: (.*)", lines)
    packages = ("numba", "numpy", "pyarrow")
    return {
        "processor": model.group(1) if model else platform.processor(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
    }
