"""MassiveText: raw text, English and Chinese, all the way to a trained, evaluated, explained and served language model.

`import massivetext as mt`. Public names resolve on first use (PEP 562), so importing loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

PUBLIC_NAMES = {
    "AutoConfig": "massivetext.models.auto",
    "AutoModelForCausalLM": "massivetext.models.auto",
    "AutoTokenizer": "massivetext.tokens.tokenizer",
    "DataCollatorForLanguageModeling": "massivetext.training.collators",
    "Trainer": "massivetext.training.trainer",
    "TrainingArguments": "massivetext.training.arguments",
    "build_corpus": "massivetext.corpus.building",
    "load_corpus": "massivetext.corpus.reading",
    "load_dataset": "massivetext.corpus.datasets",
    "pipeline": "massivetext.tasks.pipelines",
    "remove_documents": "massivetext.corpus.removing",
    "run": "massivetext.journey",
    "train_tokenizer": "massivetext.tokens.vocabulary",
}

__all__ = [*sorted(PUBLIC_NAMES), "__version__"]

if TYPE_CHECKING:
    from massivetext.corpus.building import build_corpus as build_corpus
    from massivetext.corpus.datasets import load_dataset as load_dataset
    from massivetext.corpus.reading import load_corpus as load_corpus
    from massivetext.corpus.removing import remove_documents as remove_documents
    from massivetext.journey import run as run
    from massivetext.models.auto import AutoConfig as AutoConfig
    from massivetext.models.auto import AutoModelForCausalLM as AutoModelForCausalLM
    from massivetext.tasks.pipelines import pipeline as pipeline
    from massivetext.tokens.tokenizer import AutoTokenizer as AutoTokenizer
    from massivetext.tokens.vocabulary import train_tokenizer as train_tokenizer
    from massivetext.training.arguments import TrainingArguments as TrainingArguments
    from massivetext.training.collators import DataCollatorForLanguageModeling as DataCollatorForLanguageModeling
    from massivetext.training.trainer import Trainer as Trainer


def __getattr__(name: str) -> Any:
    """Import the module that holds a public name, on its first use."""
    if name not in PUBLIC_NAMES:
        raise AttributeError(f"module 'massivetext' has no attribute {name!r}")
    value = getattr(import_module(PUBLIC_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
