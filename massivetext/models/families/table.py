"""The table of families: a row gives a family's configuration, body and heads, and makes its classes.

A new family is one file beside this one, and one row here.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from massivetext.models.body import Body
from massivetext.models.config import ModelConfig
from massivetext.models.decoder import CausalLM
from massivetext.models.encoder import LabellingEncoder
from massivetext.models.encoder_decoder import LabellingEncoderDecoder
from massivetext.models.families.arcee import Arcee, ArceeConfig
from massivetext.models.families.bart import Bart, BartConfig
from massivetext.models.families.bert import Bert, BertConfig
from massivetext.models.families.distilbert import DistilBert, DistilBertConfig, FirstTokenScorer
from massivetext.models.families.gpt2 import GPT2, GPT2Config
from massivetext.models.families.gpt_neox import GPTNeoX, GPTNeoXConfig
from massivetext.models.families.llama import Llama, LlamaConfig
from massivetext.models.families.marian import Marian, MarianConfig
from massivetext.models.families.mistral import MistralConfig
from massivetext.models.families.nanochat import NanoChat, NanoChatConfig
from massivetext.models.families.openai_gpt import OpenAIGPT, OpenAIGPTConfig
from massivetext.models.families.opt import OPT, OPTConfig
from massivetext.models.families.palm import PaLM, PaLMConfig
from massivetext.models.families.qwen2 import Qwen2Config
from massivetext.models.families.qwen3 import Qwen3Config
from massivetext.models.families.roberta import Roberta, RobertaConfig, XLMRobertaConfig
from massivetext.models.families.t5 import T5, MT5Config, T5Config, T5Encoder
from massivetext.models.heads.bare import BareDecoder, BareEncoder, BareEncoderDecoder
from massivetext.models.heads.choice import MultipleChoice
from massivetext.models.heads.labelling import LabellingDecoder
from massivetext.models.heads.masked import MaskedLM, WordsHead
from massivetext.models.heads.scorers import OneLayer, TwoLayers
from massivetext.models.heads.seq2seq import Seq2SeqLM
from massivetext.models.heads.sequence import SequenceClassification
from massivetext.models.heads.span import (
    DecoderQuestionAnswering,
    EncoderDecoderQuestionAnswering,
    EncoderQuestionAnswering,
)
from massivetext.models.heads.token import SourceTokenClassification, TokenClassification
from massivetext.models.model import Model

CLASSES_MODULE = "massivetext.models.families.classes"
NAMES = {
    "base": "Model", "causal-lm": "ForCausalLM", "masked-lm": "ForMaskedLM", "seq2seq-lm": "ForConditionalGeneration",
    "sequence-classification": "ForSequenceClassification", "token-classification": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering", "multiple-choice": "ForMultipleChoice",
}  # fmt: skip
SENTENCES = {
    "base": "{} without a head.", "causal-lm": "{} that predicts each next token.",
    "masked-lm": "{} that predicts masked tokens.", "seq2seq-lm": "{} with its language model's head.",
    "sequence-classification": "{} that labels texts.", "token-classification": "{} that labels tokens.",
    "question-answering": "{} that finds answers inside a text.",
    "multiple-choice": "{} that chooses one of several continuations.",
}  # fmt: skip


class Head(NamedTuple):
    """A head of a family: the classes that make it, what files put before the body's names, what it is told.

    settings: attributes of the class, such as the scorer. body, body_name: where they are not the family's.
    """

    bases: tuple[type[Model], ...]
    prefix: str
    settings: Mapping[str, Any] = {}
    body: type[Body] | None = None
    body_name: str | None = None


class Family(NamedTuple):
    """A family: the beginning of its classes' names, its configuration, its body, its heads by task.

    title: what docstrings call it. body_name: the attribute that holds the body; "" where the model is the body. names:
    ends of classes' names that are not the usual ones, by task.
    """

    name: str
    title: str
    config: type[ModelConfig]
    body: type[Body]
    body_name: str
    heads: Mapping[str, Head]
    names: Mapping[str, str] = {}

    def classes(self) -> dict[str, type[Model]]:
        """Return the family's classes by task."""
        return {task: self.made(task, head) for task, head in self.heads.items()}

    def made(self, task: str, head: Head) -> type[Model]:
        """Return the class for a task."""
        name, body = self.name + self.names.get(task, NAMES[task]), head.body or self.body
        held = self.body_name if head.body_name is None else head.body_name
        attributes = {
            "__doc__": SENTENCES[task].format(self.title), "__module__": CLASSES_MODULE, "architecture": name,
            "config_class": self.config, "body_class": body, "body_name": held, "stored_prefix": head.prefix,
            **head.settings,
        }  # fmt: skip
        return type(name, head.bases if held else (*head.bases, body), attributes)


def decoder_heads(prefix: str, tokens: str = "score", answers: str | None = None) -> dict[str, Head]:
    """Return the heads of a decoder. tokens: name of the scorer of tokens. answers: prefix of question answerers."""
    score = OneLayer("score", bias=False, drops=False)
    return {
        "base": Head((BareDecoder,), ""),
        "causal-lm": Head((CausalLM,), prefix),
        "sequence-classification": Head((SequenceClassification, LabellingDecoder), prefix, {"scorer": score}),
        "token-classification": Head((TokenClassification, LabellingDecoder), prefix, {"scorer": OneLayer(tokens)}),
        "question-answering": Head((DecoderQuestionAnswering,), prefix if answers is None else answers),
    }


