"""The stages of a run, in order, each with what it reads: `journey.run` does them one after the other."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from massivetext.errors import CheckpointError, ConfigError
from massivetext.evaluation.results import FORMAT as EVALUATION
from massivetext.evaluation.results import write_scores
from massivetext.progress import log, progress
from massivetext.recipe import Recipe, recipe_values
from massivetext.runs.folder import Journey, known_training, with_known_steps
from massivetext.state import check_recorded
from massivetext.storage import value_digest, write_json
from massivetext.training.settings import MAY_CHANGE
from massivetext.translations import language as language_in_use
from massivetext.translations import tr

if TYPE_CHECKING:
    from massivetext.corpus.reading import Corpus
    from massivetext.models.config import DecoderConfig
    from massivetext.models.decoder import CausalLM
    from massivetext.tokens.store import TokenStore
    from massivetext.tokens.tokenizer import Tokenizer
    from massivetext.training.checkpoints import Checkpoint
    from massivetext.training.loop import Evaluate


def _finish_takedown(journey: Journey) -> None:
    """Finish a takedown in the run's corpus that was interrupted; its samples and report are then made anew."""
    from massivetext.corpus.removing import finish_interrupted
    from massivetext.report.page import write_report

    name = finish_interrupted(journey.folder / "corpus")
    if name is not None:
        write_report(journey.folder / "corpus", language_in_use())
        journey.say(tr("An interrupted takedown was finished: {name}", name=name))


def do_corpus(journey: Journey) -> None:
    """Build the corpus with its page, or check the finished one that the recipe names."""
    from massivetext.corpus.building import build_corpus, inputs_digests

    settings = journey.recipe.corpus

    def work() -> None:
        corpus = build_corpus(settings, journey.folder / "corpus", seed=journey.recipe.seed, quiet=journey.quiet)
        if settings.from_ is None:
            from massivetext.report.page import write_report

            write_report(corpus.folder, language_in_use())

    _finish_takedown(journey)
    reads = {"corpus": recipe_values(journey.recipe)["corpus"], "seed": journey.recipe.seed}
    inputs, known = inputs_digests(settings, journey.folder / "corpus"), journey.marker("corpus")
    gone = [name for name, digest in inputs.items() if digest is None]
    if gone and known.get("finished"):
        log(tr("The input files of {names} are gone; the finished corpus is kept as it is", names=", ".join(gone)))
        inputs |= {name: known["reads"]["input files"].get(name) for name in gone}
    journey.stage("corpus", {**reads, "input files": inputs}, work)


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
    reads = {"tokenizer": values["tokenizer"], "corpus digest": corpus_digest(journey)}
    if origin := values.get("model", {}).get("from"):
        reads["model"] = {"from": origin}
    journey.stage("tokenizer", reads, work)


def do_tokens(journey: Journey) -> None:
    """Turn the corpus into a token store."""
    if journey.whole.generate.prompts:
        check_prompts(journey.whole, _tokenizer(journey))

    def work() -> None:
        from massivetext.tokens.store import build_store

        corpus, folder = _corpus(journey), journey.folder / "tokens"
        build_store(corpus, _tokenizer(journey), folder, journey.recipe.seed, quiet=journey.quiet)

    reads = {"corpus digest": corpus_digest(journey), "seed": journey.recipe.seed}
    journey.stage("tokens", {**reads, "tokenizer": journey.marker("tokenizer")["fingerprint"]}, work)


def do_train(journey: Journey) -> None:
    """Train the model; minutes, tokens or epochs first become steps, which recipe.yaml then holds."""
    recipe = journey.whole
    values = recipe_values(recipe)
    settings = {key: value for key, value in values["train"].items() if key not in MAY_CHANGE}
    sections = {"train": settings, "model": values["model"], "mixture": values["mixture"], "seed": recipe.seed}
    reads = {**sections, "token store": _store_digest(journey)}

    def work() -> None:
        from massivetext.tokens.order import TrainingOrder
        from massivetext.training.calibration import resolve_steps
        from massivetext.training.loop import Parts, train
        from massivetext.training.objectives.causal import CausalObjective

        store = _store(journey)
        rows = recipe.train.rows
        order = TrainingOrder(store, "train", recipe.mixture, recipe.train.context_tokens, rows, recipe.seed)
        model = new_model(recipe, store.vocab_size, start_id=store.start_id)
        _recover_steps(journey)
        settings = known_training(journey)
        objective, evaluate, quiet = CausalObjective(model, settings), validation(store, recipe), journey.quiet
        if settings.steps is None:
            settings = resolve_steps(model, order, settings, evaluate=evaluate, objective=objective, quiet=quiet)
            fixed = {"steps": settings.steps, "checkpoint_every_steps": settings.checkpoint_every_steps}
            journey.note("train", journey.marker("train") | {"fixed": fixed})
        journey.write_recipe()
        identity = {"store": store.digest, "tokenizer": store.tokenizer_digest, "recipe": value_digest(reads)}
        made = Parts(objective)
        done = train(
            model, order, settings, journey.folder, evaluate=evaluate, identity=identity, parts=made, quiet=quiet
        )
        journey.note("train", journey.marker("train") | {"step": done.step})

    journey.stage("train", reads, work)


