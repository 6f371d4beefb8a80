"""The stages of a run, in order, each with what it reads: `journey.run` does them one after the other.

A stage has a fingerprint: the digest of its settings and of what it reads. `stages/NAME.json` holds it, first with
`finished: false`; a stage whose finished fingerprint is unchanged is not done again, one whose fingerprint changed is
done anew together with all that follow it.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massivetext import __version__
from massivetext.errors import CheckpointError, ConfigError
from massivetext.progress import log
from massivetext.recipe import CorpusRecipe, Recipe, recipe_values, recipe_yaml
from massivetext.storage import read_json, value_digest, write_json, write_text
from massivetext.training.settings import HARMLESS
from massivetext.translations import language as language_in_use
from massivetext.translations import tr

if TYPE_CHECKING:
    from massivetext.corpus.reading import Corpus
    from massivetext.models.configuration import DecoderConfig
    from massivetext.models.decoder import CausalDecoder
    from massivetext.tokens.store import TokenStore
    from massivetext.tokens.tokenizer import Tokenizer
    from massivetext.training.loop import Evaluate
    from massivetext.training.settings import TrainSettings

OUTPUTS = {
    "corpus": ("corpus",),
    "tokenizer": ("tokenizer",),
    "tokens": ("tokens",),
    "train": ("checkpoints", "metrics.jsonl", "timing.jsonl", "tensorboard"),
    "model": ("model",),
    "evaluate": ("evaluation.json",),
    "samples": ("samples.json",),
    "report": ("report.html",),
}
"""The stages in order, and what each leaves in the run folder."""


@dataclass
class Journey:
    """One run: its folder, its recipe, and which stages this process did."""

    folder: Path
    recipe: CorpusRecipe
    overwrite: bool
    quiet: bool
    performed: list[str] = field(default_factory=list)

    @property
    def whole(self) -> Recipe:
        """The recipe with its model and its training, which all stages after the tokenizer have."""
        assert isinstance(self.recipe, Recipe)
        return self.recipe

    def say(self, text: str) -> None:
        """Print one line for the user unless they asked for quiet."""
        if not self.quiet:
            log(text)

    def marker(self, name: str) -> dict[str, Any]:
        """Return what is known of a stage: fingerprint, finished, and what it noted; empty if it never started."""
        path = self.folder / "stages" / f"{name}.json"
        return dict(read_json(path)) if path.is_file() else {}

    def stage(self, name: str, reads: object, work: Callable[[], object]) -> None:
        """Do the stage `name` unless it is done with the same `reads` (settings and digests of its inputs)."""
        fingerprint = value_digest([name, __version__, reads])
        known = self.marker(name)
        if known.get("fingerprint") == fingerprint and known.get("finished"):
            return
        if known and known["fingerprint"] != fingerprint:
            self.clear_from(name)
            known = {}
        started_at = time.monotonic()
        self.note(name, known | {"fingerprint": fingerprint, "finished": False})
        self.write_recipe()
        work()
        self.performed.append(name)
        elapsed_seconds = round(time.monotonic() - started_at, 3)
        self.note(name, self.marker(name) | {"finished": True, "elapsed_seconds": elapsed_seconds})
        self.say(tr("{stage}: done in {seconds} s", stage=tr(name), seconds=f"{elapsed_seconds:.1f}"))

    def note(self, name: str, values: dict[str, Any]) -> None:
        """Store what is known of a stage."""
        write_json(self.folder / "stages" / f"{name}.json", values)

    def write_recipe(self) -> None:
        """Write the resolved recipe into the run folder."""
        write_text(self.folder / "recipe.yaml", recipe_yaml(_with_known_steps(self)))

    def clear_from(self, name: str) -> None:
        """Remove what this stage and the later ones left, so that they are done anew; never a training unasked."""
        later = list(OUTPUTS)[list(OUTPUTS).index(name) :]
        if "train" in later and not self.overwrite and any((self.folder / "checkpoints").glob("step-*")):
            raise ConfigError(
                f"{self.folder} holds a model trained with other settings or inputs (what changed is read by the stage "
                f"{name!r}). Keep it and write elsewhere with --out FOLDER, or start over here with --overwrite"
            )
        for stage in later:
            (self.folder / "stages" / f"{stage}.json").unlink(missing_ok=True)
            for output in OUTPUTS[stage]:
                path = self.folder / output
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)


def do_corpus(journey: Journey) -> None:
    """Build the corpus with its page, or check the finished one that the recipe names."""
    from massivetext.corpus.building import build_corpus, inputs_digest

    settings = journey.recipe.corpus

    def work() -> None:
        corpus = build_corpus(settings, journey.folder / "corpus", seed=journey.recipe.seed, quiet=journey.quiet)
        if settings.from_ is None:
            from massivetext.report.page import write_report

            write_report(corpus.folder, language_in_use())

    values = recipe_values(journey.recipe)["corpus"]
    journey.stage("corpus", [values, journey.recipe.seed, inputs_digest(settings)], work)


def do_tokenizer(journey: Journey) -> None:
    """Train the tokenizer on the training split, or copy the one that the recipe names."""
    settings, folder = journey.recipe.tokenizer, journey.folder / "tokenizer"

    def work() -> None:
        from massivetext.tokens.tokenizer import AutoTokenizer
        from massivetext.tokens.vocabulary import train_tokenizer

        origin = settings.from_ or (journey.recipe.model and journey.recipe.model.from_)
        if origin:
            AutoTokenizer.from_pretrained(origin).save_pretrained(folder)
        else:
            journey.say(tr("Training the tokenizer ..."))
            train_tokenizer(_corpus(journey), settings, folder)

    values = recipe_values(journey.recipe)
    journey.stage("tokenizer", [values["tokenizer"], values.get("model", {}).get("from"), corpus_digest(journey)], work)


def do_tokens(journey: Journey) -> None:
    """Turn the corpus into a token store."""

    def work() -> None:
        from massivetext.tokens.store import build_store

        corpus, folder = _corpus(journey), journey.folder / "tokens"
        build_store(corpus, _tokenizer(journey), folder, journey.recipe.seed, quiet=journey.quiet)

    reads = [corpus_digest(journey), journey.marker("tokenizer")["fingerprint"], journey.recipe.seed]
    journey.stage("tokens", reads, work)


def do_train(journey: Journey) -> None:
    """Train the model; minutes, tokens or epochs first become steps, which recipe.yaml then holds."""
    recipe = journey.whole
    values = recipe_values(recipe)
    settings = {key: value for key, value in values["train"].items() if key not in HARMLESS}
    reads = [_store_digest(journey), values["mixture"], values["model"], settings, recipe.seed]

    def work() -> None:
        from massivetext.tokens.order import TrainingOrder
        from massivetext.tokens.store import open_store
        from massivetext.training.calibration import resolve_steps
        from massivetext.training.loop import Parts, train
        from massivetext.training.objectives import CausalObjective

        store = open_store(journey.folder / "tokens")
        check_prompts(recipe, _tokenizer(journey), recipe.train.context_tokens)
        rows = recipe.train.rows
        order = TrainingOrder(store, "train", recipe.mixture, recipe.train.context_tokens, rows, recipe.seed)
        model = new_model(recipe, store.vocab_size, start_id=store.start_id)
        settings = _known_training(journey)
        objective, evaluate, quiet = CausalObjective(model, settings), validation(store, recipe), journey.quiet
        if settings.steps is None:
            settings = resolve_steps(model, order, settings, evaluate=evaluate, objective=objective, quiet=quiet)
            fixed = {"steps": settings.steps, "checkpoint_every_steps": settings.checkpoint_every_steps}
            journey.note("train", journey.marker("train") | {"fixed": fixed})
        journey.write_recipe()
        identity = {"store": store.digest, "tokenizer": store.tokenizer_digest, "recipe": value_digest(reads)}
        made = Parts(objective)
        train(model, order, settings, journey.folder, evaluate=evaluate, identity=identity, parts=made, quiet=quiet)

    journey.stage("train", reads, work)


def do_model(journey: Journey) -> None:
    """Write the model folder from the last checkpoint."""

    def work() -> None:
        from massivetext.models.folder import save_model_folder
        from massivetext.tokens.store import open_store
        from massivetext.training.checkpoints import newest_checkpoint

        store = open_store(journey.folder / "tokens")
        checkpoint = newest_checkpoint(journey.folder)
        if checkpoint is None:
            raise CheckpointError(
                f"{journey.folder / 'checkpoints'} holds no whole checkpoint, though training is marked as done; "
                f"start over with --overwrite"
            )
        model = new_model(journey.whole, store.vocab_size, start_id=store.start_id)
        model.load_weights(checkpoint.tensors("model"))
        provenance = {
            "recipe": recipe_values(_with_known_steps(journey)),
            "corpus": store.manifest["corpus"],
            "store": store.digest,
            "step": checkpoint.step,
        }
        save_model_folder(model, _tokenizer(journey), journey.folder / "model", provenance)

    journey.stage("model", journey.marker("train")["fingerprint"], work)


def do_evaluate(journey: Journey) -> None:
    """Score the model on the test split beside the n-gram model and the compressors."""
    recipe = journey.whole

    def work() -> None:
        from massivetext.evaluation.splits import evaluate_store
        from massivetext.tokens.store import open_store

        store = open_store(journey.folder / "tokens")
        found = evaluate_store(
            _model(journey),
            _tokenizer(journey),
            store,
            _corpus(journey),
            recipe.evaluate,
            context_tokens=recipe.train.context_tokens,
            quiet=journey.quiet,
        )
        write_json(journey.folder / "evaluation.json", found)

    reads = [journey.marker("model")["fingerprint"], recipe_values(recipe)["evaluate"]]
    journey.stage("evaluate", reads, work)


def do_samples(journey: Journey) -> None:
    """Write continuations of the recipe's prompts, or of openings of test documents, for each source."""

    def work() -> None:
        from massivetext.tasks.pipelines import pipeline

        generator = pipeline("text-generation", model=str(journey.folder / "model"))
        settings = journey.recipe.generate
        options: dict[str, Any] = {"max_new_tokens": settings.max_new_tokens, "seed": journey.recipe.seed}
        if settings.temperature > 0:
            options |= {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p}
        samples = []
        for source, prompts in sample_prompts(journey).items():
            for prompt in prompts:
                output = generator(prompt, **options)
                samples.append({"source": source, "prompt": prompt, "text": output[0]["generated_text"]})
        write_json(journey.folder / "samples.json", samples)

    reads = [journey.marker("model")["fingerprint"], recipe_values(journey.recipe)["generate"]]
    journey.stage("samples", reads, work)


