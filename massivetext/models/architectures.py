"""The encoder and encoder-decoder classes by task and Hugging Face's `model_type`: the one visible table."""

from massivetext.models import bart, bert, marian, roberta, t5
from massivetext.models.pretrained import PretrainedModel
from massivetext.models.published import PublishedConfig

_CLASSES: dict[str, list[type[PretrainedModel]]] = {
    "base": [bert.BertModel, roberta.RobertaModel, roberta.XLMRobertaModel],
    "masked-lm": [bert.BertForMaskedLM, roberta.RobertaForMaskedLM, roberta.XLMRobertaForMaskedLM],
    "sequence-classification": [
        bert.BertForSequenceClassification,
        roberta.RobertaForSequenceClassification,
        roberta.XLMRobertaForSequenceClassification,
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
    name: model.config_class for models in ARCHITECTURES.values() for name, model in models.items()
}
