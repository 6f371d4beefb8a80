"""The classes by task and Hugging Face's `model_type`, but for causal language models: the one visible table."""

from massivetext.models.families import bart, bert, distilbert, marian, roberta, t5
from massivetext.models.heads import decoder_families, sequence_heads, sequence_models
from massivetext.models.model import PretrainedModel
from massivetext.models.published import PublishedConfig

_CLASSES: dict[str, list[type[PretrainedModel]]] = {
    "base": [
        bert.BertModel,
        distilbert.DistilBertModel,
        roberta.RobertaModel,
        roberta.XLMRobertaModel,
        sequence_models.BartModel,
        sequence_models.MarianModel,
        sequence_models.MT5Model,
        sequence_models.T5Model,
        decoder_families.ArceeModel,
        decoder_families.GPT2Model,
        decoder_families.GPTNeoXModel,
        decoder_families.LlamaModel,
        decoder_families.MistralModel,
        decoder_families.NanoChatModel,
        decoder_families.OPTModel,
        decoder_families.OpenAIGPTModel,
        decoder_families.PaLMModel,
        decoder_families.Qwen2Model,
        decoder_families.Qwen3Model,
    ],
    "masked-lm": [
        bert.BertForMaskedLM,
        distilbert.DistilBertForMaskedLM,
        roberta.RobertaForMaskedLM,
        roberta.XLMRobertaForMaskedLM,
    ],
    "sequence-classification": [
        bert.BertForSequenceClassification,
        distilbert.DistilBertForSequenceClassification,
        roberta.RobertaForSequenceClassification,
        roberta.XLMRobertaForSequenceClassification,
        decoder_families.ArceeForSequenceClassification,
        decoder_families.GPT2ForSequenceClassification,
        decoder_families.GPTNeoXForSequenceClassification,
        decoder_families.LlamaForSequenceClassification,
        decoder_families.MistralForSequenceClassification,
        decoder_families.OPTForSequenceClassification,
        decoder_families.OpenAIGPTForSequenceClassification,
        decoder_families.Qwen2ForSequenceClassification,
        decoder_families.Qwen3ForSequenceClassification,
        sequence_heads.BartForSequenceClassification,
        sequence_heads.MT5ForSequenceClassification,
        sequence_heads.T5ForSequenceClassification,
    ],
    "token-classification": [
        bert.BertForTokenClassification,
        distilbert.DistilBertForTokenClassification,
        roberta.RobertaForTokenClassification,
        roberta.XLMRobertaForTokenClassification,
        decoder_families.ArceeForTokenClassification,
        decoder_families.GPT2ForTokenClassification,
        decoder_families.GPTNeoXForTokenClassification,
        decoder_families.LlamaForTokenClassification,
        decoder_families.MistralForTokenClassification,
        decoder_families.Qwen2ForTokenClassification,
        decoder_families.Qwen3ForTokenClassification,
        sequence_heads.MT5ForTokenClassification,
        sequence_heads.T5ForTokenClassification,
    ],
    "question-answering": [
        bert.BertForQuestionAnswering,
        distilbert.DistilBertForQuestionAnswering,
        roberta.RobertaForQuestionAnswering,
        roberta.XLMRobertaForQuestionAnswering,
        decoder_families.ArceeForQuestionAnswering,
        decoder_families.GPT2ForQuestionAnswering,
        decoder_families.GPTNeoXForQuestionAnswering,
        decoder_families.LlamaForQuestionAnswering,
        decoder_families.MistralForQuestionAnswering,
        decoder_families.OPTForQuestionAnswering,
        decoder_families.Qwen2ForQuestionAnswering,
        decoder_families.Qwen3ForQuestionAnswering,
        sequence_heads.BartForQuestionAnswering,
        sequence_heads.MT5ForQuestionAnswering,
        sequence_heads.T5ForQuestionAnswering,
    ],
    "multiple-choice": [
        bert.BertForMultipleChoice,
        distilbert.DistilBertForMultipleChoice,
        roberta.RobertaForMultipleChoice,
        roberta.XLMRobertaForMultipleChoice,
    ],
    "seq2seq-lm": [
        bart.BartForConditionalGeneration,
        marian.MarianMTModel,
        t5.MT5ForConditionalGeneration,
        t5.T5ForConditionalGeneration,
    ],
}

ARCHITECTURES: dict[str, dict[str, type[PretrainedModel]]] = {
    task: {model.config_class.model_type: model for model in models} for task, models in _CLASSES.items()
}
PUBLISHED_CONFIGS: dict[str, type[PublishedConfig]] = {
    name: model.config_class
    for models in ARCHITECTURES.values()
    for name, model in models.items()
    if issubclass(model.config_class, PublishedConfig)
}
