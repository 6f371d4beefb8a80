"""Compare the filters with datatrove and rensa on the same documents: speed, and where the decisions differ.

    python benchmarks/corpus_peers.py [--data FOLDER] [--megabytes 2] [--agreement-megabytes 0]
        [--out benchmarks/results/corpus_peers.json]

`speed`: Gopher's quality and repetition rules and the MinHash of word 5-grams with 112 functions, in MB/s of one core
by processor time. datatrove and this package run alternately, and the best round of each counts. datatrove runs with
its defaults (16 bands of 7) and with its fastest settings (words split at white space, 32-bit hashes).
`minhash`: MinHash alone, compared with rensa: over words, as in rensa's documentation; over word 5-grams joined in
Python, which is the same work as ours; and only the signing of given hashes.

`agreement`: each rule alone on every document, compared with datatrove's. Each document on which they differ gets a
class: `words` if datatrove's formula agrees with ours when given our words, `formula` if it does not.
`slow_twin`: the number of documents on which the kernels and the plain Python code in the tests decide the same.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from inputs import add_data_option, real_texts, require_packages
from machine import describe_machine

from massivetext.corpus.steps.gopher import GopherQuality, GopherRepetition, QualitySettings, RepetitionSettings
from massivetext.corpus.steps.limits import decide_by_limits
from massivetext.storage import write_json
from massivetext.text.minhash import shingle_sets, signatures
from massivetext.text.repetition import REPETITIONS, repetition_statistics
from massivetext.text.statistics import text_statistics
from massivetext.text.words import hash_words

HASHES, NGRAM, HAN_NGRAM = 112, 5, 8
ROUNDS = 3
BATCH_ROWS = 1024
SHOWN = 3

RULES = {
    "min_words": ("quality", "min_doc_words", 50),
    "max_words": ("quality", "max_doc_words", 100_000),
    "min_mean_word_characters": ("quality", "min_avg_word_length", 3),
    "max_mean_word_characters": ("quality", "max_avg_word_length", 10),
    "max_hashes_per_word": ("quality", "max_symbol_word_ratio", 0.1),
    "max_ellipses_per_word": ("quality", "max_symbol_word_ratio", 0.1),
    "max_bullet_line_fraction": ("quality", "max_bullet_lines_ratio", 0.9),
    "max_ellipsis_line_fraction": ("quality", "max_ellipsis_lines_ratio", 0.3),
    "min_alphabetic_word_fraction": ("quality", "max_non_alpha_words_ratio", 0.8),
    "min_stop_words": ("quality", "min_stop_words", 2),
    "max_duplicate_line_fraction": ("repetition", "dup_line_frac", 0.3),
    "max_duplicate_paragraph_fraction": ("repetition", "dup_para_frac", 0.3),
    "max_duplicate_line_character_fraction": ("repetition", "dup_line_char_frac", 0.2),
    "max_duplicate_paragraph_character_fraction": ("repetition", "dup_para_char_frac", 0.2),
    **{
        f"max_top_{order}_gram_character_fraction": ("repetition", "top_n_grams", ((order, limit),))
        for order, limit in ((2, 0.2), (3, 0.18), (4, 0.16))
    },
    **{
        f"max_duplicate_{order}_gram_character_fraction": ("repetition", "dup_n_grams", ((order, limit),))
        for order, limit in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
    },
}
"""Each of our rules, and the setting of datatrove's filter that switches on only that rule."""
SYMBOLS = {"max_hashes_per_word": "gopher_too_many_hashes", "max_ellipses_per_word": "gopher_too_many_ellipsis"}
"""One setting of datatrove covers two rules, which are distinguished by the reason."""
ALL_OFF = {
    "quality": dict.fromkeys(
        ("min_doc_words", "max_doc_words", "min_avg_word_length", "max_avg_word_length", "max_symbol_word_ratio",
         "max_bullet_lines_ratio", "max_ellipsis_lines_ratio", "max_non_alpha_words_ratio", "min_stop_words")
    ),
    "repetition": {
        **dict.fromkeys(("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac")),
        "top_n_grams": (), "dup_n_grams": (),
    },
}  # fmt: skip


