"""Scores of a model folder on plain text files: what `massivetext evaluate` prints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from massivetext.errors import DataError, ModelError
from massivetext.evaluation.bits_per_byte import (
    bits_per_byte,
    check_reversible,
    default_stride,
    perplexity,
    score_documents,
)
from massivetext.metrics.declarations import BITS_PER_BYTE, PERPLEXITY
from massivetext.metrics.score import DIGEST_CHARACTERS, Score
from massivetext.metrics.tables import part_name, tables
from massivetext.progress import progress
from massivetext.translations import tr


def evaluate_files(
    model_folder: str | Path,
    files: Sequence[str | Path],
    *,
    context_tokens: int | None = None,
    stride_tokens: int | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Return `scores`: bits per byte and perplexity of a model on UTF-8 text files, in total and in the order given.

    Each file is one document, scored as it lies on disk. context_tokens: None for what the model's configuration holds.
    Raises DataError that lists every file that is missing, empty or not UTF-8, before the model is loaded.
    """
    from massivetext.models.auto import AutoModelForCausalLM
    from massivetext.tokens.tokenizer import AutoTokenizer

    texts = _read_files(files)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    documents = [np.asarray(check_reversible(tokenizer, text, str(path))) for path, text in zip(files, texts)]
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    rows = int(model.head_weight.shape[0])
    largest = max(int(ids.max()) for ids in documents)
    if largest >= rows:
        raise ModelError(f"the tokenizer gives id {largest}, the model has {rows} ids: use the tokenizer saved with it")
    context = context_tokens or int(model.config.max_position_embeddings)
    total_tokens = sum(len(ids) for ids in documents)
    with progress(tr("Scoring the text"), total_tokens, tr("tokens"), quiet) as task:
        nats = score_documents(
            model, documents, start_id=tokenizer.start_id, context_tokens=context, stride=stride_tokens,
            advance=task.advance,
        )  # fmt: skip
    measured = [
        ("files", float(nats.sum()), sum(len(text.encode()) for text in texts), total_tokens),
        *(
            (f"files/{path}", float(one), len(text.encode()), len(ids))
            for path, one, text, ids in zip(files, nats, texts, documents)
        ),
    ]
    facts = {
        "context_tokens": context,
        "stride_tokens": stride_tokens or default_stride(context),
        "tokenizer": tokenizer.digest[:DIGEST_CHARACTERS],
    }
    bits = [BITS_PER_BYTE.score(task, bits_per_byte(n, size), size, facts=facts) for task, n, size, _ in measured]
    perplexities = [PERPLEXITY.score(task, perplexity(n, count), count, facts=facts) for task, n, _, count in measured]
    return {"model": str(model_folder), "scores": [score.row() for score in bits + perplexities]}


def _read_files(files: Sequence[str | Path]) -> list[str]:
    """Return the texts of the files as they lie on disk; raise DataError that lists all that cannot be scored."""
    if not files:
        raise DataError("no files to score; name at least one UTF-8 text file")
    problems, texts = [], []
    for path in map(Path, files):
        try:
            texts.append(path.read_bytes().decode())
        except FileNotFoundError:
            problems.append(f"{path}: there is no such file")
        except IsADirectoryError:
            problems.append(f"{path}: is a folder; name the files in it")
        except UnicodeDecodeError as error:
            problems.append(
                f"{path}: byte {error.start} is not UTF-8; convert the file, e.g. iconv -f GB18030 -t UTF-8"
            )
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
        else:
            if not texts[-1]:
                problems.append(f"{path}: is empty")
    if problems:
        raise DataError("cannot score:\n" + "\n".join(problems))
    return texts


def evaluation_text(found: Mapping[str, Any]) -> str:
    """Return what `evaluate_files` gave as lines for a terminal: a row a file, then the total of several."""
    by_metric = tables(Score(**row) for row in found["scores"])
    total, *parts = by_metric[0].parts
    shown = [*parts, total] if len(parts) > 1 else parts
    width = max(len(part_name(part)) for part in shown)
    facts = by_metric[0].own[total].facts
    lines = [
        tr("{model}, context {context} tokens, windows move on by {stride}", model=found["model"],
           context=facts["context_tokens"], stride=facts["stride_tokens"])
    ]  # fmt: skip
    for part in shown:
        scores = [(table.metric, table.own[part]) for table in by_metric]
        values = [metric.named(score.value) for metric, score in scores]
        counts = [metric.counted(f"{score.items:,}") for metric, score in scores]
        numbers = tr("{values} ({counts})", values=tr(", ").join(values), counts=tr(", ").join(counts))
        lines.append(f"{part_name(part):<{width}}  {numbers}")
    return "\n".join(lines)
