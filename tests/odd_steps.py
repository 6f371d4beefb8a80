"""Steps whose values are of every type, and whose drops have a value, a limit, both or neither."""

import pyarrow as pa

from massivetext.corpus.steps import Decide, Decision, Measure


class Odd(Measure):
    """Columns of several types."""

    name = "odd"
    version = 1

    @property
    def columns(self):
        return {
            "odd__word": pa.string(),
            "odd__flag": pa.bool_(),
            "odd__list": pa.list_(pa.int64()),
            "odd__n": pa.int8(),
        }

    def measure(self, batch):
        values = (["a word"], [True], [[1, 2]], [7])
        kinds = self.columns.items()
        return {name: pa.array(part * len(batch), kind) for (name, kind), part in zip(kinds, values, strict=True)}


class OddDecide(Decide):
    """Three documents of four are dropped: with a value alone, with a value and a limit, with neither."""

    name = "odd_decide"
    version = 1

    def decide(self, batch):
        rows = len(batch)
        return Decision(
            pa.array((["value", "both", "neither", None] * rows)[:rows], pa.string()),
            pa.array(([0.25, 3.0, None, None] * rows)[:rows], pa.float64()),
            pa.array(([None, 2.0, None, None] * rows)[:rows], pa.float64()),
        )
