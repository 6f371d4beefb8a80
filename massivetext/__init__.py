"""MassiveText: raw text, English and Chinese, all the way to a trained, evaluated, explained and served language model.

`import massivetext as mt`. Public names resolve on first use (PEP 562), so importing loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

PUBLIC_NAMES = {
    "AddedToken": "massivetext.tokens.special",
    "ArceeForQuestionAnswering": "massivetext.models.heads.decoder_families",
    "ArceeForSequenceClassification": "massivetext.models.heads.decoder_families",
    "ArceeForTokenClassification": "massivetext.models.heads.decoder_families",
    "ArceeModel": "massivetext.models.heads.decoder_families",
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
    "BartConfig": "massivetext.models.families.bart",
    "BartForConditionalGeneration": "massivetext.models.families.bart",
    "BartForQuestionAnswering": "massivetext.models.heads.sequence_heads",
    "BartForSequenceClassification": "massivetext.models.heads.sequence_heads",
    "BartModel": "massivetext.models.heads.sequence_models",
    "BartTokenizer": "massivetext.tokens.classes",
    "BartTokenizerFast": "massivetext.tokens.classes",
    "BatchEncoding": "massivetext.tokens.encodings",
    "BertConfig": "massivetext.models.families.bert",
    "BertForMaskedLM": "massivetext.models.families.bert",
    "BertForMultipleChoice": "massivetext.models.families.bert",
    "BertForQuestionAnswering": "massivetext.models.families.bert",
    "BertForSequenceClassification": "massivetext.models.families.bert",
    "BertForTokenClassification": "massivetext.models.families.bert",
    "BertModel": "massivetext.models.families.bert",
    "BertTokenizer": "massivetext.tokens.classes",
    "BertTokenizerFast": "massivetext.tokens.classes",
    "DataCollatorForLanguageModeling": "massivetext.training.collators",
    "DataCollatorForSeq2Seq": "massivetext.training.collators",
    "DataCollatorForTokenClassification": "massivetext.training.collators",
    "DataCollatorWithPadding": "massivetext.training.collators",
    "DistilBertConfig": "massivetext.models.families.distilbert",
    "DistilBertForMaskedLM": "massivetext.models.families.distilbert",
    "DistilBertForMultipleChoice": "massivetext.models.families.distilbert",
    "DistilBertForQuestionAnswering": "massivetext.models.families.distilbert",
    "DistilBertForSequenceClassification": "massivetext.models.families.distilbert",
    "DistilBertForTokenClassification": "massivetext.models.families.distilbert",
    "DistilBertModel": "massivetext.models.families.distilbert",
    "DistilBertTokenizer": "massivetext.tokens.classes",
    "DistilBertTokenizerFast": "massivetext.tokens.classes",
    "EvalPrediction": "massivetext.training.trainer",
    "GPT2Config": "massivetext.models.families.gpt2",
    "GPT2ForQuestionAnswering": "massivetext.models.heads.decoder_families",
    "GPT2ForSequenceClassification": "massivetext.models.heads.decoder_families",
    "GPT2ForTokenClassification": "massivetext.models.heads.decoder_families",
    "GPT2LMHeadModel": "massivetext.models.families.gpt2",
    "GPT2Model": "massivetext.models.heads.decoder_families",
    "GPT2Tokenizer": "massivetext.tokens.classes",
    "GPT2TokenizerFast": "massivetext.tokens.classes",
    "GPTNeoXConfig": "massivetext.models.families.gpt_neox",
    "GPTNeoXForCausalLM": "massivetext.models.families.gpt_neox",
    "GPTNeoXForQuestionAnswering": "massivetext.models.heads.decoder_families",
    "GPTNeoXForSequenceClassification": "massivetext.models.heads.decoder_families",
    "GPTNeoXForTokenClassification": "massivetext.models.heads.decoder_families",
    "GPTNeoXModel": "massivetext.models.heads.decoder_families",
    "GPTNeoXTokenizerFast": "massivetext.tokens.classes",
    "GenerationConfig": "massivetext.generation.config",
    "LlamaConfig": "massivetext.models.families.llama",
    "LlamaForCausalLM": "massivetext.models.families.llama",
    "LlamaForQuestionAnswering": "massivetext.models.heads.decoder_families",
    "LlamaForSequenceClassification": "massivetext.models.heads.decoder_families",
    "LlamaForTokenClassification": "massivetext.models.heads.decoder_families",
    "LlamaModel": "massivetext.models.heads.decoder_families",
    "LlamaTokenizer": "massivetext.tokens.classes",
    "LlamaTokenizerFast": "massivetext.tokens.classes",
    "MT5Config": "massivetext.models.families.t5",
    "MT5ForConditionalGeneration": "massivetext.models.families.t5",
    "MT5ForQuestionAnswering": "massivetext.models.heads.sequence_heads",
    "MT5ForSequenceClassification": "massivetext.models.heads.sequence_heads",
    "MT5ForTokenClassification": "massivetext.models.heads.sequence_heads",
    "MT5Model": "massivetext.models.heads.sequence_models",
    "MarianConfig": "massivetext.models.families.marian",
    "MarianMTModel": "massivetext.models.families.marian",
    "MarianModel": "massivetext.models.heads.sequence_models",
    "MarianTokenizer": "massivetext.tokens.classes",
    "MistralConfig": "massivetext.models.families.mistral",
    "MistralForCausalLM": "massivetext.models.families.mistral",
    "MistralForQuestionAnswering": "massivetext.models.heads.decoder_families",
    "MistralForSequenceClassification": "massivetext.models.heads.decoder_families",
    "MistralForTokenClassification": "massivetext.models.heads.decoder_families",
    "MistralModel": "massivetext.models.heads.decoder_families",
    "NanoChatModel": "massivetext.models.heads.decoder_families",
    "OPTConfig": "massivetext.models.families.opt",
    "OPTForCausalLM": "massivetext.models.families.opt",
    "OPTForQuestionAnswering": "massivetext.models.heads.decoder_families",
    "OPTForSequenceClassification": "massivetext.models.heads.decoder_families",
    "OPTModel": "massivetext.models.heads.decoder_families",
    "OpenAIGPTConfig": "massivetext.models.families.openai_gpt",
    "OpenAIGPTForSequenceClassification": "massivetext.models.heads.decoder_families",
    "OpenAIGPTLMHeadModel": "massivetext.models.families.openai_gpt",
    "OpenAIGPTModel": "massivetext.models.heads.decoder_families",
    "PaLMConfig": "massivetext.models.families.palm",
    "PaLMForCausalLM": "massivetext.models.families.palm",
    "PaLMModel": "massivetext.models.heads.decoder_families",
    "PreTrainedTokenizer": "massivetext.tokens.classes",
    "PreTrainedTokenizerFast": "massivetext.tokens.classes",
    "Qwen2Config": "massivetext.models.families.qwen2",
    "Qwen2ForCausalLM": "massivetext.models.families.qwen2",
    "Qwen2ForQuestionAnswering": "massivetext.models.heads.decoder_families",
    "Qwen2ForSequenceClassification": "massivetext.models.heads.decoder_families",
    "Qwen2ForTokenClassification": "massivetext.models.heads.decoder_families",
    "Qwen2Model": "massivetext.models.heads.decoder_families",
    "Qwen2Tokenizer": "massivetext.tokens.classes",
    "Qwen2TokenizerFast": "massivetext.tokens.classes",
    "Qwen3Config": "massivetext.models.families.qwen3",
    "Qwen3ForCausalLM": "massivetext.models.families.qwen3",
    "Qwen3ForQuestionAnswering": "massivetext.models.heads.decoder_families",
    "Qwen3ForSequenceClassification": "massivetext.models.heads.decoder_families",
    "Qwen3ForTokenClassification": "massivetext.models.heads.decoder_families",
    "Qwen3Model": "massivetext.models.heads.decoder_families",
    "RobertaConfig": "massivetext.models.families.roberta",
    "RobertaForMaskedLM": "massivetext.models.families.roberta",
    "RobertaForMultipleChoice": "massivetext.models.families.roberta",
    "RobertaForQuestionAnswering": "massivetext.models.families.roberta",
    "RobertaForSequenceClassification": "massivetext.models.families.roberta",
    "RobertaForTokenClassification": "massivetext.models.families.roberta",
    "RobertaModel": "massivetext.models.families.roberta",
    "RobertaTokenizer": "massivetext.tokens.classes",
    "RobertaTokenizerFast": "massivetext.tokens.classes",
    "T5Config": "massivetext.models.families.t5",
    "T5ForConditionalGeneration": "massivetext.models.families.t5",
    "T5ForQuestionAnswering": "massivetext.models.heads.sequence_heads",
    "T5ForSequenceClassification": "massivetext.models.heads.sequence_heads",
    "T5ForTokenClassification": "massivetext.models.heads.sequence_heads",
    "T5Model": "massivetext.models.heads.sequence_models",
    "T5Tokenizer": "massivetext.tokens.classes",
    "T5TokenizerFast": "massivetext.tokens.classes",
    "Trainer": "massivetext.training.trainer",
    "TrainingArguments": "massivetext.training.arguments",
    "XLMRobertaConfig": "massivetext.models.families.roberta",
    "XLMRobertaForMaskedLM": "massivetext.models.families.roberta",
    "XLMRobertaForMultipleChoice": "massivetext.models.families.roberta",
    "XLMRobertaForQuestionAnswering": "massivetext.models.families.roberta",
    "XLMRobertaForSequenceClassification": "massivetext.models.families.roberta",
    "XLMRobertaForTokenClassification": "massivetext.models.families.roberta",
    "XLMRobertaModel": "massivetext.models.families.roberta",
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

STEPS_ABOVE = {
    "perplexity": "massivetext.tokens.perplexity:Perplexity",
    "max_perplexity": "massivetext.tokens.perplexity:MaxPerplexity",
}
"""Steps of a corpus that stand in rooms above it, which it does not know: name in a recipe -> class."""

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
    from massivetext.models.families.bart import BartConfig as BartConfig
    from massivetext.models.families.bart import BartForConditionalGeneration as BartForConditionalGeneration
    from massivetext.models.families.bert import BertConfig as BertConfig
    from massivetext.models.families.bert import BertForMaskedLM as BertForMaskedLM
    from massivetext.models.families.bert import BertForMultipleChoice as BertForMultipleChoice
    from massivetext.models.families.bert import BertForQuestionAnswering as BertForQuestionAnswering
    from massivetext.models.families.bert import BertForSequenceClassification as BertForSequenceClassification
    from massivetext.models.families.bert import BertForTokenClassification as BertForTokenClassification
    from massivetext.models.families.bert import BertModel as BertModel
    from massivetext.models.families.distilbert import DistilBertConfig as DistilBertConfig
    from massivetext.models.families.distilbert import DistilBertForMaskedLM as DistilBertForMaskedLM
    from massivetext.models.families.distilbert import DistilBertForMultipleChoice as DistilBertForMultipleChoice
    from massivetext.models.families.distilbert import DistilBertForQuestionAnswering as DistilBertForQuestionAnswering
    from massivetext.models.families.distilbert import (
        DistilBertForSequenceClassification as DistilBertForSequenceClassification,
    )
    from massivetext.models.families.distilbert import (
        DistilBertForTokenClassification as DistilBertForTokenClassification,
    )
    from massivetext.models.families.distilbert import DistilBertModel as DistilBertModel
    from massivetext.models.families.gpt2 import GPT2Config as GPT2Config
    from massivetext.models.families.gpt2 import GPT2LMHeadModel as GPT2LMHeadModel
    from massivetext.models.families.gpt_neox import GPTNeoXConfig as GPTNeoXConfig
    from massivetext.models.families.gpt_neox import GPTNeoXForCausalLM as GPTNeoXForCausalLM
    from massivetext.models.families.llama import LlamaConfig as LlamaConfig
    from massivetext.models.families.llama import LlamaForCausalLM as LlamaForCausalLM
    from massivetext.models.families.marian import MarianConfig as MarianConfig
    from massivetext.models.families.marian import MarianMTModel as MarianMTModel
    from massivetext.models.families.mistral import MistralConfig as MistralConfig
    from massivetext.models.families.mistral import MistralForCausalLM as MistralForCausalLM
    from massivetext.models.families.openai_gpt import OpenAIGPTConfig as OpenAIGPTConfig
    from massivetext.models.families.openai_gpt import OpenAIGPTLMHeadModel as OpenAIGPTLMHeadModel
    from massivetext.models.families.opt import OPTConfig as OPTConfig
    from massivetext.models.families.opt import OPTForCausalLM as OPTForCausalLM
    from massivetext.models.families.palm import PaLMConfig as PaLMConfig
    from massivetext.models.families.palm import PaLMForCausalLM as PaLMForCausalLM
    from massivetext.models.families.qwen2 import Qwen2Config as Qwen2Config
    from massivetext.models.families.qwen2 import Qwen2ForCausalLM as Qwen2ForCausalLM
    from massivetext.models.families.qwen3 import Qwen3Config as Qwen3Config
    from massivetext.models.families.qwen3 import Qwen3ForCausalLM as Qwen3ForCausalLM
    from massivetext.models.families.roberta import RobertaConfig as RobertaConfig
    from massivetext.models.families.roberta import RobertaForMaskedLM as RobertaForMaskedLM
    from massivetext.models.families.roberta import RobertaForMultipleChoice as RobertaForMultipleChoice
    from massivetext.models.families.roberta import RobertaForQuestionAnswering as RobertaForQuestionAnswering
    from massivetext.models.families.roberta import RobertaForSequenceClassification as RobertaForSequenceClassification
    from massivetext.models.families.roberta import RobertaForTokenClassification as RobertaForTokenClassification
    from massivetext.models.families.roberta import RobertaModel as RobertaModel
    from massivetext.models.families.roberta import XLMRobertaConfig as XLMRobertaConfig
    from massivetext.models.families.roberta import XLMRobertaForMaskedLM as XLMRobertaForMaskedLM
    from massivetext.models.families.roberta import XLMRobertaForMultipleChoice as XLMRobertaForMultipleChoice
    from massivetext.models.families.roberta import XLMRobertaForQuestionAnswering as XLMRobertaForQuestionAnswering
    from massivetext.models.families.roberta import (
        XLMRobertaForSequenceClassification as XLMRobertaForSequenceClassification,
    )
    from massivetext.models.families.roberta import XLMRobertaForTokenClassification as XLMRobertaForTokenClassification
    from massivetext.models.families.roberta import XLMRobertaModel as XLMRobertaModel
    from massivetext.models.families.t5 import MT5Config as MT5Config
    from massivetext.models.families.t5 import MT5ForConditionalGeneration as MT5ForConditionalGeneration
    from massivetext.models.families.t5 import T5Config as T5Config
    from massivetext.models.families.t5 import T5ForConditionalGeneration as T5ForConditionalGeneration
    from massivetext.models.heads.decoder_families import ArceeForQuestionAnswering as ArceeForQuestionAnswering
    from massivetext.models.heads.decoder_families import (
        ArceeForSequenceClassification as ArceeForSequenceClassification,
    )
    from massivetext.models.heads.decoder_families import ArceeForTokenClassification as ArceeForTokenClassification
    from massivetext.models.heads.decoder_families import ArceeModel as ArceeModel
    from massivetext.models.heads.decoder_families import GPT2ForQuestionAnswering as GPT2ForQuestionAnswering
    from massivetext.models.heads.decoder_families import GPT2ForSequenceClassification as GPT2ForSequenceClassification
    from massivetext.models.heads.decoder_families import GPT2ForTokenClassification as GPT2ForTokenClassification
    from massivetext.models.heads.decoder_families import GPT2Model as GPT2Model
    from massivetext.models.heads.decoder_families import GPTNeoXForQuestionAnswering as GPTNeoXForQuestionAnswering
    from massivetext.models.heads.decoder_families import (
        GPTNeoXForSequenceClassification as GPTNeoXForSequenceClassification,
    )
    from massivetext.models.heads.decoder_families import GPTNeoXForTokenClassification as GPTNeoXForTokenClassification
    from massivetext.models.heads.decoder_families import GPTNeoXModel as GPTNeoXModel
    from massivetext.models.heads.decoder_families import LlamaForQuestionAnswering as LlamaForQuestionAnswering
    from massivetext.models.heads.decoder_families import (
        LlamaForSequenceClassification as LlamaForSequenceClassification,
    )
    from massivetext.models.heads.decoder_families import LlamaForTokenClassification as LlamaForTokenClassification
    from massivetext.models.heads.decoder_families import LlamaModel as LlamaModel
    from massivetext.models.heads.decoder_families import MistralForQuestionAnswering as MistralForQuestionAnswering
    from massivetext.models.heads.decoder_families import (
        MistralForSequenceClassification as MistralForSequenceClassification,
    )
    from massivetext.models.heads.decoder_families import MistralForTokenClassification as MistralForTokenClassification
    from massivetext.models.heads.decoder_families import MistralModel as MistralModel
    from massivetext.models.heads.decoder_families import NanoChatModel as NanoChatModel
    from massivetext.models.heads.decoder_families import (
        OpenAIGPTForSequenceClassification as OpenAIGPTForSequenceClassification,
    )
    from massivetext.models.heads.decoder_families import OpenAIGPTModel as OpenAIGPTModel
    from massivetext.models.heads.decoder_families import OPTForQuestionAnswering as OPTForQuestionAnswering
    from massivetext.models.heads.decoder_families import OPTForSequenceClassification as OPTForSequenceClassification
    from massivetext.models.heads.decoder_families import OPTModel as OPTModel
    from massivetext.models.heads.decoder_families import PaLMModel as PaLMModel
    from massivetext.models.heads.decoder_families import Qwen2ForQuestionAnswering as Qwen2ForQuestionAnswering
    from massivetext.models.heads.decoder_families import (
        Qwen2ForSequenceClassification as Qwen2ForSequenceClassification,
    )
    from massivetext.models.heads.decoder_families import Qwen2ForTokenClassification as Qwen2ForTokenClassification
    from massivetext.models.heads.decoder_families import Qwen2Model as Qwen2Model
    from massivetext.models.heads.decoder_families import Qwen3ForQuestionAnswering as Qwen3ForQuestionAnswering
    from massivetext.models.heads.decoder_families import (
        Qwen3ForSequenceClassification as Qwen3ForSequenceClassification,
    )
    from massivetext.models.heads.decoder_families import Qwen3ForTokenClassification as Qwen3ForTokenClassification
    from massivetext.models.heads.decoder_families import Qwen3Model as Qwen3Model
    from massivetext.models.heads.sequence_heads import BartForQuestionAnswering as BartForQuestionAnswering
    from massivetext.models.heads.sequence_heads import BartForSequenceClassification as BartForSequenceClassification
    from massivetext.models.heads.sequence_heads import MT5ForQuestionAnswering as MT5ForQuestionAnswering
    from massivetext.models.heads.sequence_heads import MT5ForSequenceClassification as MT5ForSequenceClassification
    from massivetext.models.heads.sequence_heads import MT5ForTokenClassification as MT5ForTokenClassification
    from massivetext.models.heads.sequence_heads import T5ForQuestionAnswering as T5ForQuestionAnswering
    from massivetext.models.heads.sequence_heads import T5ForSequenceClassification as T5ForSequenceClassification
    from massivetext.models.heads.sequence_heads import T5ForTokenClassification as T5ForTokenClassification
    from massivetext.models.heads.sequence_models import BartModel as BartModel
    from massivetext.models.heads.sequence_models import MarianModel as MarianModel
    from massivetext.models.heads.sequence_models import MT5Model as MT5Model
    from massivetext.models.heads.sequence_models import T5Model as T5Model
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
