"""A metric that the package does not know, with a rival beside the model: what a user may declare and score."""

from massivetext.metrics.declarations import Metric

HOPS = Metric(
    "hops", "hops per page", unit="hops/page", lower_is_better=False, version=3, digits=2, items="{count} pages"
)


def score_hops(subject):
    """Return the hops of the model and of a frog on a task of its own, in total and in two parts."""
    facts = subject.facts(jumps="high")
    model = [("pond", 1234.5, (1200.0, 1300.0)), ("pond/shore", 7.25, None), ("pond/reed", 0.0, None)]
    frog = [("pond", 1000.0, None), ("pond/shore", 8.0, None)]
    return [
        *(HOPS.score(task, value, 42, interval=interval, facts=facts) for task, value, interval in model),
        *(HOPS.score(task, value, 42, system="tree frog", facts=facts) for task, value, _ in frog),
    ]