EXPLAINED = {
    "quality rules, words": (
        "datatrove counts the tokens of spaCy: don't and it's are two, a word with hyphens and its hyphens three or "
        "more, each quotation mark or full stop one. Here don't is one word, and symbols side by side are one; so a "
        "text near 50 words is below the limit here and not there, and the share of words with a letter is lower there."
    ),
    "quality rules, formula": (
        "datatrove looks at lines as str.splitlines cuts them, blank ones included; here blank lines are no lines."
    ),
    "repetition rules, words": (
        "in datatrove punctuation marks are words of an n-gram (headings such as '= = =', dialogue with quotation "
        "marks), and case counts; here n-grams are of words alone, in lower case."
    ),
    "repetition rules, formula": (
        "in datatrove an n-gram that occurs once is the most frequent one of a short text, and its length over the "
        "text's breaks the limit; overlapping occurrences count twice. Here what occurs once repeats nothing, and each "
        "character counts once, the spaces between words too, as the paper words it; there a repeated n-gram counts "
        "without its spaces. Lines and paragraphs are compared there with the white space at their ends, a line of "
        "white space alone being a line; here without it, blank lines left out."
    ),
}
"""Explanations of the classes of disagreement, from a review of their documents."""


def seconds_of(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return the processor time of the fastest of several rounds."""
    found = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def batches_of(texts: list[str]) -> list[pa.Array]:
    """Return the texts as Arrow arrays of batch size."""
    return [pa.array(texts[start : start + BATCH_ROWS]) for start in range(0, len(texts), BATCH_ROWS)]


def measured(array: pa.Array) -> tuple[dict[str, Any], Any]:
    """Return the values that both filters compare with their limits, and the words; counted in one pass over them."""
    words = hash_words(array)
    columns = {f"statistics__{name}": values for name, values in text_statistics(array).items()}
    columns |= {f"ngrams__{name}": values for name, values in repetition_statistics(words, array).items()}
    batch = pa.RecordBatch.from_arrays([array, *columns.values()], ["text", *columns])
    return GopherQuality().measured(batch) | GopherRepetition().measured(batch), words


LIMITS = {**QualitySettings().model_dump(), **RepetitionSettings().model_dump()}


def own_work(arrays: list[pa.Array]) -> None:
    """Compute the decisions of both filters and the signatures of all documents."""
    for array in arrays:
        values, words = measured(array)
        decide_by_limits(LIMITS, values, len(array))
        signatures(words, HASHES, NGRAM, HAN_NGRAM)


def datatrove_work(texts: list[str], scratch: Path, best: bool) -> Callable[[], None]:
    """Return a function that does the same work with datatrove: two filters, then the signature; nothing is written."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.word_tokenizers import WordTokenizer

    class SplitTokenizer(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        def sent_tokenize(self, text: str) -> list[str]:
            raise NotImplementedError

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            raise NotImplementedError

    language: Any = SplitTokenizer() if best else "en"
    config = MinhashConfig(NGRAM, 16, 7, hash_config=HashConfig(32 if best else 64, "xxhash"))
    quality, repetition = GopherQualityFilter(language=language), GopherRepetitionFilter(language=language)
    minhash = MinhashDedupSignature(str(scratch), config, language=language)
    # datatrove's own call passes text, but newer releases of xxhash accept only bytes.
    digest = xxhash.xxh32_intdigest if best else xxhash.xxh64_intdigest
    minhash._hash_func = lambda shingle: digest(shingle.encode())
    documents = [Document(text, str(number)) for number, text in enumerate(texts)]

    def work() -> None:
        for document in documents:
            quality.filter(document)
            repetition.filter(document)
            shingles = minhash.get_shingles(document.text)
            if shingles.size:
                minhash.get_signature(shingles)

    return work


def speed(texts: list[str]) -> dict[str, Any]:
    """Return MB/s of the filters and MinHash together, ours and datatrove's alternately, and the ratios."""
    size, arrays = sum(len(text.encode()) for text in texts), batches_of(texts)
    own_work(arrays[:1])
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for best in (False, True):
            name = "datatrove_best_settings" if best else "datatrove_defaults"
            datatrove_work(texts[:20], Path(scratch), best)()
            rates["massivetext"] = max(rates.get("massivetext", 0), size / seconds_of(lambda: own_work(arrays)) / 1e6)
            rates[name] = size / seconds_of(datatrove_work(texts, Path(scratch), best), 1) / 1e6
    own = rates["massivetext"]
    return {
        "mb_per_second": {name: round(rate, 3) for name, rate in rates.items()},
        "ratio_to_defaults": round(own / rates["datatrove_defaults"], 1),
        "ratio_to_best_settings": round(own / rates["datatrove_best_settings"], 1),
    }


def minhash_speed(texts: list[str]) -> dict[str, Any]:
    """Return MB/s of MinHash alone, ours and rensa's alternately."""
    import rensa

    size, arrays = sum(len(text.encode()) for text in texts), batches_of(texts)

    def over_words() -> None:
        for text in texts:
            signed = rensa.RMinHash(num_perm=HASHES, seed=42)
            signed.update(text.split())
            signed.digest()

    def shingles(text: str) -> list[str]:
        words = text.lower().split()
        return [" ".join(words[at : at + NGRAM]) for at in range(max(1, len(words) - NGRAM + 1))]

    def over_shingles() -> None:
        rensa.RMinHash.digest_matrix_from_token_sets((shingles(text) for text in texts), HASHES, 42)

    hashed = [hash_words(array) for array in arrays]
    sets = [shingle_sets(words, NGRAM, HAN_NGRAM) for words in hashed]

    def own() -> None:
        for array in arrays:
            signatures(hash_words(array), HASHES, NGRAM, HAN_NGRAM)

    def own_signing() -> None:
        for words in hashed:
            signatures(words, HASHES, NGRAM, HAN_NGRAM)

    def signing() -> None:
        for found, offsets in sets:
            rensa.RMinHash.digest_matrix_from_flat_token_hashes(found, offsets.astype(np.uint64), HASHES, 42)

    works = {
        "massivetext": own,
        "rensa_words": over_words,
        "rensa_5_grams": over_shingles,
        "massivetext_signing": own_signing,
        "rensa_signing": signing,
    }
    rates = {name: size / seconds_of(work) / 1e6 for name, work in works.items()}
    return {
        "mb_per_second": {name: round(rate, 1) for name, rate in rates.items()},
        "ratio_to_words": round(rates["massivetext"] / rates["rensa_words"], 2),
        "ratio_to_5_grams": round(rates["massivetext"] / rates["rensa_5_grams"], 2),
        "ratio_signing_given_hashes": round(rates["massivetext_signing"] / rates["rensa_signing"], 2),
    }


def broken_rules(texts: list[str]) -> dict[str, np.ndarray]:
    """Return, for each rule, which documents break it according to the kernels."""
    parts = [measured(array)[0] for array in batches_of(texts)]
    found = {}
    for name in RULES:
        values = np.concatenate([part[name] for part in parts])
        found[name] = values < LIMITS[name] if name.startswith("min_") else values > LIMITS[name]
    return found


def peer_breaks(name: str, document: Any) -> bool:
    """Return whether a document breaks datatrove's version of a rule."""
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter

    kind, setting, value = RULES[name]
    filters = {"quality": GopherQualityFilter, "repetition": GopherRepetitionFilter}
    key = (name, kind)
    if key not in _FILTERS:
        _FILTERS[key] = filters[kind](**{**ALL_OFF[kind], setting: value})
    try:
        result = _FILTERS[key].filter(document)
    except (ZeroDivisionError, ValueError):
        return False
    if isinstance(result, tuple):
        return name not in SYMBOLS or result[1] == SYMBOLS[name]
    return not result


_FILTERS: dict[tuple[str, str], Any] = {}


def agreement(texts: list[str]) -> dict[str, Any]:
    """Return, for each rule, the number of documents on which both agree, and classes and examples of the others."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import gopher_quality_filter, gopher_repetition_filter
    from datatrove.utils.text import split_into_words

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from text.test_statistics import WORD, letter_of
    from text.test_words import slow_words

    own = broken_rules(texts)
    given: list[str] = []
    for module in (gopher_quality_filter, gopher_repetition_filter):
        module.split_into_words = lambda text, language: given

    def own_tokens(text: str) -> list[str]:
        letters = "".join(map(letter_of, text))
        words = [(match.start(), text[match.start() : match.end()]) for match in WORD.finditer(letters)]
        between, last = [], 0
        for start, word in [*words, (len(text), "")]:
            between += [(last, part) for part in text[last:start].split()]
            last = start + len(word)
        return [token for _, token in sorted(words + between)]

    differing: dict[str, list[tuple[int, bool]]] = {name: [] for name in RULES}
    for row, text in enumerate(texts):
        given[:] = split_into_words(text, "en")
        document = Document(text, str(row))
        for name in RULES:
            theirs = peer_breaks(name, document)
            if theirs != own[name][row]:
                differing[name].append((row, theirs))
    result = {}
    for name, rows in differing.items():
        classes: dict[str, dict[str, Any]] = {}
        for row, theirs in rows:
            text = texts[row]
            repeats = RULES[name][0] == "repetition"
            given[:] = [word for word, _, _ in slow_words(text)] if repeats else own_tokens(text)
            same_words = peer_breaks(name, Document(text, str(row)))
            who = "only datatrove drops" if theirs else "only massivetext drops"
            kind = f"{'words' if same_words == own[name][row] else 'formula'}, {who}"
            entry = classes.setdefault(kind, {"documents": 0, "examples": []})
            entry["documents"] += 1
            if len(entry["examples"]) < SHOWN:
                entry["examples"].append(text[:160])
        result[name] = {
            "agree_fraction": round(1 - len(rows) / len(texts), 5),
            "dropped_by_massivetext": int(own[name].sum()),
            "dropped_by_datatrove": int(own[name].sum()) + sum(1 if theirs else -1 for _, theirs in rows),
            "differ": len(rows),
            **({"classes": classes} if classes else {}),
        }
    return result


def slow_twin(texts: list[str]) -> dict[str, int]:
    """Return the number of documents for which kernels and plain Python code name the same first broken rule."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from text.test_statistics import slow_statistics
    from text.test_words import slow_repetition

    fast = [decide_by_limits(LIMITS, measured(array)[0], len(array)).reason.to_pylist() for array in batches_of(texts)]
    equal = 0
    for text, reason in zip(texts, (reason for part in fast for reason in part)):
        columns = {f"statistics__{name}": [value] for name, value in slow_statistics(text).items()}
        columns |= {f"ngrams__{name}": [value] for name, value in slow_repetition(text).items()}
        batch = pa.RecordBatch.from_pydict({"text": [text], **columns})
        values = GopherQuality().measured(batch) | GopherRepetition().measured(batch)
        equal += decide_by_limits(LIMITS, values, 1).reason.to_pylist() == [reason]
    return {"documents": len(texts), "equal": equal, "rules": len(REPETITIONS) + len(QualitySettings.model_fields) + 3}


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--megabytes", type=float, default=2, help="how much text is raced")
    parser.add_argument("--agreement-megabytes", type=float, default=0, help="how much is compared; 0 is all")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/corpus_peers.json")
    options = parser.parse_args()
    require_packages("datatrove", "spacy", "rensa")
    raced = real_texts(options.data, int(options.megabytes * 1e6))
    compared = real_texts(options.data, int(options.agreement_megabytes * 1e6))
    results: dict[str, Any] = {"benchmark": "corpus_peers", "machine": describe_machine()}
    for name, work, texts in (
        ("speed", speed, raced), ("minhash", minhash_speed, raced),
        ("slow_twin", slow_twin, compared), ("agreement", agreement, compared),
    ):  # fmt: skip
        size = sum(len(text.encode()) for text in texts)
        results[name] = {"documents": len(texts), "bytes": size, **({} if name == "agreement" else work(texts))}
        if name == "agreement":
            results[name] |= {"explained": EXPLAINED, "rules": work(texts)}
        print(name, json.dumps(results[name], indent=1, ensure_ascii=False), flush=True)
    write_json(options.out, results)


if __name__ == "__main__":
    main()
