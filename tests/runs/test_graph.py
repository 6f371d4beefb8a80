"""Stages form a graph: the order follows from what they read, and a change does again only what depends on it."""

import pytest
from small_run import small_recipe, write_texts

import massivetext as mt
from massivetext.errors import ConfigError, DataError
from massivetext.recipe import load_recipe
from massivetext.runs.folder import RecipeRun
from massivetext.runs.graph import Graph, Stage
from massivetext.runs.stages import GRAPH, STAGES
from massivetext.state import read_json
from massivetext.storage import write_json, write_text

RECIPE = {
    "corpus": {"sources": [{"name": "texts", "path": "texts"}]},
    "model": {"family": "llama", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1},
    "train": {"steps": 1},
}


def stage(name, inputs=(), settings=None, **options):
    """Return a stage that copies its inputs and its settings into the file NAME.txt."""
    settings = {} if settings is None else settings

    def reads(run):
        return {"settings": dict(settings), **{one: (run.folder / one).read_text() for one in inputs}}

    def work(run):
        write_text(run.folder / f"{name}.txt", f"{name} {settings} " + "".join(reads(run)[one] for one in inputs))

    return Stage(name, tuple(inputs), (f"{name}.txt",), reads, work, **options)


def run_all(graph, folder, until=None, **options):
    run = RecipeRun(folder, load_recipe(RECIPE), quiet=True, **options)
    for one in graph.unfinished(run, until):
        graph.perform(run, one)
    return run.performed


def names(stages):
    return [one.name for one in stages]


def test_the_order_follows_from_what_stages_read():
    last, first, middle = stage("last", ["middle.txt"]), stage("first"), stage("middle", ["first.txt"])
    assert names(Graph([last, middle, first]).order) == ["first", "middle", "last"]


def test_stages_that_could_come_next_keep_the_order_they_were_given_in():
    assert names(Graph([stage("b"), stage("a"), stage("c")]).order) == ["b", "a", "c"]


def test_the_stages_of_a_recipe_come_in_the_order_of_the_pipeline():
    order = ["corpus", "tokenizer", "tokens", "train", "model", "evaluate", "samples", "report"]
    assert names(Graph(STAGES[::-1]).order)[:5] == order[:5]
    assert names(GRAPH.order) == order


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([stage("a", ["b.tx"]), stage("b")], r"unknown input of the stage 'a': 'b\.tx'; did you mean 'b\.txt'"),
        ([stage("a", ["b.txt"]), stage("b", ["a.txt"])], "stages 'a', 'b' wait for each other's outputs"),
        ([stage("a", ["a.txt"])], "stages 'a' wait for each other's outputs"),
        ([stage("a"), stage("a")], "a stage is named 'a'; each needs a name of its own"),
        (["corpus"], "stages has 'corpus'; each entry is a massivetext.runs.graph.Stage"),
        ([stage("a/b")], "named 'a/b'"),
        ([Stage("a", (), (), dict, dict)], "'a' has no outputs"),
        ([stage("a"), Stage("b", (), ("a.txt",), dict, dict)], r"'a' and 'b' both write 'a\.txt'"),
        ([Stage("a", (), ("x",), dict, dict), Stage("b", (), ("x/y",), dict, dict)], "'a' and 'b' both write 'x/y'"),
        ([Stage("a", (), ("x/y",), dict, dict), Stage("b", (), ("x",), dict, dict)], "'a' and 'b' both write 'x'"),
        ([Stage("a", (), ("../x",), dict, dict)], "an output is a path inside the run folder"),
        ([Stage("a", (), ("/x",), dict, dict)], "an output is a path inside the run folder"),
        ([Stage("a", (), ("recipe.yaml",), dict, dict)], "an output is a path inside the run folder"),
        ([Stage("a", (), ("stages/b.json",), dict, dict)], "an output is a path inside the run folder"),
    ],
)
def test_a_graph_that_cannot_be_done_is_refused(stages, message):
    with pytest.raises(ConfigError, match=message):
        Graph(stages)


def test_an_unknown_stage_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match="unknown stage 'modl'; did you mean 'model'"):
        GRAPH.up_to("modl")


