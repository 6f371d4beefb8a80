"""Lists of scores as tables: one for each task and metric, a row for each system, a column for each part."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from massivetext.metrics.declarations import Metric, metric_of, system_of
from massivetext.metrics.score import Score
from massivetext.translations import tr

NAME_COLUMNS, NUMBER_COLUMNS = 40, 12  # widths in a terminal


@dataclass
class Table:
    """The scores of one metric on one task; cells by system and part, both in the order of the scores."""

    task: str
    metric: Metric
    systems: dict[str, dict[str, Score]] = field(default_factory=dict)

    @property
    def parts(self) -> list[str]:
        """The parts that any system was scored on; the empty one is the whole task."""
        return list(dict.fromkeys(part for cells in self.systems.values() for part in cells))

    @property
    def own(self) -> dict[str, Score]:
        """The scores of the first system, beside which the others stand."""
        return next(iter(self.systems.values()))

    @property
    def peers(self) -> list[dict[str, Score]]:
        """The scores of the other systems."""
        return list(self.systems.values())[1:]

    @property
    def title(self) -> str:
        """Metric and task in the language in use."""
        return tr("{metric} ({task})", metric=tr(self.metric.label), task=tr(self.task))

    @property
    def head(self) -> str:
        """The title, and an arrow in the direction of better values."""
        return f"{self.title} {self.metric.arrow}".rstrip()

    def column(self, part: str) -> dict[str, Score]:
        """Return the score of each system on a part of the task."""
        return {system: cells[part] for system, cells in self.systems.items() if part in cells}


def tables(scores: Iterable[Score]) -> list[Table]:
    """Return the tables of a list of scores, in the order in which their tasks and metrics first come up."""
    found: dict[tuple[str, str], Table] = {}
    for score in scores:
        table = found.setdefault((score.group, score.metric), Table(score.group, metric_of(score)))
        table.systems.setdefault(score.system, {})[score.part] = score
    return list(found.values())


def by_task(scores: Iterable[Score]) -> list[list[Table]]:
    """Return the tables of each task; the first of a task is its main metric."""
    found: dict[str, list[Table]] = {}
    for table in tables(scores):
        found.setdefault(table.task, []).append(table)
    return list(found.values())


def part_name(part: str) -> str:
    """Return what a part of a task is called in a table."""
    return part or tr("total")


def scores_text(scores: Iterable[Score]) -> list[str]:
    """Return the lines that show scores in a terminal: a table for each task and metric, an empty line after each.

    The first system comes last, next to the prompt. An arrow in the head says which values are better.
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
    """Return one line of a table; a Han character is two columns wide on a terminal."""
    width = sum(2 if ord(character) >= 0x2E80 else 1 for character in name)
    return name + " " * max(1, NAME_COLUMNS - width) + "".join(f"{cell:>{NUMBER_COLUMNS}}" for cell in cells)