def do_report(journey: Journey) -> None:
    """Write report.html."""
    reads = [journey.marker("evaluate")["fingerprint"], journey.marker("samples")["fingerprint"], language_in_use()]
    journey.stage("report", reads, lambda: write_final_report(journey))


STAGES: dict[str, Callable[[Journey], None]] = {
    "corpus": do_corpus,
    "tokenizer": do_tokenizer,
    "tokens": do_tokens,
    "train": do_train,
    "model": do_model,
    "evaluate": do_evaluate,
    "samples": do_samples,
    "report": do_report,
}


def new_config(recipe: Recipe, vocab_size: int, start_id: int = 0) -> "DecoderConfig":
    """Return the configuration of the recipe's model; its context is the training rows' unless the recipe says more."""
    from massivetext.models.auto import AutoConfig
    from massivetext.models.configuration import DecoderConfig

    section = recipe.model
    if section.from_:
        return AutoConfig.from_pretrained(section.from_)
    ids = {"bos_token_id": start_id, "eos_token_id": start_id, "pad_token_id": start_id, "vocab_size": vocab_size}
    if section.preset:
        config = AutoConfig.from_preset(section.preset, **{**section.fields, **ids})
        if not isinstance(config, DecoderConfig):
            raise ConfigError(
                f"model.preset is {section.preset}, and a recipe trains models that predict the next token; take one "
                f"of those that `massivetext models` lists, such as gpt2, or train {config.model_type} with mt.Trainer"
            )
        if recipe.train.context_tokens > config.max_position_embeddings:
            raise ConfigError(
                f"train.context_tokens is {recipe.train.context_tokens} and preset {section.preset} reads at most "
                f"{config.max_position_embeddings} tokens; lower it, or set model.max_position_embeddings"
            )
        return config
    context = {"max_position_embeddings": recipe.train.context_tokens, **section.fields}
    return AutoConfig.for_model(str(section.family), **{**context, **ids})


