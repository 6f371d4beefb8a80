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
    "GPT2Config": "massivetext.models.gpt2",
    "GPT2LMHeadModel": "massivetext.models.gpt2",
    "GPT2Tokenizer": "massivetext.tokens.tokenizer",
    "GPTNeoXConfig": "massivetext.models.gpt_neox",
    "GPTNeoXForCausalLM": "massivetext.models.gpt_neox",
    "LlamaConfig": "massivetext.models.llama",
    "LlamaForCausalLM": "massivetext.models.llama",
    "MistralConfig": "massivetext.models.mistral",
    "MistralForCausalLM": "massivetext.models.mistral",
    "OPTConfig": "massivetext.models.opt",
    "OPTForCausalLM": "massivetext.models.opt",
    "OpenAIGPTConfig": "massivetext.models.openai_gpt",
    "OpenAIGPTLMHeadModel": "massivetext.models.openai_gpt",
    "PaLMConfig": "massivetext.models.palm",
    "PaLMForCausalLM": "massivetext.models.palm",
    "Qwen2Config": "massivetext.models.qwen2",
    "Qwen2ForCausalLM": "massivetext.models.qwen2",
    "Qwen3Config": "massivetext.models.qwen3",
    "Qwen3ForCausalLM": "massivetext.models.qwen3",
    "Trainer": "massivetext.training.trainer",
    "TrainingArguments": "massivetext.training.arguments",
    "build_corpus": "massivetext.corpus.building",
    "load_corpus": "massivetext.corpus.reading",
    "load_dataset": "massivetext.corpus.datasets",
    "pipeline": "massivetext.tasks.pipelines",
    "run": "massivetext.journey",
    "train_tokenizer": "massivetext.tokens.vocabulary",
}

__all__ = [*sorted(PUBLIC_NAMES), "__version__"]

if TYPE_CHECKING:
    from massivetext.corpus.building import build_corpus as build_corpus
    from massivetext.corpus.datasets import load_dataset as load_dataset
    from massivetext.corpus.reading import load_corpus as load_corpus
    from massivetext.journey import run as run
    from massivetext.models.auto import AutoConfig as AutoConfig
    from massivetext.models.auto import AutoModelForCausalLM as AutoModelForCausalLM
    from massivetext.models.gpt2 import GPT2Config as GPT2Config
    from massivetext.models.gpt2 import GPT2LMHeadModel as GPT2LMHeadModel
    from massivetext.models.gpt_neox import GPTNeoXConfig as GPTNeoXConfig
    from massivetext.models.gpt_neox import GPTNeoXForCausalLM as GPTNeoXForCausalLM
    from massivetext.models.llama import LlamaConfig as LlamaConfig
    from massivetext.models.llama import LlamaForCausalLM as LlamaForCausalLM
    from massivetext.models.mistral import MistralConfig as MistralConfig
    from massivetext.models.mistral import MistralForCausalLM as MistralForCausalLM
    from massivetext.models.openai_gpt import OpenAIGPTConfig as OpenAIGPTConfig
    from massivetext.models.openai_gpt import OpenAIGPTLMHeadModel as OpenAIGPTLMHeadModel
    from massivetext.models.opt import OPTConfig as OPTConfig
    from massivetext.models.opt import OPTForCausalLM as OPTForCausalLM
    from massivetext.models.palm import PaLMConfig as PaLMConfig
    from massivetext.models.palm import PaLMForCausalLM as PaLMForCausalLM
    from massivetext.models.qwen2 import Qwen2Config as Qwen2Config
    from massivetext.models.qwen2 import Qwen2ForCausalLM as Qwen2ForCausalLM
    from massivetext.models.qwen3 import Qwen3Config as Qwen3Config
    from massivetext.models.qwen3 import Qwen3ForCausalLM as Qwen3ForCausalLM
    from massivetext.tasks.pipelines import pipeline as pipeline
    from massivetext.tokens.tokenizer import AutoTokenizer as AutoTokenizer
    from massivetext.tokens.tokenizer import GPT2Tokenizer as GPT2Tokenizer
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
