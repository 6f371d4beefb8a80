"""Write the measured numbers into both READMEs and docs/benchmarks.md from benchmarks/results.

The README gets eight rows, the Chinese one a sentence, docs/benchmarks.md the whole table. With `--check` nothing is
written; the exit status says whether all are up to date.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from massivetext.metrics.score import MODEL, Score
from massivetext.metrics.tables import Table, tables

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BEGIN = "<!-- measured: written by scripts/readme_table.py from benchmarks/results -->"
END = "<!-- end of measured -->"

Row = tuple[str, str, str, str]


def reached(holds: bool) -> str:
    """Return the word for a target."""
    return "reached" if holds else "**missed**"


def startup_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows on start-up."""
    imported, total = found["beyond_bare_seconds"]["import_massivetext"], found["median_seconds"]["massivetext_help"]
    peer = found["beyond_bare_seconds"]["import_transformers_classes"]
    own = found["beyond_bare_seconds"]["import_massivetext_classes"]
    return [
        ("`import massivetext` beyond a bare interpreter", f"{imported:.3f} s", "< 0.15 s", reached(imported < 0.15)),
        ("`massivetext --help`", f"{total:.2f} s", "< 0.3 s", reached(total < 0.3)),
        (
            "importing a model and a tokenizer class",
            f"{own:.1f} s; transformers {peer:.1f} s",
            "",
            f"{peer / own:.1f} x",
        ),
    ]


def corpus_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows on the corpus stage."""
    rows = []
    for language in ("english", "chinese"):
        part = found[language]
        chain = part["steps"]["chain_mb_per_second"]
        ratio = chain / part["plain_python_mb_per_second"]
        build = part["build"]["file"]["mb_per_core_second"]
        name = language.capitalize()
        rows += [
            (
                f"{name}: counts and rules on Arrow batches, one core",
                f"{chain:.0f} MB/s; plain Python {part['plain_python_mb_per_second']:.1f} MB/s",
                "≥ 20 MB/s",
                f"{reached(chain >= 20)}, {ratio:.0f} x",
            ),
            (
                f"{name}: the same with Gopher's repetition rules",
                f"{part['steps']['chain_with_repetition_mb_per_second']:.0f} MB/s",
                "",
                "",
            ),
            (
                f"{name}: text files to Parquet corpus, all included",
                f"{build:.0f} MB per core second",
                "≥ 20 MB/s a core",
                reached(build >= 20),
            ),
        ]
    return rows


FILTERS = {
    "english_filters": ("English", 20),
    "chinese_filters_by_characters": ("Chinese by characters", 20),
    "chinese_filters_by_words": ("Chinese by a segmenter's words", 4),
}


def filter_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows on all filters together, and on the way from packed JSON lines to a corpus."""
    rows = []
    for name, (title, target) in FILTERS.items():
        if name not in found:
            continue
        rate = found[name]["filters"]["all_mb_per_second"]
        whole = found[name]["archive"]["mb_per_core_second"]
        what = f"{title}: language, Gopher, C4, FineWeb, PII, MinHash-112, one core"
        rows.append((what, f"{rate:.1f} MB/s", f"≥ {target} MB/s", reached(rate >= target)))
        what = f"{title}: the same from .jsonl.zst to Parquet, near-duplicates dropped"
        wanted = "" if target < 20 else "≥ 12 MB/s a core"
        rows.append((what, f"{whole:.1f} MB per core second", wanted, reached(whole >= 12) if wanted else ""))
    return rows


def peer_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows beside datatrove and rensa."""
    speed, minhash, twin = found["speed"], found["minhash"], found["slow_twin"]
    own, peer = speed["mb_per_second"]["massivetext"], speed["mb_per_second"]["datatrove_defaults"]
    ratio, best = speed["ratio_to_defaults"], speed["ratio_to_best_settings"]
    rules = found["agreement"]["rules"]
    least, mean = min(rules.values(), key=by_agreement), sum(map(by_agreement, rules.values())) / len(rules)
    name = next(name for name, rule in rules.items() if rule is least)
    text = f"{own:.0f} MB/s; datatrove {peer:.2f}"
    verdict = f"{reached(ratio >= 300 and own >= 25)}, {ratio:.0f} x (its best settings {best:.0f} x)"
    signed = minhash["mb_per_second"]
    return [
        ("Gopher quality and repetition, MinHash-112, one core", text, "≥ 300 x, ≥ 25 MB/s", verdict),
        (
            "MinHash-112 of word 5-grams alone",
            f"{signed['massivetext']:.0f} MB/s; rensa {signed['rensa_5_grams']:.0f}",
            "",
            f"{minhash['ratio_to_5_grams']:.1f} x (rensa on bare words {minhash['ratio_to_words']:.1f} x)",
        ),
        (
            "decisions equal to the slow twin's",
            f"{twin['equal']:,} of {twin['documents']:,} documents",
            "all",
            reached(twin["equal"] == twin["documents"]),
        ),
        (
            f"decisions equal to datatrove's, mean of {len(rules)} rules",
            f"{100 * mean:.1f} %; least {100 * by_agreement(least):.1f} % ({name})",
            "each class explained",
            "in the JSON",
        ),
    ]


def by_agreement(rule: dict[str, Any]) -> float:
    """Return the part of the documents on which a rule and datatrove's agree."""
    return float(rule["agree_fraction"])


