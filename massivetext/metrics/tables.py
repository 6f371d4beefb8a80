"""Tables of scores: one table for each task and metric, one row for each system, one column for each part."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from massivetext.metrics.declarations import Metric, metric_of, system_of
from massivetext.metrics.score import Score
from massivetext.translations import tr

NAME_COLUMNS, NUMBER_COLUMNS = 40, 12  # widths in a terminal


@dataclass
class Table:
    """Hold the scores of one metric on one task by system and part, both in the order of the scores."""

    task: str
    metric: Metric
    systems: dict[str, dict[str, Score]] = field(default_factory=dict)

    @property
    def parts(self) -> list[str]:
        """Return every part that some system was scored on; the empty string is the whole task."""
        return list(dict.fromkeys(part for cells in self.systems.values() for part in cells))

    @property
    def own(self) -> dict[str, Score]:
        """Return the scores of the first system, which the others are compared with."""
        return next(iter(self.systems.values()))

    @property
    def peers(self) -> list[dict[str, Score]]:
        """Return the scores of the other systems."""
        return list(self.systems.values())[1:]

    @property
    def title(self) -> str:
        """Return metric and task in the current language."""
        return tr("{metric} ({task})", metric=tr(self.metric.label), task=tr(self.task))

    @property
    def head(self) -> str:
        """Return the title with an arrow in the direction of better values."""
        return f"{self.title} {self.metric.arrow}".rstrip()

    def column(self, part: str) -> dict[str, Score]:
        """Return the score of each system on a part of the task."""
        return {system: cells[part] for system, cells in self.systems.items() if part in cells}


def tables(scores: Iterable[Score]) -> list[Table]:
    """Return one table for each task and metric, in the order of their first score."""
    found: dict[tuple[str, str], Table] = {}
    for score in scores:
        table = found.setdefault((score.group, score.metric), Table(score.group, metric_of(score)))
        table.systems.setdefault(score.system, {})[score.part] = score
    return list(found.values())


def by_task(scores: Iterable[Score]) -> list[list[Table]]:
    """Return the tables grouped by task; the first table of a task holds its main metric."""
    found: dict[str, list[Table]] = {}
    for table in tables(scores):
        found.setdefault(table.task, []).append(table)
    return list(found.values())


def part_name(part: str) -> str:
    """Return the heading of a part of a task, "total" for the whole task."""
    return part or tr("total")


def scores_text(scores: Iterable[Score]) -> list[str]:
    """Return the lines that show scores in a terminal: a table for each task and metric, then an empty line.

    The first system comes last, next to the prompt. An arrow in the heading shows which values are better.
    """
    lines = []
    for table in tables(scores):
        lines.append(_line(table.head, [part_name(part) for part in table.parts]))
        for cells in reversed(table.systems.values()):
            score = next(iter(cells.values()))
            system = system_of(score)
            name = system.named(score, system.title)
            lines.append(_line(name, [table.metric.write(cells[p].value) if p in cells else "—" for p in table.parts]))
        lines.append("")
    return lines


def _line(name: str, cells: Sequence[str]) -> str:
    """Return one line of a table, padded for Han characters, which are two columns wide in a terminal."""
    width = sum(2 if ord(character) >= 0x2E80 else 1 for character in name)
    return name + " " * max(1, NAME_COLUMNS - width) + "".join(f"{cell:>{NUMBER_COLUMNS}}" for cell in cells)
