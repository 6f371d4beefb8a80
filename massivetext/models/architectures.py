"""The classes by task and Hugging Face's `model_type`, but for causal language models: the one visible table."""

from massivetext.models import bart, bert, decoder_heads, marian, roberta, sequence_models, t5
from massivetext.models.pretrained import PretrainedModel
from massivetext.models.published import PublishedConfig

_CLASSES: dict[str, list[type[PretrainedModel]]] = {
    "base": [
        bert.BertModel,
        roberta.RobertaModel,
        roberta.XLMRobertaModel,
        sequence_models.BartModel,
        sequence_models.MarianModel,
        sequence_models.MT5Model,
        sequence_models.T5Model,
        decoder_heads.ArceeModel,
        decoder_heads.GPT2Model,
        decoder_heads.GPTNeoXModel,
        decoder_heads.LlamaModel,
        decoder_heads.MistralModel,
        decoder_heads.NanoChatModel,
        decoder_heads.OPTModel,
        decoder_heads.OpenAIGPTModel,
        decoder_heads.PaLMModel,
        decoder_heads.Qwen2Model,
        decoder_heads.Qwen3Model,
    ],
    "masked-lm": [bert.BertForMaskedLM, roberta.RobertaForMaskedLM, roberta.XLMRobertaForMaskedLM],
    "sequence-classification": [
        bert.BertForSequenceClassification,
        roberta.RobertaForSequenceClassification,
        roberta.XLMRobertaForSequenceClassification,
        decoder_heads.ArceeForSequenceClassification,
        decoder_heads.GPT2ForSequenceClassification,
        decoder_heads.GPTNeoXForSequenceClassification,
        decoder_heads.LlamaForSequenceClassification,
        decoder_heads.MistralForSequenceClassification,
        decoder_heads.OPTForSequenceClassification,
        decoder_heads.OpenAIGPTForSequenceClassification,
        decoder_heads.Qwen2ForSequenceClassification,
        decoder_heads.Qwen3ForSequenceClassification,
    ],
    "token-classification": [
        bert.BertForTokenClassification,
        roberta.RobertaForTokenClassification,
        roberta.XLMRobertaForTokenClassification,
    ],
    "question-answering": [
        bert.BertForQuestionAnswering,
        roberta.RobertaForQuestionAnswering,
        roberta.XLMRobertaForQuestionAnswering,
    ],
    "multiple-choice": [
        bert.BertForMultipleChoice,
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