def encoder_heads(prefix: str, words: WordsHead, texts: Any, choices: Any, pooled: bool) -> dict[str, Head]:
    """Return the heads of an encoder. texts, choices: scorers. pooled: whether texts are labelled behind a pooler."""
    tokens = {"scorer": OneLayer()}
    labelling, choice = {"scorer": texts, "pooled": pooled}, {"scorer": choices, "pooled": True}
    return {
        "base": Head((BareEncoder,), "", body_name=""),
        "masked-lm": Head((MaskedLM,), prefix, {"words_head": words}),
        "sequence-classification": Head((SequenceClassification, LabellingEncoder), prefix, labelling),
        "token-classification": Head((TokenClassification, LabellingEncoder), prefix, tokens),
        "question-answering": Head((EncoderQuestionAnswering,), prefix),
        "multiple-choice": Head((MultipleChoice,), prefix, choice),
    }


def sequence_heads(prefix: str, labelling: str) -> dict[str, Head]:
    """Return the heads of an encoder-decoder. labelling: prefix of the classifiers."""
    texts = {"scorer": TwoLayers("classification_head")}
    return {
        "base": Head((BareEncoderDecoder,), ""),
        "seq2seq-lm": Head((Seq2SeqLM,), prefix),
        "sequence-classification": Head((SequenceClassification, LabellingEncoderDecoder), labelling, texts),
        "question-answering": Head((EncoderDecoderQuestionAnswering,), prefix),
    }


def without(heads: Mapping[str, Head], *tasks: str) -> dict[str, Head]:
    """Return heads but those for some tasks, which transformers has no class for."""
    return {task: head for task, head in heads.items() if task not in tasks}


LLAMA, MISTRAL = decoder_heads("model.", answers="transformer."), decoder_heads("model.")
BERT_WORDS = WordsHead(
    "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias",
    "cls.predictions.decoder",
)  # fmt: skip
ROBERTA_WORDS = WordsHead("lm_head.dense", "lm_head.layer_norm", "lm_head.bias", "lm_head.decoder", "gelu")
DISTILBERT_WORDS = WordsHead("vocab_transform", "vocab_layer_norm", "vocab_projector.bias", "vocab_projector")
BERT = encoder_heads("bert.", BERT_WORDS, OneLayer(), OneLayer(), pooled=True)
ROBERTA = encoder_heads("roberta.", ROBERTA_WORDS, TwoLayers("classifier"), OneLayer(), pooled=False)
DISTILBERT = encoder_heads("distilbert.", DISTILBERT_WORDS, FirstTokenScorer(), FirstTokenScorer(), pooled=False)
T5_HEADS = sequence_heads("", "transformer.") | {
    "token-classification": Head((SourceTokenClassification,), "transformer.", {"scorer": OneLayer()}, T5Encoder)
}
BART = sequence_heads("model.", "model.")
NO_LABELS = ("sequence-classification", "token-classification", "question-answering")
LM_HEAD = {"causal-lm": "LMHeadModel"}

FAMILIES: dict[str, Family] = {
    family.config.model_type: family
    for family in (
        Family("Arcee", "Arcee", ArceeConfig, Arcee, "model", LLAMA),
        Family("GPT2", "GPT-2", GPT2Config, GPT2, "model", decoder_heads("transformer.", "classifier"), LM_HEAD),
        Family("GPTNeoX", "GPT-NeoX", GPTNeoXConfig, GPTNeoX, "model", decoder_heads("gpt_neox.", "classifier")),
        Family("Llama", "Llama", LlamaConfig, Llama, "model", LLAMA),
        Family("Mistral", "Mistral", MistralConfig, Llama, "model", MISTRAL),
        Family("NanoChat", "nanochat", NanoChatConfig, NanoChat, "model", without(MISTRAL, *NO_LABELS)),
        Family("OPT", "OPT", OPTConfig, OPT, "model", without(MISTRAL, "token-classification")),
        Family("OpenAIGPT", "GPT", OpenAIGPTConfig, OpenAIGPT, "model",
               without(decoder_heads("transformer."), "token-classification", "question-answering"), LM_HEAD),
        Family("PaLM", "PaLM", PaLMConfig, PaLM, "model", without(MISTRAL, *NO_LABELS)),
        Family("Qwen2", "Qwen2", Qwen2Config, Llama, "model", LLAMA),
        Family("Qwen3", "Qwen3", Qwen3Config, Llama, "model", LLAMA),
        Family("Bert", "BERT", BertConfig, Bert, "bert", BERT),
        Family("DistilBert", "DistilBERT", DistilBertConfig, DistilBert, "distilbert", DISTILBERT),
        Family("Roberta", "RoBERTa", RobertaConfig, Roberta, "roberta", ROBERTA),
        Family("XLMRoberta", "XLM-R", XLMRobertaConfig, Roberta, "roberta", ROBERTA),
        Family("Bart", "BART", BartConfig, Bart, "model", BART),
        Family("Marian", "Marian", MarianConfig, Marian, "model", without(BART, *NO_LABELS), {"seq2seq-lm": "MTModel"}),
        Family("MT5", "mT5", MT5Config, T5, "", T5_HEADS),
        Family("T5", "T5", T5Config, T5, "", T5_HEADS),
    )
}  # fmt: skip

CLASSES: dict[str, dict[str, type[Model]]] = {task: {} for task in NAMES}
"""The classes of models by task and Hugging Face's `model_type`."""
for _family in FAMILIES.values():
    for _task, _class in _family.classes().items():
        CLASSES[_task][_family.config.model_type] = _class