def do_model(journey: Journey) -> None:
    """Write the model folder from the last checkpoint."""

    def work() -> None:
        from massivetext.models.files.folder import save_model_folder

        store, checkpoint = _store(journey), _last_checkpoint(journey)
        model = new_model(journey.whole, store.vocab_size, start_id=store.start_id)
        model.load_weights(checkpoint.tensors("model"))
        provenance = {
            "recipe": recipe_values(with_known_steps(journey)),
            "corpus": store.manifest["corpus"],
            "store": store.digest,
            "step": checkpoint.step,
        }
        save_model_folder(model, _tokenizer(journey), journey.folder / "model", provenance)

    journey.stage("model", {"training": journey.marker("train")["fingerprint"]}, work)


def do_evaluate(journey: Journey) -> None:
    """Score the model on the test split beside the n-gram model and the compressors."""
    recipe = journey.whole

    def work() -> None:
        from massivetext.evaluation.splits import evaluate_store

        store = _store(journey)
        found = evaluate_store(
            _model(journey),
            _tokenizer(journey),
            store,
            _corpus(journey),
            recipe.evaluate,
            context_tokens=recipe.train.context_tokens,
            quiet=journey.quiet,
        )
        write_scores(journey.folder / "evaluation.json", found)

    reads = {"evaluate": recipe_values(recipe)["evaluate"], "model": journey.marker("model")["fingerprint"]}
    reads["format"] = EVALUATION
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

    generate = recipe_values(journey.recipe)["generate"]
    reads = {"generate": generate, "model": journey.marker("model")["fingerprint"]}
    journey.stage("samples", reads, work)


def do_report(journey: Journey) -> None:
    """Write report.html."""
    reads = {name: journey.marker(name)["fingerprint"] for name in ("evaluate", "samples")}
    reads["language"] = language_in_use()
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
    """Return the configuration of the recipe's model; its context is the training rows' unless the recipe says more.

    Raises ConfigError for a model that cannot be trained on next tokens, or that reads less than a training row.
    """
    from massivetext.models.families.table import CLASSES

    config = _config(recipe, vocab_size, start_id)
    if config.model_type not in CLASSES["causal-lm"]:
        raise ConfigError(
            f"model: {config.model_type} does not predict next tokens, which train.objective needs; "
            f"families that do: {', '.join(CLASSES['causal-lm'])}"
        )
    context = recipe.train.context_tokens
    if context > config.max_position_embeddings:
        remedy = "lower it" + ("" if recipe.model.from_ else ", or raise model.max_position_embeddings")
        raise ConfigError(
            f"train.context_tokens is {context} and the model reads at most {config.max_position_embeddings} tokens "
            f"(max_position_embeddings); {remedy}"
        )
    return config


def _config(recipe: Recipe, vocab_size: int, start_id: int) -> "DecoderConfig":
    """Return the configuration that the recipe's model section describes."""
    from massivetext.models.auto import AutoConfig
    from massivetext.models.config import DecoderConfig

    section = recipe.model
    if section.from_:
        return AutoConfig.from_pretrained(section.from_)
    ids = {"bos_token_id": start_id, "eos_token_id": start_id, "pad_token_id": start_id, "vocab_size": vocab_size}
    for name in ids:
        if name in section.fields:
            key = "tokenizer.vocab_size" if name == "vocab_size" else "the tokenizer"
            raise ConfigError(f"model.{name} is given, and it follows from {key}; remove it")
    if section.preset:
        config = AutoConfig.from_preset(section.preset, **{**section.fields, **ids})
        if not isinstance(config, DecoderConfig):
            raise ConfigError(
                f"model.preset is {section.preset}, and a recipe trains models that predict the next token; take one "
                f"of those that `massivetext models` lists, such as gpt2, or train {config.model_type} with mt.Trainer"
            )
        return config
    context = {"max_position_embeddings": recipe.train.context_tokens, **section.fields}
    return AutoConfig.for_model(str(section.family), **{**context, **ids})


