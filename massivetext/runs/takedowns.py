"""`take_down`: a takedown together with the run that the corpus belongs to: pages, samples, what still holds the text.

`massivetext.corpus.removing` changes the corpus. This module writes pages and samples anew, and names what still holds
something of the removed text: pieces of the vocabulary, the token store, checkpoints and models.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massivetext.corpus.reading import PAGE, load_corpus
from massivetext.corpus.removing import Dependents, finish_takedown, remove_documents
from massivetext.corpus.takedowns import locked_corpus
from massivetext.errors import ConfigError, MassiveTextError
from massivetext.recipe import Recipe, load_corpus_recipe, load_recipe
from massivetext.report.page import write_report
from massivetext.runs.folder import RecipeRun
from massivetext.runs.stages import GRAPH, TRAININGS
from massivetext.runs.training import MODEL
from massivetext.training.folder import CHECKPOINTS
from massivetext.translations import language, tr

if TYPE_CHECKING:
    from massivetext.tokens.tokenizer import Tokenizer

MADE = (
    ("tokenizer", "tokenizer"),
    ("tokens", "tokens"),
    *((what, training.output(what)) for training in TRAININGS for what in (CHECKPOINTS, MODEL)),
    ("export", "*.gguf"),
)
"""What a run folder may hold that was made from the corpus, and where."""
TELLING = re.compile(r"[^\W\d_]{4}|[\u3400-\u9fff]{2}")
"""A piece of the vocabulary that says something by itself."""
SHOWN_PIECES = 20


def take_down(folder: str | Path, reason: str, **criteria: Any) -> dict[str, Any]:
    """Return what a takedown did; pages and samples of the corpus and its run are written anew.

    Criteria and errors are those of `massivetext.corpus.removing.remove_documents`. Where the corpus belongs to a run,
    the result has also: `made` (path, what, why: what still holds the text), `rebuild` (the command that makes it
    anew), `vocabulary` (pieces of the tokenizer's vocabulary that no remaining document holds), `samples` (whether
    samples were written anew).
    """
    return remove_documents(folder, reason, **criteria, dependents=RunDependents(Path(folder)))


def finish(folder: str | Path) -> dict[str, Any]:
    """Return what an interrupted takedown did, once it is finished; raise ConfigError where there is none."""
    folder = Path(folder)
    load_corpus(folder, unfinished=True)
    with locked_corpus(folder):
        found = finish_takedown(folder, RunDependents(folder))
    if found is None:
        raise ConfigError(f"{folder} holds no interrupted takedown; there is nothing to finish")
    return found


class RunDependents(Dependents):
    """The pages of a corpus and of its run, its samples, and what was made from the corpus and stays as it is."""

    def note(self, texts: Iterable[str]) -> dict[str, Any]:
        """Return what is there, and which pieces of the vocabulary the texts hold."""
        if self.run is None:
            return {}
        tokenizer = self._own_tokenizer()
        pieces = (
            set() if tokenizer is None else {number for text in texts for number in tokenizer.encode_ordinary(text)}
        )
        there = {name: (self.run / name).is_file() for name in ("samples.json", PAGE)}
        return {**there, "pieces": sorted(pieces)}

    def renew(self, noted: dict[str, Any]) -> dict[str, Any]:
        """Write pages and samples anew; return what there is to report."""
        write_report(self.folder, language())
        if self.run is None:
            return {}
        samples = self._renewed_samples() if noted.get("samples.json") else False
        if noted.get(PAGE):
            write_report(self.run, language())
        reasons = _reasons()
        made = [
            {"path": str(path), "what": what, "why": reasons[what]}
            for what, pattern in MADE
            for path in sorted(self.run.glob(pattern))
        ]
        rebuild = f"massivetext run {self.run / 'recipe.yaml'} --out {self.run} --overwrite"
        return {
            "samples": samples,
            "made": made,
            "rebuild": rebuild if made else None,
            "vocabulary": self._pieces_left(noted.get("pieces", [])),
        }

    def _recipe(self) -> Recipe | None:
        """Return the run's recipe, None where it has no model."""
        assert self.run is not None
        path = self.run / "recipe.yaml"
        try:
            return load_recipe(path)
        except ConfigError:
            load_corpus_recipe(path)
            return None

    def _own_tokenizer(self) -> "Tokenizer | None":
        """Return the run's tokenizer if its vocabulary was learnt from this corpus."""
        assert self.run is not None
        if not (self.run / "tokenizer" / "tokenizer.json").is_file():
            return None
        recipe = load_corpus_recipe(self.run / "recipe.yaml")
        if recipe.tokenizer.from_ or (recipe.model and recipe.model.from_):
            return None
        from massivetext.tokens.tokenizer import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.run / "tokenizer")

    def _renewed_samples(self) -> bool:
        """Return whether samples were written anew: their prompts may have been openings of what was removed."""
        assert self.run is not None
        recipe = self._recipe()
        if recipe is None or not (self.run / "model").is_dir():
            return False
        try:
            GRAPH.perform(RecipeRun(self.run, recipe, quiet=True), GRAPH["samples"])
        except MassiveTextError:  # a damaged model; whoever runs the recipe next is told
            return False
        return True

    def _pieces_left(self, pieces: Sequence[int]) -> list[str]:
        """Return the pieces of the vocabulary, among these, that no remaining document holds."""
        tokenizer = self._own_tokenizer() if pieces else None
        if tokenizer is None:
            return []
        words = {tokenizer.decode([number]).strip() for number in pieces}
        words = {word for word in words if TELLING.search(word) and "\ufffd" not in word}
        corpus = load_corpus(self.folder)
        for split in corpus.splits:
            for batch in corpus.documents(split, columns=("text",)):
                if not words:
                    return []
                text = "\n".join(batch.column("text").to_pylist())
                words = {word for word in words if word not in text}
        return sorted(words)


