"""What a run folder holds, opened: corpus, tokenizer, token store and model, each as its stage left it."""

from typing import TYPE_CHECKING

from massivetext.runs.folder import RecipeRun
from massivetext.state import check_recorded

if TYPE_CHECKING:
    from massivetext.corpus.reading import Corpus
    from massivetext.models.decoder import CausalLM
    from massivetext.tokens.store import TokenStore
    from massivetext.tokens.tokenizer import Tokenizer


def open_corpus(run: RecipeRun) -> "Corpus":
    """Return the run's corpus, or the built one that the recipe names."""
    from massivetext.corpus.reading import load_corpus

    return load_corpus(run.path("corpus"))


def open_tokenizer(run: RecipeRun) -> "Tokenizer":
    """Return the run's tokenizer; its files must be those that the stage left."""
    from massivetext.tokens.tokenizer import AutoTokenizer

    folder = run.path("tokenizer")
    again = f"Restore it from a copy, or delete {folder} and give the same command again: it is made again"
    if run.marker("tokenizer").get("finished"):
        check_recorded(run.folder, "tokenizer", ["tokenizer"], again)
    return AutoTokenizer.from_pretrained(folder)


def open_store(run: RecipeRun) -> "TokenStore":
    """Return the run's token store, all of it verified once in this process unless the recipe says no."""
    from massivetext.tokens import store

    found = store.open_store(run.path("tokens"))
    if run.recipe.verify and "tokens" not in run.verified and "tokens" not in run.performed:
        found.verify()
    run.verified.add("tokens")
    return found


def open_model(run: RecipeRun) -> "CausalLM":
    """Return the run's trained model."""
    from massivetext.models.auto import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(run.path("model"))


def corpus_digest(run: RecipeRun) -> str:
    """Return the digest of the run's corpus."""
    return open_corpus(run).digest


def store_digest(run: RecipeRun) -> str:
    """Return the digest of the run's token store, whose shards are not read."""
    from massivetext.tokens.store import open_store

    return open_store(run.path("tokens")).digest