def new_model(recipe: Recipe, vocab_size: int, start_id: int = 0) -> "CausalLM":
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


def check_prompts(recipe: Recipe, tokenizer: "Tokenizer | None") -> None:
    """Raise ConfigError, before training costs anything, for a prompt of the recipe that the model could not read.

    tokenizer: None where it is not made yet; tokens are then bytes.
    """
    given, context_tokens = recipe.generate.prompts, recipe.train.context_tokens
    for prompt in [prompt for group in given.values() for prompt in group] if isinstance(given, dict) else given:
        length = len(tokenizer.encode(prompt)) if tokenizer else 1 + len(prompt.encode())
        if length > context_tokens:
            raise ConfigError(
                f"generate.prompts: {prompt[:40]!r}... has {length} tokens and the model reads {context_tokens}; "
                f"shorten it or raise train.context_tokens"
            )


def write_final_report(journey: Journey) -> None:
    """Write report.html from what the run folder holds."""
    from massivetext.report.page import write_report

    with progress(tr("Writing the report"), quiet=journey.quiet):
        write_report(journey.folder, language_in_use())


def _corpus(journey: Journey) -> "Corpus":
    from massivetext.corpus.reading import load_corpus

    return load_corpus(journey.recipe.corpus.from_ or journey.folder / "corpus")


def corpus_digest(journey: Journey) -> str:
    """Return the digest of the run's corpus."""
    return _corpus(journey).digest


def _store_digest(journey: Journey) -> str:
    from massivetext.tokens.store import open_store

    return open_store(journey.folder / "tokens").digest


def _store(journey: Journey) -> "TokenStore":
    """Return the run's token store, all of it verified once in this process unless the recipe says no."""
    from massivetext.tokens.store import open_store

    store = open_store(journey.folder / "tokens")
    if journey.recipe.verify and "tokens" not in journey.verified and "tokens" not in journey.performed:
        store.verify()
    journey.verified.add("tokens")
    return store


def _last_checkpoint(journey: Journey) -> "Checkpoint":
    """Return the checkpoint that the training ended with; where it is damaged, train the missing steps again."""
    from massivetext.training.checkpoints import newest_checkpoint

    last, found = journey.marker("train").get("step"), newest_checkpoint(journey.folder)
    if found is None:
        raise CheckpointError(
            f"{journey.folder / 'checkpoints'} holds no checkpoint, though the training is finished. Restore it from a "
            f"copy; to train again, delete {journey.folder / 'stages' / 'train.json'} and give the same command again"
        )
    if last is None or found.step == last:
        return found
    log(tr("The checkpoint of step {last} is damaged or gone: training resumes from step {step}", last=last,
           step=found.step))  # fmt: skip
    journey.note("train", journey.marker("train") | {"finished": False})
    do_train(journey)
    return _last_checkpoint(journey)


def _recover_steps(journey: Journey) -> None:
    """Note the steps of a calibration again where the marker that held them is lost: every checkpoint has them."""
    from massivetext.training.checkpoints import newest_checkpoint

    marker = journey.marker("train")
    if journey.whole.train.steps is not None or "fixed" in marker:
        return
    if (newest := newest_checkpoint(journey.folder)) is not None:
        names = ("steps", "checkpoint_every_steps")
        journey.note("train", marker | {"fixed": {name: newest.state["settings"][name] for name in names}})


def _tokenizer(journey: Journey) -> "Tokenizer":
    """Return the run's tokenizer; its files must be those that the stage left."""
    from massivetext.tokens.tokenizer import AutoTokenizer

    folder = journey.folder / "tokenizer"
    again = f"Restore it from a copy, or delete {folder} and give the same command again: it is made again"
    if journey.marker("tokenizer").get("finished"):
        check_recorded(journey.folder, "tokenizer", ["tokenizer"], again)
    return AutoTokenizer.from_pretrained(journey.folder / "tokenizer")


def _model(journey: Journey) -> "CausalLM":
    from massivetext.models.auto import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(journey.folder / "model")