def deduplication_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows on near-duplicates."""
    rows = []
    for language in ("english", "chinese"):
        part = found[language]["after_verification"]
        recall, precision = part["recall"], part["precision"]
        what = f"near-duplicates, {language}, {found[language]['documents']:,} documents beside brute force"
        text = f"recall {recall:.3f}, precision {precision:.3f}"
        rows.append((what, text, "≥ 0.95, 1.0", reached(recall >= 0.95 and precision == 1.0)))
    if "generated" in found:
        part = found["generated"]
        memory = part["peak_memory_bytes"] / 1e9
        what = f"{part['documents']:,} short documents deduplicated, peak memory"
        text = f"{memory:.2f} GB, {part['seconds']:.0f} s"
        full = part["documents"] >= 1_000_000
        rows.append((what, text, "< 2 GB for 1,000,000", reached(memory < 2) if full else "in part"))
    return rows


def large_rows(found: dict[str, Any]) -> list[Row]:
    """Return the row on a large corpus."""
    memory, size = found["peak_memory_bytes"] / 1e9, found["bytes"] / 1e9
    text = f"{memory:.2f} GB, {found['mb_per_second']:.1f} MB/s"
    verdict = reached(memory < 2) if size >= 5 else "in part"
    return [(f"{size:.1f} GB generated corpus, peak memory", text, "< 2 GB for 5 GB", verdict)]


def extraction_rows(found: dict[str, Any]) -> list[Row]:
    """Return the row on main text."""
    english, chinese = found["extractors"]["english"], found["extractors"]["chinese"]
    name = next(name for name in english if "step" in name)
    value, peer = english[name]["f1"], found["published"]["readability"]["f1"]
    text = f"F1 {value:.3f}, the same pages in Chinese {chinese[name]['f1']:.3f}; readability {peer:.3f}"
    return [(f"main text of {found['pages']} gold pages", text, "≥ 0.94", reached(value >= 0.94))]


def pii_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows on personal data."""
    kinds = ("card", "iban", "email", "ip")
    values = {name: found["types"][name]["f1"] for name in (*kinds, "phone")}
    text = ", ".join(f"{name} {values[name]:.3f}" for name in kinds)
    identity, keys = found["resident_id"], found["secret_generated"]["f1"]
    right = identity["valid_found"] == identity["generated"] and not identity["broken_found"]
    return [
        ("personal data, F1", text, "≥ 0.95", reached(min(values[name] for name in kinds) >= 0.95)),
        (
            "telephone numbers, F1 (patterns completed on these texts)",
            f"{values['phone']:.3f}",
            "reported separately",
            "",
        ),
        ("keys and tokens, F1 on generated ones", f"{keys:.3f}", "", ""),
        (
            "Chinese identity numbers, generated",
            f"{identity['valid_found']:,} of {identity['generated']:,} valid, {identity['broken_found']} broken ones",
            "exactly",
            reached(right),
        ),
    ]


def language_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows on language identification."""
    english, chinese = (found["tatoeba"][name]["right_fraction"] for name in ("english", "chinese"))
    japanese = found["japanese_told_chinese"]
    return [
        (
            "language of Tatoeba's lines of 20 characters or more",
            f"English {english:.4f}, Chinese {chinese:.4f}",
            "≥ 0.98",
            reached(min(english, chinese) >= 0.98),
        ),
        ("Japanese text classified as Chinese", f"{japanese} of {found['japanese']}", "none", reached(not japanese)),
    ]


def decontamination_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows on planted benchmark items."""
    rows = []
    for language in ("english", "chinese"):
        exact, changed = found[language]["exact"], found[language]["tenth_edited"]
        lengths = changed["by_length"]
        long = min(entry["recall"] for name, entry in lengths.items() if int(name.split()[0]) >= 30)
        precision = min(exact["precision"], changed["precision"])
        text = f"exact {exact['recall']:.3f}; a tenth edited, from 30 words {long:.3f}; precision {precision:.3f}"
        right = exact["recall"] == 1 and long >= 0.9 and precision >= 0.95
        rows.append((f"planted benchmark items, {language}, recall", text, "1.0; ≥ 0.9; ≥ 0.95", reached(right)))
    return rows