def _reasons() -> dict[str, str]:
    """Return what of a removed text is left in each of MADE."""
    return {
        "tokenizer": tr("tokenizer: its vocabulary was learnt from the removed text too"),
        "tokens": tr("token store: its shards decode to the removed text"),
        "checkpoints": tr("checkpoints: trained on the removed text"),
        "model": tr("model: trained on the removed text"),
        "export": tr("exported model: trained on the removed text"),
    }


def takedown_text(values: dict[str, Any]) -> str:
    """Return what `take_down` gave as text for a terminal."""
    gone = ", ".join(f"{split} {count:,}" for split, count in values["documents"].items())
    rows = f"{values['dropped_rows']:,}"
    lines = [
        tr("Taken down by {matched}: {gone}; dropped rows: {rows}", matched=values["matched"], gone=gone, rows=rows)
    ]
    if values["already"]:
        lines.insert(0, tr("This was done before: {name}, {date}", name=values["takedown"], date=values["date"]))
    elif values["finished"]:
        lines.insert(0, tr("An interrupted takedown was finished: {name}", name=values["takedown"]))
    lines += [
        tr("files rewritten: {count}", count=values["files_written"]),
        f"{tr('corpus digest')} {values['digest']}",
    ]
    if values.get("samples"):
        lines.append(tr("samples.json was written again, with prompts from the remaining documents"))
    if values.get("vocabulary"):
        pieces = values["vocabulary"]
        shown = ", ".join(pieces[:SHOWN_PIECES]) + (", ..." if len(pieces) > SHOWN_PIECES else "")
        lines.append(
            tr("{count} pieces of the tokenizer's vocabulary are found in no remaining document: {pieces}",
               count=len(pieces), pieces=shown)
        )  # fmt: skip
    if values.get("made"):
        lines.append(tr("A takedown does not change what was made from the corpus before:"))
        lines += [f"  {entry['path']}  {entry['why']}" for entry in values["made"]]
        lines.append(tr("To make it again without the removed documents: {command}", command=values["rebuild"]))
    return "\n".join(lines)