def test_a_change_does_again_what_depends_on_it_and_nothing_else(tmp_path):
    settings = {"left": {"x": 1}, "right": {"x": 1}}
    left, right = stage("left", ["root.txt"], settings["left"]), stage("right", ["root.txt"], settings["right"])
    graph = Graph([stage("root"), left, right, stage("leaf", ["left.txt"]), stage("both", ["left.txt", "right.txt"])])
    assert run_all(graph, tmp_path) == ["root", "left", "right", "leaf", "both"]
    assert run_all(graph, tmp_path) == []
    settings["right"]["x"] = 2
    assert run_all(graph, tmp_path) == ["right", "both"]
    settings["left"]["x"] = 2
    assert run_all(graph, tmp_path) == ["left", "leaf", "both"]
    assert (tmp_path / "both.txt").read_text().count("{'x': 2}") == 2


def test_what_depends_on_a_changed_stage_is_gone_before_it_is_done_again(tmp_path):
    settings, seen = {"x": 1}, []
    first = stage("first", settings=settings)

    def look(run):
        seen.append((run.folder / "second.txt").exists())
        first.work(run)

    graph = Graph([Stage("first", (), ("first.txt",), first.reads, look), stage("second", ["first.txt"])])
    run_all(graph, tmp_path)
    settings["x"] = 2
    run_all(graph, tmp_path)
    assert seen == [False, False]


def test_only_what_is_left_is_unfinished(tmp_path):
    graph = Graph([stage("a"), stage("b", ["a.txt"]), stage("c")])
    assert run_all(graph, tmp_path, until="a") == ["a"]
    run = RecipeRun(tmp_path, load_recipe(RECIPE))
    assert names(graph.unfinished(run)) == ["b", "c"] and names(graph.unfinished(run, "b")) == ["b"]
    (tmp_path / "a.txt").unlink()
    assert names(graph.unfinished(run)) == ["a", "b", "c"]


def test_an_interrupted_stage_is_called_again(tmp_path):
    calls = []

    def work(run):
        calls.append((run.folder / "half").exists())
        write_text(run.folder / "half", "x")
        if len(calls) == 1:
            raise DataError("no power")

    graph = Graph([Stage("a", (), ("half",), lambda run: {}, work)])
    with pytest.raises(DataError):
        run_all(graph, tmp_path)
    assert run_all(graph, tmp_path) == ["a"] and calls == [False, True]


def test_a_guard_keeps_what_must_not_be_cleared_unasked(tmp_path):
    settings = {"x": 1}

    def guard(run, name, changed):
        raise ConfigError(f"{name}: {changed}")

    graph = Graph([stage("a", settings=settings), stage("b", ["a.txt"], guard=guard)])
    run_all(graph, tmp_path)
    settings["x"] = 2
    with pytest.raises(ConfigError, match=r"a: settings\.x was 1, is 2"):
        run_all(graph, tmp_path)
    assert (tmp_path / "b.txt").is_file()
    assert run_all(graph, tmp_path, overwrite=True) == ["a", "b"]


def counting(minimum):
    """Return a stage of a user's own: documents of a run's corpus by language, of at least a size."""

    def reads(run):
        return {"minimum": minimum, "corpus": mt.load_corpus(run.path("corpus")).digest}

    def work(run):
        batches = mt.load_corpus(run.path("corpus")).documents("train", columns=("text_bytes",))
        sizes = [size for batch in batches for size in batch.column("text_bytes").to_pylist()]
        write_json(run.path("counts.json"), {"documents": sum(size >= minimum for size in sizes)})

    return Stage("counts", ("corpus",), ("counts.json",), reads, work)


def test_a_stage_of_a_users_own_runs_beside_those_of_the_recipe(tmp_path):
    write_texts(tmp_path / "texts", documents=60)
    recipe = {**small_recipe(tmp_path / "texts")}
    beginning = {key: value for key, value in recipe.items() if key not in ("model", "train")}
    run = tmp_path / "run"
    assert mt.run(beginning, run, until="counts", stages=[counting(1)], quiet=True)["stages_done"] == [
        "corpus",
        "counts",
    ]
    assert read_json(run / "counts.json")["documents"] > 0
    assert mt.run(recipe, run, until="counts", stages=[counting(1)], quiet=True)["stages_done"] == []
    assert mt.run(recipe, run, until="tokenizer", stages=[counting(10**9)], quiet=True)["stages_done"] == [
        "counts",
        "tokenizer",
    ]
    assert read_json(run / "counts.json")["documents"] == 0
    with pytest.raises(ConfigError, match=r"both write 'counts\.json'"):
        mt.run(recipe, run, stages=[counting(1), Stage("other", (), ("counts.json",), dict, dict)])