def tokenising_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows on building a token store."""
    rows = []
    for name, part in found["corpora"].items():
        ratio = part["ratios"]["store_over_single_core_second"]
        batch = part["ratios"]["store_over_batch_core_second"]
        own = part["medians"]["store"]["megabytes_per_core_second"]
        peer = part["medians"]["single"]["megabytes_per_core_second"]
        text = f"{own:.0f} MB/s a core; `tokenizers` {peer:.1f}"
        target = "≥ 40 x" if name == "code" else ""
        verdict = f"{reached(ratio >= 40)}, {ratio:.0f} x" if target else f"{ratio:.0f} x"
        rows.append((f"{name}: corpus to token store", text, target, f"{verdict} (its batch mode {batch:.0f} x)"))
    return rows


def training_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows on training."""
    rows = []
    for family, part in found["shapes"].items():
        speeds, best = part["tokens_per_second"], part["ratio_to_best"]
        ratio, used = part["ratio_to_defaults"], part["utilisation_fraction"]["massivetext"]
        names = ("massivetext", "transformers_defaults", "transformers_compiled")
        own, peer, compiled = (speeds[name] for name in names)
        shape = f"training, {part['parameters'] / 1e6:.1f} M `{family}`, equal losses"
        text = f"{own:,.0f} tokens/s; transformers.Trainer {peer:,.0f}, compiled {compiled:,.0f}"
        rows += [
            (shape, text, "≥ 1.3 x", f"{reached(ratio >= 1.3)}, {ratio:.2f} x (compiled {best:.2f} x)"),
            ("matmul utilisation of that training", f"{100 * used:.0f} %", "≥ 75 %", reached(used >= 0.75)),
        ]
    return rows


def generation_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows on greedy decoding."""
    rows = []
    for part in found["results"]:
        text = f"{part['tokens_per_second']:,.0f} tokens/s; transformers {part['peer_tokens_per_second']:,.0f}"
        what = f"greedy decoding, small `{part['family']}`, batch {part['batch']}, equal ids"
        rows.append((what, text, "≥ 5 x", f"{reached(part['ratio'] >= 5)}, {part['ratio']:.1f} x"))
    return rows


def model_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows on forward and backward of every family, against transformers with the same weights."""
    rows = []
    for work, words in (("forward", "forward"), ("forward_backward", "forward and backward")):
        for mode in ("eager", "compiled"):
            measured = {name: part[mode][work] for name, part in found["families"].items() if mode in part}
            if measured:
                ratios = {name: part["ratio"] for name, part in measured.items()}
                worst = min(ratios, key=lambda name: ratios[name])
                text = f"median {median(ratios.values()):.2f} x transformers; worst `{worst}` {ratios[worst]:.2f} x"
                busy = [part["ratio_by_processor_time"] for part in measured.values()]
                text += f"; by processor time {median(busy):.2f} x, {min(busy):.2f} x"
                verdict = reached(ratios[worst] >= 1)
                rows.append((f"{words} of {len(ratios)} families, {mode}, equal outputs", text, "all ≥ 1 x", verdict))
    return rows


def main_table(found: dict[str, Any]) -> Table:
    """Return the table of a run's main metric, from what `massivetext run --json` printed."""
    return tables(Score(**row) for row in found["scores"])[0]


