"""Write the table of measured numbers in the README from benchmarks/results; `--check` only says if it is old."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

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
            ratios = {name: part[mode][work]["ratio"] for name, part in found["families"].items() if mode in part}
            if ratios:
                worst = min(ratios, key=lambda name: ratios[name])
                text = f"median {median(ratios.values()):.2f} x transformers; worst `{worst}` {ratios[worst]:.2f} x"
                verdict = reached(ratios[worst] >= 1)
                rows.append((f"{words} of {len(ratios)} families, {mode}, equal outputs", text, "all ≥ 1 x", verdict))
    return rows


def quickstart_rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows on the quickstart."""
    own, xz = found["bits_per_byte"]["total"], found["xz_bits_per_byte"]["total"]
    ngram = found["ngram_bits_per_byte"]["total"]
    seconds, memory = found["elapsed_seconds"], found["peak_memory_bytes"]
    saved = 100 * (1 - own / xz)
    corpus = found["corpus_digest"][:12]
    return [
        (
            f"quickstart, bits per byte (corpus {corpus})",
            f"{own:.3f}; xz -9e {xz:.3f}; n-gram model {ngram:.3f}",
            "below xz, aim 8 %",
            f"{saved:.1f} % below xz" if saved > 0 else f"**missed**, {-saved:.1f} % above xz",
        ),
        ("quickstart, time", f"{seconds:.0f} s", "≤ 360 s", reached(seconds <= 360)),
        ("quickstart, peak memory", f"{memory / 1e9:.2f} GB", "≤ 3 GB", reached(memory <= 3e9)),
    ]


TABLES: dict[str, Callable[[dict[str, Any]], list[Row]]] = {
    "quickstart": quickstart_rows,
    "startup": startup_rows,
    "corpus": corpus_rows,
    "tokenising": tokenising_rows,
    "training": training_rows,
    "generation": generation_rows,
    "models": model_rows,
}


def table() -> str:
    """Return the table in Markdown."""
    lines = ["| what | measured | target | |", "|---|---|---|---|"]
    for name, rows in TABLES.items():
        path = RESULTS / f"{name}.json"
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            lines += [f"| {' | '.join(row)} |" for row in rows(found)]
    return "\n".join(lines)


def main() -> int:
    """Rewrite the README, or with --check say whether it is up to date."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    fresh = f"{head}{BEGIN}\n{table()}\n{END}{tail}"
    if "--check" in sys.argv:
        return int(fresh != text)
    readme.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
