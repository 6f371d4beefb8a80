"""Run a deciding step, with the measures it needs, on texts."""

import pyarrow as pa

from massivetext.corpus.steps import Decide, Decision, Measure
from massivetext.corpus.steps.table import make_steps


def decide(step: str | dict, *texts: str | None) -> Decision:
    """Return the first decision against each text; `step` may be a preset of deciding steps (then for one text)."""
    batch = pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string())})
    decision = None
    for made in make_steps([step]):
        if isinstance(made, Measure):
            for name, values in made.measure(batch).items():
                batch = batch.append_column(name, values)
        if isinstance(made, Decide) and (decision is None or decision.reason.null_count):
            decision = made.decide(batch)
    assert decision is not None
    return decision


def reasons(step: str | dict, *texts: str | None) -> list[str | None]:
    return decide(step, *texts).reason.to_pylist()
