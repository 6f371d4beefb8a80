"""What all tests share: the real inputs, one thread a test process, and the time of each room's tests at the end."""

import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
from forking import seconds_of_forks

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
# Test processes run side by side: worker threads must not spin while they wait for each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture
def shared() -> Path:
    """The folder of real inputs; the test is skipped where it is absent. Mark such tests `shared` as well."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared/data is not here")
    return SHARED


class Stopwatch:
    """Measures the processor time of this process, of the child processes it has waited for, and of forks."""

    def __init__(self) -> None:
        self.last = 0.0
        self.lap()

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        now = sum(os.times()[:4]) + seconds_of_forks()
        elapsed, self.last = now - self.last, now
        return elapsed


stopwatch = Stopwatch()


def pytest_collection_finish() -> None:
    stopwatch.lap()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    report.processor_seconds = stopwatch.lap()  # pytest-xdist sends it along
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the processor time that the tests of each room took, with their number."""
    seconds: Counter[str] = Counter()
    tests: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                parts = Path(report.nodeid.split("::")[0]).parts
                room = parts[1] if len(parts) > 2 else "whole package"
                seconds[room] += report.processor_seconds
                tests[room] += report.when == "call"
    if len(seconds) > 1:
        terminalreporter.section("processor time by room")
        for room, spent in seconds.most_common():
            terminalreporter.write_line(f"{spent:7.1f} s  {tests[room]:5d} tests  {room}")
        terminalreporter.write_line(f"{seconds.total():7.1f} s  {tests.total():5d} tests")