def quickstart_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows on the quickstart."""
    table = main_table(found)
    own, xz, ngram = (table.systems[name][""].value for name in (MODEL, "xz", "ngram"))
    seconds, memory = found["elapsed_seconds"], found["peak_memory_bytes"]
    saved, write = 100 * (1 - own / xz), table.metric.write
    corpus = found["corpus_digest"][:12]
    return [
        (
            f"quickstart, {table.metric.label} (corpus {corpus})",
            f"{write(own)}; xz -9e {write(xz)}; n-gram model {write(ngram)}",
            "below xz, aim 8 %",
            f"{saved:.1f} % below xz" if saved > 0 else f"**missed**, {-saved:.1f} % above xz",
        ),
        ("quickstart, time", f"{seconds:.0f} s", "≤ 360 s", reached(seconds <= 360)),
        ("quickstart, peak memory", f"{memory / 1e9:.2f} GB", "≤ 3 GB", reached(memory <= 3e9)),
    ]


TABLES: dict[str, Callable[[dict[str, Any]], list[Row]]] = {
    "quickstart": quickstart_rows,
    "startup": startup_rows,
    "corpus": lambda found: corpus_rows(found) + filter_rows(found),
    "corpus_peers": peer_rows,
    "deduplication": deduplication_rows,
    "large_corpus": large_rows,
    "extraction": extraction_rows,
    "pii": pii_rows,
    "language": language_rows,
    "decontamination": decontamination_rows,
    "tokenising": tokenising_rows,
    "training": training_rows,
    "generation": generation_rows,
    "models": model_rows,
}


def highlights() -> list[tuple[str, str, str]]:
    """Return the README's eight rows: what was measured, the number, and what to compare it with."""
    found = {name: json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in TABLES}
    quick = found["quickstart"]
    own, xz, ngram = (main_table(quick).systems[name][""].value for name in (MODEL, "xz", "ngram"))
    side = "below" if own < xz else "above"
    peers, speed = found["corpus_peers"]["speed"], found["corpus_peers"]["speed"]["mb_per_second"]
    code, large = found["tokenising"]["corpora"]["code"], found["large_corpus"]
    llama = found["training"]["shapes"]["llama"]
    trained = llama["tokens_per_second"]
    decoded = next(part for part in found["generation"]["results"] if part["family"] == "llama" and part["batch"] == 1)
    return [
        (
            "Quickstart, bits per byte on unseen text (lower is better)",
            f"{own:.3f}",
            f"{abs(1 - own / xz):.0%} {side} `xz -9e` ({xz:.3f}); the n-gram model reaches {ngram:.3f}",
        ),
        (
            "Quickstart, raw text to model and report",
            f"{quick['elapsed_seconds']:.0f} s",
            f"two CPU cores, {quick['peak_memory_bytes'] / 1e9:.1f} GB of memory",
        ),
        (
            "Gopher rules and MinHash on English text, one core",
            f"{speed['massivetext']:.0f} MB/s",
            f"{peers['ratio_to_defaults']:.0f}x datatrove's defaults, {peers['ratio_to_best_settings']:.0f}x its best "
            "settings",
        ),
        (
            "All filters and near-deduplication, `.jsonl.zst` to Parquet",
            f"{found['corpus']['english_filters']['archive']['mb_per_core_second']:.1f} MB per core-second",
            f"Chinese: {found['corpus']['chinese_filters_by_characters']['archive']['mb_per_core_second']:.1f}",
        ),
        (
            "Deduplicating a generated corpus",
            f"{large['peak_memory_bytes'] / 1e9:.2f} GB of memory",
            f"corpus of {large['bytes'] / 1e9:.0f} GB",
        ),
        (
            "Encoding Python code into the token store, one core",
            f"{code['medians']['store']['megabytes_per_core_second']:.0f} MB/s",
            f"{code['ratios']['store_over_single_core_second']:.0f}x the `tokenizers` library",
        ),
        (
            f"Training a {llama['parameters'] / 1e6:.1f} M Llama on two CPU cores",
            f"{trained['massivetext']:,.0f} tokens/s",
            f"{llama['ratio_to_defaults']:.2f}x `transformers.Trainer`, {llama['ratio_to_best']:.2f}x when that is "
            "compiled",
        ),
        (
            "Greedy decoding with a small Llama, batch 1",
            f"{decoded['tokens_per_second']:,.0f} tokens/s",
            f"{decoded['ratio']:.1f}x `transformers`, same tokens",
        ),
    ]


def short_table() -> str:
    """Return the README's table in Markdown."""
    lines = ["| what | measured | compared with |", "|---|---|---|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in highlights()])


def table() -> str:
    """Return the table in Markdown."""
    lines = ["| what | measured | target | |", "|---|---|---|---|"]
    for name, rows in TABLES.items():
        path = RESULTS / f"{name}.json"
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            lines += [f"| {' | '.join(row)} |" for row in rows(found)]
    return "\n".join(lines)


def chinese_summary() -> str:
    """Return the sentence of measured numbers in the Chinese README."""
    found = json.loads((RESULTS / "quickstart.json").read_text(encoding="utf-8"))
    own, xz, ngram = (main_table(found).systems[name][""].value for name in (MODEL, "xz", "ngram"))
    return (
        f"两个共享的 CPU 核，没有 GPU：quickstart 用时 {found['elapsed_seconds']:.0f} 秒，测试文本每字节 {own:.3f} 比特"
        f"（越低越好；`xz -9e` 为 {xz:.3f}，n 元语法模型为 {ngram:.3f}）。"
    )


def main() -> int:
    """Rewrite the tables, or with --check say whether they are up to date."""
    old = False
    pages = {"README.md": short_table, "README.zh-CN.md": chinese_summary, "docs/benchmarks.md": table}
    for name, content in pages.items():
        page = ROOT / name
        text = page.read_text(encoding="utf-8")
        head, rest = text.split(BEGIN)
        _, tail = rest.split(END)
        fresh = f"{head}{BEGIN}\n{content()}\n{END}{tail}"
        old = old or fresh != text
        if "--check" not in sys.argv:
            page.write_text(fresh, encoding="utf-8")
    return int(old and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