def new_model(recipe: Recipe, vocab_size: int, start_id: int = 0) -> "CausalDecoder":
    """Return the recipe's model with its first weights: fresh from (configuration, seed), or a folder's."""
    from massivetext.models.auto import AutoModelForCausalLM

    if recipe.model.from_:
        model = AutoModelForCausalLM.from_pretrained(recipe.model.from_)
        model.train()
        return model
    return AutoModelForCausalLM.from_config(new_config(recipe, vocab_size, start_id), seed=recipe.seed)


def validation(store: "TokenStore", recipe: Recipe) -> "Evaluate | None":
    """Return the function that the loop calls now and then for the loss on the validation split; None without one."""
    if "validation" not in store.manifest["splits"] or not store.sources("validation"):
        return None
    from massivetext.tokens.order import TrainingOrder
    from massivetext.training.validation import validation_losses

    rows = recipe.train.rows
    order = TrainingOrder(store, "validation", None, recipe.train.context_tokens, rows, recipe.seed)
    return lambda objective, step: validation_losses(objective, order)


def sample_prompts(journey: Journey) -> dict[str, list[str]]:
    """Return prompts by source: the recipe's, else the first words of a test document of the source."""
    given = journey.recipe.generate.prompts
    if not isinstance(given, dict) and given:
        return {"": list(given)}
    prompts = {source: list(texts) for source, texts in given.items()} if isinstance(given, dict) else {}
    corpus, tokenizer = _corpus(journey), _tokenizer(journey)
    for source in corpus.sources:
        if source not in prompts:
            for batch in corpus.documents("test", source=source, columns=("text",)):
                tokens = min(12, journey.whole.train.context_tokens // 4)
                prompts[source] = [opening(batch.column("text")[0].as_py(), tokenizer, tokens)]
                break
    return prompts


def opening(text: str, tokenizer: "Tokenizer", tokens: int) -> str:
    """Return the first tokens of a text as text, without a character that is cut in two at the end."""
    return tokenizer.decode(tokenizer.encode_ordinary(text.lstrip())[:tokens]).rstrip("\ufffd")


def check_prompts(recipe: Recipe, tokenizer: "Tokenizer", context_tokens: int) -> None:
    """Raise ConfigError, before training costs anything, for a prompt of the recipe that the model could not read."""
    given = recipe.generate.prompts
    for prompt in [prompt for group in given.values() for prompt in group] if isinstance(given, dict) else given:
        length = len(tokenizer.encode(prompt))
        if length > context_tokens:
            raise ConfigError(
                f"generate.prompts: {prompt[:40]!r}... has {length} tokens and the model reads {context_tokens}; "
                f"shorten it or raise train.context_tokens"
            )


def write_final_report(journey: Journey) -> None:
    """Write report.html from what the run folder holds."""
    from massivetext.report.page import write_report

    write_report(journey.folder, language_in_use())


def _with_known_steps(journey: Journey) -> CorpusRecipe:
    """Return the recipe with the steps that an earlier calibration fixed in place of minutes, tokens or epochs."""
    if not isinstance(journey.recipe, Recipe):
        return journey.recipe
    return journey.recipe.model_copy(update={"train": _known_training(journey)})


def _known_training(journey: Journey) -> "TrainSettings":
    """Return the training's settings with the steps that an earlier calibration fixed."""
    fixed, settings = journey.marker("train").get("fixed"), journey.whole.train
    if fixed is None:
        return settings
    return settings.model_copy(update={"minutes": None, "tokens": None, "epochs": None, **fixed})


def _corpus(journey: Journey) -> "Corpus":
    from massivetext.corpus.reading import load_corpus

    return load_corpus(journey.recipe.corpus.from_ or journey.folder / "corpus")


def corpus_digest(journey: Journey) -> str:
    """Return the digest of the run's corpus."""
    folder = Path(journey.recipe.corpus.from_ or journey.folder / "corpus")
    return str(read_json(folder / "manifest.json")["digest"])


def _store_digest(journey: Journey) -> str:
    return str(read_json(journey.folder / "tokens" / "manifest.json")["digest"])


def _tokenizer(journey: Journey) -> "Tokenizer":
    from massivetext.tokens.tokenizer import AutoTokenizer

    return AutoTokenizer.from_pretrained(journey.folder / "tokenizer")


def _model(journey: Journey) -> "CausalDecoder":
    from massivetext.models.auto import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(journey.folder / "model")
