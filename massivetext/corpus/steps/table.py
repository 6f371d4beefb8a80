"""The table of the steps that a recipe may name, and the steps of a recipe's list."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from massivetext import MORE_STEPS
from massivetext.corpus.steps import Edit, Measure, Step
from massivetext.corpus.steps.presets import PRESETS
from massivetext.errors import ConfigError, unknown_name
from massivetext.settings import shown

STEPS = {
    "normalise": "massivetext.corpus.steps.normalise:Normalise",
    "statistics": "massivetext.corpus.steps.gopher:Statistics",
    "ngrams": "massivetext.corpus.steps.gopher:NGrams",
    "page": "massivetext.corpus.steps.web:Page",
    "character_grams": "massivetext.corpus.steps.web:CharacterGrams",
    "jieba": "massivetext.corpus.steps.chinese:Jieba",
    "gopher_quality": "massivetext.corpus.steps.gopher:GopherQuality",
    "gopher_repetition": "massivetext.corpus.steps.gopher:GopherRepetition",
    "length": "massivetext.corpus.steps.gopher:Length",
    "html_to_text": "massivetext.corpus.steps.html_to_text:HtmlToText",
    "language": "massivetext.corpus.steps.language:Language",
    "in_language": "massivetext.corpus.steps.language:InLanguage",
    "pii_counts": "massivetext.corpus.steps.pii:PiiCounts",
    "pii": "massivetext.corpus.steps.pii:Pii",
    "c4_lines": "massivetext.corpus.steps.web:C4Lines",
    "c4_pages": "massivetext.corpus.steps.web:C4Pages",
    "fineweb_quality": "massivetext.corpus.steps.web:FineWebQuality",
    "word_list": "massivetext.corpus.steps.web:WordList",
    "map_neo_quality": "massivetext.corpus.steps.chinese:MapNeoQuality",
    "chinesewebtext_quality": "massivetext.corpus.steps.chinese:ChineseWebTextQuality",
    "code_quality": "massivetext.corpus.steps.web:CodeQuality",
    "classifier": "massivetext.corpus.steps.classifier:ClassifierScore",
    "classifier_score": "massivetext.corpus.steps.classifier:ClassifierLimit",
    **MORE_STEPS,
    "decontaminate": "massivetext.corpus.barrier.decontamination:Decontaminate",
    "deduplicate": "massivetext.corpus.barrier.deduplication:Deduplicate",
}
"""Every step's name in a recipe, and where its class is; the module is imported when a recipe names the step."""


def make_steps(listed: Sequence[str | Mapping[str, Any]], where: str = "corpus.steps") -> list[Step]:
    """Return the steps for a recipe's list, whose items are "name" or {name: settings}.

    A measure that a step needs and that was not taken since the last edit is put in before it, with the settings that
    it had where it stood before.
    where: the dotted path of the list in the recipe, for messages. Errors: ConfigError that names the place, what was
    found, the nearest and the allowed.
    """
    steps: list[Step] = []
    fresh: set[str] = set()
    measures: dict[str, Step] = {}
    for item, place in _expanded(listed, where):
        step = _make_step(item, place)
        for needed in step.needs:
            if needed not in fresh:
                steps.append(measures.get(needed) or _make_step(needed, where))
                fresh.add(needed)
        if isinstance(step, Edit):
            fresh.clear()
        if isinstance(step, Measure):
            fresh.add(step.name)
            measures[step.name] = step
        steps.append(step)
    return steps


def _expanded(listed: Sequence[str | Mapping[str, Any]], where: str) -> Iterator[tuple[str | Mapping[str, Any], str]]:
    """Yield (item, its place) of a recipe's list, presets replaced by their steps."""
    for position, item in enumerate(listed):
        place = f"{where}[{position}]"
        name: Any = item
        given: Any = {}
        if isinstance(item, Mapping) and len(item) == 1:
            name, given = next(iter(item.items()))
        if not isinstance(name, str) or name not in PRESETS:
            yield item, place
            continue
        steps = dict(PRESETS[name])
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            raise ConfigError(f"{place}.{name}: found {shown(given)}; allowed is a mapping of its steps to settings")
        for step, values in given.items():
            if step not in steps:
                raise ConfigError(f"{place}.{name}: {unknown_name('step of the preset', step, steps)}")
            if not isinstance(values, Mapping):
                raise ConfigError(f"{place}.{name}.{step}: found {shown(values)}; allowed is a mapping of settings")
        for step, values in steps.items():
            yield {step: {**values, **given.get(step, {})}}, f"{place}.{name}"


def _make_step(item: str | Mapping[str, Any], where: str) -> Step:
    """Return the step that one item of the list names."""
    values: Any = {}
    if isinstance(item, str):
        name = item
    elif isinstance(item, Mapping) and len(item) == 1:
        name, values = next(iter(item.items()))
        values = {} if values is None else values
    else:
        raise ConfigError(
            f"{where}: found {shown(item)}; allowed is a step's name, or one name with its settings, "
            "such as 'normalise' or {length: {min_characters: 200}}"
        )
    if not isinstance(name, str) or (name not in STEPS and ":" not in name):
        raise ConfigError(f"{where}: {unknown_name('step', name, [*STEPS, *PRESETS])}")
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}.{name}: found {shown(values)}; allowed is a mapping of settings, or nothing")
    step_type = _step_type(STEPS.get(name, name), where)
    return step_type(step_type.settings_type.parse(values, f"{where}.{name}"))


def _step_type(place: str, where: str) -> type[Step]:
    """Return the class at `module:Class`; raise ConfigError if there is none, or it is no step."""
    module, _, attribute = place.partition(":")
    try:
        if not all(part.isidentifier() for part in [*module.split("."), attribute]):
            raise ImportError("it is no module:Class")
        found = getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a module may raise anything
        raise ConfigError(
            f"{where}: the step {shown(place)} cannot be imported ({shown(str(error))}); write module:Class, and run "
            "where Python finds the module, e.g. with PYTHONPATH=."
        ) from None
    if not (isinstance(found, type) and issubclass(found, Step) and not getattr(found, "__abstractmethods__", None)):
        raise ConfigError(f"{where}: {place!r} is {found!r}; a step is a subclass of Measure, Edit or Decide")
    return found
