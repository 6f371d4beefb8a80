"""MassiveText: raw text, English and Chinese, all the way to a trained, evaluated, explained and served language model.

`import massivetext as mt`. Public names resolve on first use (PEP 562), so importing loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

MORE_STEPS = {
    "perplexity": "massivetext.tokens.perplexity:Perplexity",
    "max_perplexity": "massivetext.tokens.perplexity:MaxPerplexity",
}
"""Corpus steps whose classes are in rooms above corpus/, by their names in a recipe."""

PUBLIC_NAMES = {
    "AddedToken": "massivetext.tokens.special",
    "ArceeForQuestionAnswering": "massivetext.models.families.classes",
    "ArceeForSequenceClassification": "massivetext.models.families.classes",
    "ArceeForTokenClassification": "massivetext.models.families.classes",
    "ArceeModel": "massivetext.models.families.classes",
    "AutoConfig": "massivetext.models.auto",
    "AutoModel": "massivetext.models.auto",
    "AutoModelForCausalLM": "massivetext.models.auto",
    "AutoModelForMaskedLM": "massivetext.models.auto",
    "AutoModelForMultipleChoice": "massivetext.models.auto",
    "AutoModelForQuestionAnswering": "massivetext.models.auto",
    "AutoModelForSeq2SeqLM": "massivetext.models.auto",
    "AutoModelForSequenceClassification": "massivetext.models.auto",
    "AutoModelForTokenClassification": "massivetext.models.auto",
    "AutoTokenizer": "massivetext.tokens.tokenizer",
    "BartConfig": "massivetext.models.families.bart",
    "BartForConditionalGeneration": "massivetext.models.families.classes",
    "BartForQuestionAnswering": "massivetext.models.families.classes",
    "BartForSequenceClassification": "massivetext.models.families.classes",
    "BartModel": "massivetext.models.families.classes",
    "BartTokenizer": "massivetext.tokens.classes",
    "BartTokenizerFast": "massivetext.tokens.classes",
    "BatchEncoding": "massivetext.tokens.encodings",
    "BertConfig": "massivetext.models.families.bert",
    "BertForMaskedLM": "massivetext.models.families.classes",
    "BertForMultipleChoice": "massivetext.models.families.classes",
    "BertForQuestionAnswering": "massivetext.models.families.classes",
    "BertForSequenceClassification": "massivetext.models.families.classes",
    "BertForTokenClassification": "massivetext.models.families.classes",
    "BertModel": "massivetext.models.families.classes",
    "BertTokenizer": "massivetext.tokens.classes",
    "BertTokenizerFast": "massivetext.tokens.classes",
    "DataCollatorForLanguageModeling": "massivetext.training.collators",
    "DataCollatorForSeq2Seq": "massivetext.training.collators",
    "DataCollatorForTokenClassification": "massivetext.training.collators",
    "DataCollatorWithPadding": "massivetext.training.collators",
    "DistilBertConfig": "massivetext.models.families.distilbert",
    "DistilBertForMaskedLM": "massivetext.models.families.classes",
    "DistilBertForMultipleChoice": "massivetext.models.families.classes",
    "DistilBertForQuestionAnswering": "massivetext.models.families.classes",
    "DistilBertForSequenceClassification": "massivetext.models.families.classes",
    "DistilBertForTokenClassification": "massivetext.models.families.classes",
    "DistilBertModel": "massivetext.models.families.classes",
    "DistilBertTokenizer": "massivetext.tokens.classes",
    "DistilBertTokenizerFast": "massivetext.tokens.classes",
    "EvalPrediction": "massivetext.training.trainer",
    "GPT2Config": "massivetext.models.families.gpt2",
    "GPT2ForQuestionAnswering": "massivetext.models.families.classes",
    "GPT2ForSequenceClassification": "massivetext.models.families.classes",
    "GPT2ForTokenClassification": "massivetext.models.families.classes",
    "GPT2LMHeadModel": "massivetext.models.families.classes",
    "GPT2Model": "massivetext.models.families.classes",
    "GPT2Tokenizer": "massivetext.tokens.classes",
    "GPT2TokenizerFast": "massivetext.tokens.classes",
    "GPTNeoXConfig": "massivetext.models.families.gpt_neox",
    "GPTNeoXForCausalLM": "massivetext.models.families.classes",
    "GPTNeoXForQuestionAnswering": "massivetext.models.families.classes",
    "GPTNeoXForSequenceClassification": "massivetext.models.families.classes",
    "GPTNeoXForTokenClassification": "massivetext.models.families.classes",
    "GPTNeoXModel": "massivetext.models.families.classes",
    "GPTNeoXTokenizerFast": "massivetext.tokens.classes",
    "GenerationConfig": "massivetext.generation.config",
    "LlamaConfig": "massivetext.models.families.llama",
    "LlamaForCausalLM": "massivetext.models.families.classes",
    "LlamaForQuestionAnswering": "massivetext.models.families.classes",
    "LlamaForSequenceClassification": "massivetext.models.families.classes",
    "LlamaForTokenClassification": "massivetext.models.families.classes",
    "LlamaModel": "massivetext.models.families.classes",
    "LlamaTokenizer": "massivetext.tokens.classes",
    "LlamaTokenizerFast": "massivetext.tokens.classes",
    "MT5Config": "massivetext.models.families.t5",
    "MT5ForConditionalGeneration": "massivetext.models.families.classes",
    "MT5ForQuestionAnswering": "massivetext.models.families.classes",
    "MT5ForSequenceClassification": "massivetext.models.families.classes",
    "MT5ForTokenClassification": "massivetext.models.families.classes",
    "MT5Model": "massivetext.models.families.classes",
    "MarianConfig": "massivetext.models.families.marian",
    "MarianMTModel": "massivetext.models.families.classes",
    "MarianModel": "massivetext.models.families.classes",
    "MarianTokenizer": "massivetext.tokens.classes",
    "MistralConfig": "massivetext.models.families.mistral",
    "MistralForCausalLM": "massivetext.models.families.classes",
    "MistralForQuestionAnswering": "massivetext.models.families.classes",
    "MistralForSequenceClassification": "massivetext.models.families.classes",
    "MistralForTokenClassification": "massivetext.models.families.classes",
    "MistralModel": "massivetext.models.families.classes",
    "NanoChatModel": "massivetext.models.families.classes",
    "OPTConfig": "massivetext.models.families.opt",
    "OPTForCausalLM": "massivetext.models.families.classes",
    "OPTForQuestionAnswering": "massivetext.models.families.classes",
    "OPTForSequenceClassification": "massivetext.models.families.classes",
    "OPTModel": "massivetext.models.families.classes",
    "OpenAIGPTConfig": "massivetext.models.families.openai_gpt",
    "OpenAIGPTForSequenceClassification": "massivetext.models.families.classes",
    "OpenAIGPTLMHeadModel": "massivetext.models.families.classes",
    "OpenAIGPTModel": "massivetext.models.families.classes",
    "PaLMConfig": "massivetext.models.families.palm",
    "PaLMForCausalLM": "massivetext.models.families.classes",
    "PaLMModel": "massivetext.models.families.classes",
    "PreTrainedTokenizer": "massivetext.tokens.classes",
    "PreTrainedTokenizerFast": "massivetext.tokens.classes",
    "Qwen2Config": "massivetext.models.families.qwen2",
    "Qwen2ForCausalLM": "massivetext.models.families.classes",
    "Qwen2ForQuestionAnswering": "massivetext.models.families.classes",
    "Qwen2ForSequenceClassification": "massivetext.models.families.classes",
    "Qwen2ForTokenClassification": "massivetext.models.families.classes",
    "Qwen2Model": "massivetext.models.families.classes",
    "Qwen2Tokenizer": "massivetext.tokens.classes",
    "Qwen2TokenizerFast": "massivetext.tokens.classes",
    "Qwen3Config": "massivetext.models.families.qwen3",
    "Qwen3ForCausalLM": "massivetext.models.families.classes",
    "Qwen3ForQuestionAnswering": "massivetext.models.families.classes",
    "Qwen3ForSequenceClassification": "massivetext.models.families.classes",
    "Qwen3ForTokenClassification": "massivetext.models.families.classes",
    "Qwen3Model": "massivetext.models.families.classes",
    "RobertaConfig": "massivetext.models.families.roberta",
    "RobertaForMaskedLM": "massivetext.models.families.classes",
    "RobertaForMultipleChoice": "massivetext.models.families.classes",
    "RobertaForQuestionAnswering": "massivetext.models.families.classes",
    "RobertaForSequenceClassification": "massivetext.models.families.classes",
    "RobertaForTokenClassification": "massivetext.models.families.classes",
    "RobertaModel": "massivetext.models.families.classes",
    "RobertaTokenizer": "massivetext.tokens.classes",
    "RobertaTokenizerFast": "massivetext.tokens.classes",
    "T5Config": "massivetext.models.families.t5",
    "T5ForConditionalGeneration": "massivetext.models.families.classes",
    "T5ForQuestionAnswering": "massivetext.models.families.classes",
    "T5ForSequenceClassification": "massivetext.models.families.classes",
    "T5ForTokenClassification": "massivetext.models.families.classes",
    "T5Model": "massivetext.models.families.classes",
    "T5Tokenizer": "massivetext.tokens.classes",
    "T5TokenizerFast": "massivetext.tokens.classes",
    "Trainer": "massivetext.training.trainer",
    "TrainingArguments": "massivetext.training.arguments",
    "XLMRobertaConfig": "massivetext.models.families.roberta",
    "XLMRobertaForMaskedLM": "massivetext.models.families.classes",
    "XLMRobertaForMultipleChoice": "massivetext.models.families.classes",
    "XLMRobertaForQuestionAnswering": "massivetext.models.families.classes",
    "XLMRobertaForSequenceClassification": "massivetext.models.families.classes",
    "XLMRobertaForTokenClassification": "massivetext.models.families.classes",
    "XLMRobertaModel": "massivetext.models.families.classes",
    "XLMRobertaTokenizer": "massivetext.tokens.classes",
    "XLMRobertaTokenizerFast": "massivetext.tokens.classes",
    "attention_maps": "massivetext.explaining.maps",
    "attribute_tokens": "massivetext.explaining.attribution",
    "build_corpus": "massivetext.corpus.building",
    "default_data_collator": "massivetext.training.collators",
    "explain": "massivetext.explaining.explanation",
    "load_corpus": "massivetext.corpus.reading",
    "load_dataset": "massivetext.corpus.datasets",
    "logit_lens": "massivetext.explaining.lens",
    "pipeline": "massivetext.tasks.pipelines",
    "remove_documents": "massivetext.corpus.removing",
    "run": "massivetext.runs.execution",
    "set_seed": "massivetext.training.seeds",
    "train_classifier": "massivetext.corpus.steps.classifier",
    "train_tokenizer": "massivetext.tokens.vocabulary",
}

__all__ = [*sorted(PUBLIC_NAMES), "__version__"]

if TYPE_CHECKING:
    from massivetext.corpus.building import build_corpus as build_corpus
    from massivetext.corpus.datasets import load_dataset as load_dataset
    from massivetext.corpus.reading import load_corpus as load_corpus
    from massivetext.corpus.removing import remove_documents as remove_documents
    from massivetext.corpus.steps.classifier import train_classifier as train_classifier
    from massivetext.explaining.attribution import attribute_tokens as attribute_tokens
    from massivetext.explaining.explanation import explain as explain
    from massivetext.explaining.lens import logit_lens as logit_lens
    from massivetext.explaining.maps import attention_maps as attention_maps
    from massivetext.generation.config import GenerationConfig as GenerationConfig
    from massivetext.models.auto import AutoConfig as AutoConfig
    from massivetext.models.auto import AutoModel as AutoModel
    from massivetext.models.auto import AutoModelForCausalLM as AutoModelForCausalLM
    from massivetext.models.auto import AutoModelForMaskedLM as AutoModelForMaskedLM
    from massivetext.models.auto import AutoModelForMultipleChoice as AutoModelForMultipleChoice
    from massivetext.models.auto import AutoModelForQuestionAnswering as AutoModelForQuestionAnswering
    from massivetext.models.auto import AutoModelForSeq2SeqLM as AutoModelForSeq2SeqLM
    from massivetext.models.auto import AutoModelForSequenceClassification as AutoModelForSequenceClassification
    from massivetext.models.auto import AutoModelForTokenClassification as AutoModelForTokenClassification
    from massivetext.models.families.bart import BartConfig as BartConfig
    from massivetext.models.families.bert import BertConfig as BertConfig
    from massivetext.models.families.classes import ArceeForQuestionAnswering as ArceeForQuestionAnswering
    from massivetext.models.families.classes import ArceeForSequenceClassification as ArceeForSequenceClassification
    from massivetext.models.families.classes import ArceeForTokenClassification as ArceeForTokenClassification
    from massivetext.models.families.classes import ArceeModel as ArceeModel
    from massivetext.models.families.classes import BartForConditionalGeneration as BartForConditionalGeneration
    from massivetext.models.families.classes import BartForQuestionAnswering as BartForQuestionAnswering
    from massivetext.models.families.classes import BartForSequenceClassification as BartForSequenceClassification
    from massivetext.models.families.classes import BartModel as BartModel
    from massivetext.models.families.classes import BertForMaskedLM as BertForMaskedLM
    from massivetext.models.families.classes import BertForMultipleChoice as BertForMultipleChoice
    from massivetext.models.families.classes import BertForQuestionAnswering as BertForQuestionAnswering
    from massivetext.models.families.classes import BertForSequenceClassification as BertForSequenceClassification
    from massivetext.models.families.classes import BertForTokenClassification as BertForTokenClassification
    from massivetext.models.families.classes import BertModel as BertModel
    from massivetext.models.families.classes import DistilBertForMaskedLM as DistilBertForMaskedLM
    from massivetext.models.families.classes import DistilBertForMultipleChoice as DistilBertForMultipleChoice
    from massivetext.models.families.classes import DistilBertForQuestionAnswering as DistilBertForQuestionAnswering
    from massivetext.models.families.classes import (
        DistilBertForSequenceClassification as DistilBertForSequenceClassification,
    )
    from massivetext.models.families.classes import DistilBertForTokenClassification as DistilBertForTokenClassification
    from massivetext.models.families.classes import DistilBertModel as DistilBertModel
    from massivetext.models.families.classes import GPT2ForQuestionAnswering as GPT2ForQuestionAnswering
    from massivetext.models.families.classes import GPT2ForSequenceClassification as GPT2ForSequenceClassification
    from massivetext.models.families.classes import GPT2ForTokenClassification as GPT2ForTokenClassification
    from massivetext.models.families.classes import GPT2LMHeadModel as GPT2LMHeadModel
    from massivetext.models.families.classes import GPT2Model as GPT2Model
    from massivetext.models.families.classes import GPTNeoXForCausalLM as GPTNeoXForCausalLM
    from massivetext.models.families.classes import GPTNeoXForQuestionAnswering as GPTNeoXForQuestionAnswering
    from massivetext.models.families.classes import GPTNeoXForSequenceClassification as GPTNeoXForSequenceClassification
    from massivetext.models.families.classes import GPTNeoXForTokenClassification as GPTNeoXForTokenClassification
    from massivetext.models.families.classes import GPTNeoXModel as GPTNeoXModel
    from massivetext.models.families.classes import LlamaForCausalLM as LlamaForCausalLM
    from massivetext.models.families.classes import LlamaForQuestionAnswering as LlamaForQuestionAnswering
    from massivetext.models.families.classes import LlamaForSequenceClassification as LlamaForSequenceClassification
    from massivetext.models.families.classes import LlamaForTokenClassification as LlamaForTokenClassification
    from massivetext.models.families.classes import LlamaModel as LlamaModel
    from massivetext.models.families.classes import MarianModel as MarianModel
    from massivetext.models.families.classes import MarianMTModel as MarianMTModel
    from massivetext.models.families.classes import MistralForCausalLM as MistralForCausalLM
    from massivetext.models.families.classes import MistralForQuestionAnswering as MistralForQuestionAnswering
    from massivetext.models.families.classes import MistralForSequenceClassification as MistralForSequenceClassification
    from massivetext.models.families.classes import MistralForTokenClassification as MistralForTokenClassification
    from massivetext.models.families.classes import MistralModel as MistralModel
    from massivetext.models.families.classes import MT5ForConditionalGeneration as MT5ForConditionalGeneration
    from massivetext.models.families.classes import MT5ForQuestionAnswering as MT5ForQuestionAnswering
    from massivetext.models.families.classes import MT5ForSequenceClassification as MT5ForSequenceClassification
    from massivetext.models.families.classes import MT5ForTokenClassification as MT5ForTokenClassification
    from massivetext.models.families.classes import MT5Model as MT5Model
    from massivetext.models.families.classes import NanoChatModel as NanoChatModel
    from massivetext.models.families.classes import (
        OpenAIGPTForSequenceClassification as OpenAIGPTForSequenceClassification,
    )
    from massivetext.models.families.classes import OpenAIGPTLMHeadModel as OpenAIGPTLMHeadModel
    from massivetext.models.families.classes import OpenAIGPTModel as OpenAIGPTModel
    from massivetext.models.families.classes import OPTForCausalLM as OPTForCausalLM
    from massivetext.models.families.classes import OPTForQuestionAnswering as OPTForQuestionAnswering
    from massivetext.models.families.classes import OPTForSequenceClassification as OPTForSequenceClassification
    from massivetext.models.families.classes import OPTModel as OPTModel
    from massivetext.models.families.classes import PaLMForCausalLM as PaLMForCausalLM
    from massivetext.models.families.classes import PaLMModel as PaLMModel
    from massivetext.models.families.classes import Qwen2ForCausalLM as Qwen2ForCausalLM
    from massivetext.models.families.classes import Qwen2ForQuestionAnswering as Qwen2ForQuestionAnswering
    from massivetext.models.families.classes import Qwen2ForSequenceClassification as Qwen2ForSequenceClassification
    from massivetext.models.families.classes import Qwen2ForTokenClassification as Qwen2ForTokenClassification
    from massivetext.models.families.classes import Qwen2Model as Qwen2Model
    from massivetext.models.families.classes import Qwen3ForCausalLM as Qwen3ForCausalLM
    from massivetext.models.families.classes import Qwen3ForQuestionAnswering as Qwen3ForQuestionAnswering
    from massivetext.models.families.classes import Qwen3ForSequenceClassification as Qwen3ForSequenceClassification
    from massivetext.models.families.classes import Qwen3ForTokenClassification as Qwen3ForTokenClassification
    from massivetext.models.families.classes import Qwen3Model as Qwen3Model
    from massivetext.models.families.classes import RobertaForMaskedLM as RobertaForMaskedLM
    from massivetext.models.families.classes import RobertaForMultipleChoice as RobertaForMultipleChoice
    from massivetext.models.families.classes import RobertaForQuestionAnswering as RobertaForQuestionAnswering
    from massivetext.models.families.classes import RobertaForSequenceClassification as RobertaForSequenceClassification
    from massivetext.models.families.classes import RobertaForTokenClassification as RobertaForTokenClassification
    from massivetext.models.families.classes import RobertaModel as RobertaModel
    from massivetext.models.families.classes import T5ForConditionalGeneration as T5ForConditionalGeneration
    from massivetext.models.families.classes import T5ForQuestionAnswering as T5ForQuestionAnswering
    from massivetext.models.families.classes import T5ForSequenceClassification as T5ForSequenceClassification
    from massivetext.models.families.classes import T5ForTokenClassification as T5ForTokenClassification
    from massivetext.models.families.classes import T5Model as T5Model
    from massivetext.models.families.classes import XLMRobertaForMaskedLM as XLMRobertaForMaskedLM
    from massivetext.models.families.classes import XLMRobertaForMultipleChoice as XLMRobertaForMultipleChoice
    from massivetext.models.families.classes import XLMRobertaForQuestionAnswering as XLMRobertaForQuestionAnswering
    from massivetext.models.families.classes import (
        XLMRobertaForSequenceClassification as XLMRobertaForSequenceClassification,
    )
    from massivetext.models.families.classes import XLMRobertaForTokenClassification as XLMRobertaForTokenClassification
    from massivetext.models.families.classes import XLMRobertaModel as XLMRobertaModel
    from massivetext.models.families.distilbert import DistilBertConfig as DistilBertConfig
    from massivetext.models.families.gpt2 import GPT2Config as GPT2Config
    from massivetext.models.families.gpt_neox import GPTNeoXConfig as GPTNeoXConfig
    from massivetext.models.families.llama import LlamaConfig as LlamaConfig
    from massivetext.models.families.marian import MarianConfig as MarianConfig
    from massivetext.models.families.mistral import MistralConfig as MistralConfig
    from massivetext.models.families.openai_gpt import OpenAIGPTConfig as OpenAIGPTConfig
    from massivetext.models.families.opt import OPTConfig as OPTConfig
    from massivetext.models.families.palm import PaLMConfig as PaLMConfig
    from massivetext.models.families.qwen2 import Qwen2Config as Qwen2Config
    from massivetext.models.families.qwen3 import Qwen3Config as Qwen3Config
    from massivetext.models.families.roberta import RobertaConfig as RobertaConfig
    from massivetext.models.families.roberta import XLMRobertaConfig as XLMRobertaConfig
    from massivetext.models.families.t5 import MT5Config as MT5Config
    from massivetext.models.families.t5 import T5Config as T5Config
    from massivetext.runs.execution import run as run
    from massivetext.tasks.pipelines import pipeline as pipeline
    from massivetext.tokens.classes import BartTokenizer as BartTokenizer
    from massivetext.tokens.classes import BartTokenizerFast as BartTokenizerFast
    from massivetext.tokens.classes import BertTokenizer as BertTokenizer
    from massivetext.tokens.classes import BertTokenizerFast as BertTokenizerFast
    from massivetext.tokens.classes import DistilBertTokenizer as DistilBertTokenizer
    from massivetext.tokens.classes import DistilBertTokenizerFast as DistilBertTokenizerFast
    from massivetext.tokens.classes import GPT2Tokenizer as GPT2Tokenizer
    from massivetext.tokens.classes import GPT2TokenizerFast as GPT2TokenizerFast
    from massivetext.tokens.classes import GPTNeoXTokenizerFast as GPTNeoXTokenizerFast
    from massivetext.tokens.classes import LlamaTokenizer as LlamaTokenizer
    from massivetext.tokens.classes import LlamaTokenizerFast as LlamaTokenizerFast
    from massivetext.tokens.classes import MarianTokenizer as MarianTokenizer
    from massivetext.tokens.classes import PreTrainedTokenizer as PreTrainedTokenizer
    from massivetext.tokens.classes import PreTrainedTokenizerFast as PreTrainedTokenizerFast
    from massivetext.tokens.classes import Qwen2Tokenizer as Qwen2Tokenizer
    from massivetext.tokens.classes import Qwen2TokenizerFast as Qwen2TokenizerFast
    from massivetext.tokens.classes import RobertaTokenizer as RobertaTokenizer
    from massivetext.tokens.classes import RobertaTokenizerFast as RobertaTokenizerFast
    from massivetext.tokens.classes import T5Tokenizer as T5Tokenizer
    from massivetext.tokens.classes import T5TokenizerFast as T5TokenizerFast
    from massivetext.tokens.classes import XLMRobertaTokenizer as XLMRobertaTokenizer
    from massivetext.tokens.classes import XLMRobertaTokenizerFast as XLMRobertaTokenizerFast
    from massivetext.tokens.encodings import BatchEncoding as BatchEncoding
    from massivetext.tokens.special import AddedToken as AddedToken
    from massivetext.tokens.tokenizer import AutoTokenizer as AutoTokenizer
    from massivetext.tokens.vocabulary import train_tokenizer as train_tokenizer
    from massivetext.training.arguments import TrainingArguments as TrainingArguments
    from massivetext.training.collators import DataCollatorForLanguageModeling as DataCollatorForLanguageModeling
    from massivetext.training.collators import DataCollatorForSeq2Seq as DataCollatorForSeq2Seq
    from massivetext.training.collators import DataCollatorForTokenClassification as DataCollatorForTokenClassification
    from massivetext.training.collators import DataCollatorWithPadding as DataCollatorWithPadding
    from massivetext.training.collators import default_data_collator as default_data_collator
    from massivetext.training.seeds import set_seed as set_seed
    from massivetext.training.trainer import EvalPrediction as EvalPrediction
    from massivetext.training.trainer import Trainer as Trainer


def __getattr__(name: str) -> Any:
    """Import the module that holds a public name, on its first use."""
    if name not in PUBLIC_NAMES:
        if name.startswith("_"):
            raise AttributeError(f"module 'massivetext' has no attribute {name!r}")
        raise AttributeError(import_module("massivetext.hugging_face").unknown_public_name(name, PUBLIC_NAMES))
    value = getattr(import_module(PUBLIC_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
