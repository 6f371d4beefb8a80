"""MassiveText: raw text, English and Chinese, all the way to a trained, evaluated, explained and served language model.

`import massivetext as mt`. Public names resolve on first use (PEP 562), so importing loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

PUBLIC_NAMES = {
    "AddedToken": "massivetext.tokens.special",
    "ArceeForQuestionAnswering": "massivetext.models.decoder_families",
    "ArceeForSequenceClassification": "massivetext.models.decoder_families",
    "ArceeForTokenClassification": "massivetext.models.decoder_families",
    "ArceeModel": "massivetext.models.decoder_families",
    "AutoConfig": "massivetext.models.auto",
    "AutoModel": "massivetext.models.auto_heads",
    "AutoModelForCausalLM": "massivetext.models.auto",
    "AutoModelForMaskedLM": "massivetext.models.auto_heads",
    "AutoModelForMultipleChoice": "massivetext.models.auto_heads",
    "AutoModelForQuestionAnswering": "massivetext.models.auto_heads",
    "AutoModelForSeq2SeqLM": "massivetext.models.auto_heads",
    "AutoModelForSequenceClassification": "massivetext.models.auto_heads",
    "AutoModelForTokenClassification": "massivetext.models.auto_heads",
    "AutoTokenizer": "massivetext.tokens.tokenizer",
    "BartConfig": "massivetext.models.bart",
    "BartForConditionalGeneration": "massivetext.models.bart",
    "BartForQuestionAnswering": "massivetext.models.sequence_heads",
    "BartForSequenceClassification": "massivetext.models.sequence_heads",
    "BartModel": "massivetext.models.sequence_models",
    "BartTokenizer": "massivetext.tokens.classes",
    "BartTokenizerFast": "massivetext.tokens.classes",
    "BatchEncoding": "massivetext.tokens.encodings",
    "BertConfig": "massivetext.models.bert",
    "BertForMaskedLM": "massivetext.models.bert",
    "BertForMultipleChoice": "massivetext.models.bert",
    "BertForQuestionAnswering": "massivetext.models.bert",
    "BertForSequenceClassification": "massivetext.models.bert",
    "BertForTokenClassification": "massivetext.models.bert",
    "BertModel": "massivetext.models.bert",
    "BertTokenizer": "massivetext.tokens.classes",
    "BertTokenizerFast": "massivetext.tokens.classes",
    "DataCollatorForLanguageModeling": "massivetext.training.collators",
    "DataCollatorForSeq2Seq": "massivetext.training.collators",
    "DataCollatorForTokenClassification": "massivetext.training.collators",
    "DataCollatorWithPadding": "massivetext.training.collators",
    "DistilBertConfig": "massivetext.models.distilbert",
    "DistilBertForMaskedLM": "massivetext.models.distilbert",
    "DistilBertForMultipleChoice": "massivetext.models.distilbert",
    "DistilBertForQuestionAnswering": "massivetext.models.distilbert",
    "DistilBertForSequenceClassification": "massivetext.models.distilbert",
    "DistilBertForTokenClassification": "massivetext.models.distilbert",
    "DistilBertModel": "massivetext.models.distilbert",
    "DistilBertTokenizer": "massivetext.tokens.classes",
    "DistilBertTokenizerFast": "massivetext.tokens.classes",
    "EvalPrediction": "massivetext.training.trainer",
    "GPT2Config": "massivetext.models.gpt2",
    "GPT2ForQuestionAnswering": "massivetext.models.decoder_families",
    "GPT2ForSequenceClassification": "massivetext.models.decoder_families",
    "GPT2ForTokenClassification": "massivetext.models.decoder_families",
    "GPT2LMHeadModel": "massivetext.models.gpt2",
    "GPT2Model": "massivetext.models.decoder_families",
    "GPT2Tokenizer": "massivetext.tokens.classes",
    "GPT2TokenizerFast": "massivetext.tokens.classes",
    "GPTNeoXConfig": "massivetext.models.gpt_neox",
    "GPTNeoXForCausalLM": "massivetext.models.gpt_neox",
    "GPTNeoXForQuestionAnswering": "massivetext.models.decoder_families",
    "GPTNeoXForSequenceClassification": "massivetext.models.decoder_families",
    "GPTNeoXForTokenClassification": "massivetext.models.decoder_families",
    "GPTNeoXModel": "massivetext.models.decoder_families",
    "GPTNeoXTokenizerFast": "massivetext.tokens.classes",
    "GenerationConfig": "massivetext.generation.config",
    "LlamaConfig": "massivetext.models.llama",
    "LlamaForCausalLM": "massivetext.models.llama",
    "LlamaForQuestionAnswering": "massivetext.models.decoder_families",
    "LlamaForSequenceClassification": "massivetext.models.decoder_families",
    "LlamaForTokenClassification": "massivetext.models.decoder_families",
    "LlamaModel": "massivetext.models.decoder_families",
    "LlamaTokenizer": "massivetext.tokens.classes",
    "LlamaTokenizerFast": "massivetext.tokens.classes",
    "MT5Config": "massivetext.models.t5",
    "MT5ForConditionalGeneration": "massivetext.models.t5",
    "MT5ForQuestionAnswering": "massivetext.models.sequence_heads",
    "MT5ForSequenceClassification": "massivetext.models.sequence_heads",
    "MT5ForTokenClassification": "massivetext.models.sequence_heads",
    "MT5Model": "massivetext.models.sequence_models",
    "MarianConfig": "massivetext.models.marian",
    "MarianMTModel": "massivetext.models.marian",
    "MarianModel": "massivetext.models.sequence_models",
    "MarianTokenizer": "massivetext.tokens.classes",
    "MistralConfig": "massivetext.models.mistral",
    "MistralForCausalLM": "massivetext.models.mistral",
    "MistralForQuestionAnswering": "massivetext.models.decoder_families",
    "MistralForSequenceClassification": "massivetext.models.decoder_families",
    "MistralForTokenClassification": "massivetext.models.decoder_families",
    "MistralModel": "massivetext.models.decoder_families",
    "NanoChatModel": "massivetext.models.decoder_families",
    "OPTConfig": "massivetext.models.opt",
    "OPTForCausalLM": "massivetext.models.opt",
    "OPTForQuestionAnswering": "massivetext.models.decoder_families",
    "OPTForSequenceClassification": "massivetext.models.decoder_families",
    "OPTModel": "massivetext.models.decoder_families",
    "OpenAIGPTConfig": "massivetext.models.openai_gpt",
    "OpenAIGPTForSequenceClassification": "massivetext.models.decoder_families",
    "OpenAIGPTLMHeadModel": "massivetext.models.openai_gpt",
    "OpenAIGPTModel": "massivetext.models.decoder_families",
    "PaLMConfig": "massivetext.models.palm",
    "PaLMForCausalLM": "massivetext.models.palm",
    "PaLMModel": "massivetext.models.decoder_families",
    "PreTrainedTokenizer": "massivetext.tokens.classes",
    "PreTrainedTokenizerFast": "massivetext.tokens.classes",
    "Qwen2Config": "massivetext.models.qwen2",
    "Qwen2ForCausalLM": "massivetext.models.qwen2",
    "Qwen2ForQuestionAnswering": "massivetext.models.decoder_families",
    "Qwen2ForSequenceClassification": "massivetext.models.decoder_families",
    "Qwen2ForTokenClassification": "massivetext.models.decoder_families",
    "Qwen2Model": "massivetext.models.decoder_families",
    "Qwen2Tokenizer": "massivetext.tokens.classes",
    "Qwen2TokenizerFast": "massivetext.tokens.classes",
    "Qwen3Config": "massivetext.models.qwen3",
    "Qwen3ForCausalLM": "massivetext.models.qwen3",
    "Qwen3ForQuestionAnswering": "massivetext.models.decoder_families",
    "Qwen3ForSequenceClassification": "massivetext.models.decoder_families",
    "Qwen3ForTokenClassification": "massivetext.models.decoder_families",
    "Qwen3Model": "massivetext.models.decoder_families",
    "RobertaConfig": "massivetext.models.roberta",
    "RobertaForMaskedLM": "massivetext.models.roberta",
    "RobertaForMultipleChoice": "massivetext.models.roberta",
    "RobertaForQuestionAnswering": "massivetext.models.roberta",
    "RobertaForSequenceClassification": "massivetext.models.roberta",
    "RobertaForTokenClassification": "massivetext.models.roberta",
    "RobertaModel": "massivetext.models.roberta",
    "RobertaTokenizer": "massivetext.tokens.classes",
    "RobertaTokenizerFast": "massivetext.tokens.classes",
    "T5Config": "massivetext.models.t5",
    "T5ForConditionalGeneration": "massivetext.models.t5",
    "T5ForQuestionAnswering": "massivetext.models.sequence_heads",
    "T5ForSequenceClassification": "massivetext.models.sequence_heads",
    "T5ForTokenClassification": "massivetext.models.sequence_heads",
    "T5Model": "massivetext.models.sequence_models",
    "T5Tokenizer": "massivetext.tokens.classes",
    "T5TokenizerFast": "massivetext.tokens.classes",
    "Trainer": "massivetext.training.trainer",
    "TrainingArguments": "massivetext.training.arguments",
    "XLMRobertaConfig": "massivetext.models.roberta",
    "XLMRobertaForMaskedLM": "massivetext.models.roberta",
    "XLMRobertaForMultipleChoice": "massivetext.models.roberta",
    "XLMRobertaForQuestionAnswering": "massivetext.models.roberta",
    "XLMRobertaForSequenceClassification": "massivetext.models.roberta",
    "XLMRobertaForTokenClassification": "massivetext.models.roberta",
    "XLMRobertaModel": "massivetext.models.roberta",
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
    "train_classifier": "massivetext.corpus.classifying",
    "train_tokenizer": "massivetext.tokens.vocabulary",
}

__all__ = [*sorted(PUBLIC_NAMES), "__version__"]

if TYPE_CHECKING:
    from massivetext.corpus.building import build_corpus as build_corpus
    from massivetext.corpus.classifying import train_classifier as train_classifier
    from massivetext.corpus.datasets import load_dataset as load_dataset
    from massivetext.corpus.reading import load_corpus as load_corpus
    from massivetext.corpus.removing import remove_documents as remove_documents
    from massivetext.explaining.attribution import attribute_tokens as attribute_tokens
    from massivetext.explaining.explanation import explain as explain
    from massivetext.explaining.lens import logit_lens as logit_lens
    from massivetext.explaining.maps import attention_maps as attention_maps
    from massivetext.generation.config import GenerationConfig as GenerationConfig
    from massivetext.models.auto import AutoConfig as AutoConfig
    from massivetext.models.auto import AutoModelForCausalLM as AutoModelForCausalLM
    from massivetext.models.auto_heads import AutoModel as AutoModel
    from massivetext.models.auto_heads import AutoModelForMaskedLM as AutoModelForMaskedLM
    from massivetext.models.auto_heads import AutoModelForMultipleChoice as AutoModelForMultipleChoice
    from massivetext.models.auto_heads import AutoModelForQuestionAnswering as AutoModelForQuestionAnswering
    from massivetext.models.auto_heads import AutoModelForSeq2SeqLM as AutoModelForSeq2SeqLM
    from massivetext.models.auto_heads import AutoModelForSequenceClassification as AutoModelForSequenceClassification
    from massivetext.models.auto_heads import AutoModelForTokenClassification as AutoModelForTokenClassification
    from massivetext.models.bart import BartConfig as BartConfig
    from massivetext.models.bart import BartForConditionalGeneration as BartForConditionalGeneration
    from massivetext.models.bert import BertConfig as BertConfig
    from massivetext.models.bert import BertForMaskedLM as BertForMaskedLM
    from massivetext.models.bert import BertForMultipleChoice as BertForMultipleChoice
    from massivetext.models.bert import BertForQuestionAnswering as BertForQuestionAnswering
    from massivetext.models.bert import BertForSequenceClassification as BertForSequenceClassification
    from massivetext.models.bert import BertForTokenClassification as BertForTokenClassification
    from massivetext.models.bert import BertModel as BertModel
    from massivetext.models.decoder_families import ArceeForQuestionAnswering as ArceeForQuestionAnswering
    from massivetext.models.decoder_families import ArceeForSequenceClassification as ArceeForSequenceClassification
    from massivetext.models.decoder_families import ArceeForTokenClassification as ArceeForTokenClassification
    from massivetext.models.decoder_families import ArceeModel as ArceeModel
    from massivetext.models.decoder_families import GPT2ForQuestionAnswering as GPT2ForQuestionAnswering
    from massivetext.models.decoder_families import GPT2ForSequenceClassification as GPT2ForSequenceClassification
    from massivetext.models.decoder_families import GPT2ForTokenClassification as GPT2ForTokenClassification
    from massivetext.models.decoder_families import GPT2Model as GPT2Model
    from massivetext.models.decoder_families import GPTNeoXForQuestionAnswering as GPTNeoXForQuestionAnswering
    from massivetext.models.decoder_families import GPTNeoXForSequenceClassification as GPTNeoXForSequenceClassification
    from massivetext.models.decoder_families import GPTNeoXForTokenClassification as GPTNeoXForTokenClassification
    from massivetext.models.decoder_families import GPTNeoXModel as GPTNeoXModel
    from massivetext.models.decoder_families import LlamaForQuestionAnswering as LlamaForQuestionAnswering
    from massivetext.models.decoder_families import LlamaForSequenceClassification as LlamaForSequenceClassification
    from massivetext.models.decoder_families import LlamaForTokenClassification as LlamaForTokenClassification
    from massivetext.models.decoder_families import LlamaModel as LlamaModel
    from massivetext.models.decoder_families import MistralForQuestionAnswering as MistralForQuestionAnswering
    from massivetext.models.decoder_families import MistralForSequenceClassification as MistralForSequenceClassification
    from massivetext.models.decoder_families import MistralForTokenClassification as MistralForTokenClassification
    from massivetext.models.decoder_families import MistralModel as MistralModel
    from massivetext.models.decoder_families import NanoChatModel as NanoChatModel
    from massivetext.models.decoder_families import (
        OpenAIGPTForSequenceClassification as OpenAIGPTForSequenceClassification,
    )
    from massivetext.models.decoder_families import OpenAIGPTModel as OpenAIGPTModel
    from massivetext.models.decoder_families import OPTForQuestionAnswering as OPTForQuestionAnswering
    from massivetext.models.decoder_families import OPTForSequenceClassification as OPTForSequenceClassification
    from massivetext.models.decoder_families import OPTModel as OPTModel
    from massivetext.models.decoder_families import PaLMModel as PaLMModel
    from massivetext.models.decoder_families import Qwen2ForQuestionAnswering as Qwen2ForQuestionAnswering
    from massivetext.models.decoder_families import Qwen2ForSequenceClassification as Qwen2ForSequenceClassification
    from massivetext.models.decoder_families import Qwen2ForTokenClassification as Qwen2ForTokenClassification
    from massivetext.models.decoder_families import Qwen2Model as Qwen2Model
    from massivetext.models.decoder_families import Qwen3ForQuestionAnswering as Qwen3ForQuestionAnswering
    from massivetext.models.decoder_families import Qwen3ForSequenceClassification as Qwen3ForSequenceClassification
    from massivetext.models.decoder_families import Qwen3ForTokenClassification as Qwen3ForTokenClassification
    from massivetext.models.decoder_families import Qwen3Model as Qwen3Model
    from massivetext.models.distilbert import DistilBertConfig as DistilBertConfig
    from massivetext.models.distilbert import DistilBertForMaskedLM as DistilBertForMaskedLM
    from massivetext.models.distilbert import DistilBertForMultipleChoice as DistilBertForMultipleChoice
    from massivetext.models.distilbert import DistilBertForQuestionAnswering as DistilBertForQuestionAnswering
    from massivetext.models.distilbert import DistilBertForSequenceClassification as DistilBertForSequenceClassification
    from massivetext.models.distilbert import DistilBertForTokenClassification as DistilBertForTokenClassification
    from massivetext.models.distilbert import DistilBertModel as DistilBertModel
    from massivetext.models.gpt2 import GPT2Config as GPT2Config
    from massivetext.models.gpt2 import GPT2LMHeadModel as GPT2LMHeadModel
    from massivetext.models.gpt_neox import GPTNeoXConfig as GPTNeoXConfig
    from massivetext.models.gpt_neox import GPTNeoXForCausalLM as GPTNeoXForCausalLM
    from massivetext.models.llama import LlamaConfig as LlamaConfig
    from massivetext.models.llama import LlamaForCausalLM as LlamaForCausalLM
    from massivetext.models.marian import MarianConfig as MarianConfig
    from massivetext.models.marian import MarianMTModel as MarianMTModel
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
    from massivetext.models.roberta import RobertaConfig as RobertaConfig
    from massivetext.models.roberta import RobertaForMaskedLM as RobertaForMaskedLM
    from massivetext.models.roberta import RobertaForMultipleChoice as RobertaForMultipleChoice
    from massivetext.models.roberta import RobertaForQuestionAnswering as RobertaForQuestionAnswering
    from massivetext.models.roberta import RobertaForSequenceClassification as RobertaForSequenceClassification
    from massivetext.models.roberta import RobertaForTokenClassification as RobertaForTokenClassification
    from massivetext.models.roberta import RobertaModel as RobertaModel
    from massivetext.models.roberta import XLMRobertaConfig as XLMRobertaConfig
    from massivetext.models.roberta import XLMRobertaForMaskedLM as XLMRobertaForMaskedLM
    from massivetext.models.roberta import XLMRobertaForMultipleChoice as XLMRobertaForMultipleChoice
    from massivetext.models.roberta import XLMRobertaForQuestionAnswering as XLMRobertaForQuestionAnswering
    from massivetext.models.roberta import XLMRobertaForSequenceClassification as XLMRobertaForSequenceClassification
    from massivetext.models.roberta import XLMRobertaForTokenClassification as XLMRobertaForTokenClassification
    from massivetext.models.roberta import XLMRobertaModel as XLMRobertaModel
    from massivetext.models.sequence_heads import BartForQuestionAnswering as BartForQuestionAnswering
    from massivetext.models.sequence_heads import BartForSequenceClassification as BartForSequenceClassification
    from massivetext.models.sequence_heads import MT5ForQuestionAnswering as MT5ForQuestionAnswering
    from massivetext.models.sequence_heads import MT5ForSequenceClassification as MT5ForSequenceClassification
    from massivetext.models.sequence_heads import MT5ForTokenClassification as MT5ForTokenClassification
    from massivetext.models.sequence_heads import T5ForQuestionAnswering as T5ForQuestionAnswering
    from massivetext.models.sequence_heads import T5ForSequenceClassification as T5ForSequenceClassification
    from massivetext.models.sequence_heads import T5ForTokenClassification as T5ForTokenClassification
    from massivetext.models.sequence_models import BartModel as BartModel
    from massivetext.models.sequence_models import MarianModel as MarianModel
    from massivetext.models.sequence_models import MT5Model as MT5Model
    from massivetext.models.sequence_models import T5Model as T5Model
    from massivetext.models.t5 import MT5Config as MT5Config
    from massivetext.models.t5 import MT5ForConditionalGeneration as MT5ForConditionalGeneration
    from massivetext.models.t5 import T5Config as T5Config
    from massivetext.models.t5 import T5ForConditionalGeneration as T5ForConditionalGeneration
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
