"""Reading lists of scores: by system, metric and source."""

from massivetext.metrics.score import Score

PEERS = {
    "bits_per_byte": "model",
    "ngram_bits_per_byte": "ngram",
    "xz_primed_bits_per_byte": "xz_primed",
    "xz_bits_per_byte": "xz",
    "gzip_bits_per_byte": "gzip",
}


def by_part(scores, metric, system="model", field="value"):
    """Return one field of the scores of a system under a metric, by part; the whole task is "total"."""
    chosen = [one if isinstance(one, Score) else Score(**one) for one in scores]
    return {one.part or "total": getattr(one, field) for one in chosen if one.metric == metric and one.system == system}


def named_values(scores):
    """Return the values of a run's scores as mappings from source to number, under one name for each system."""
    found = {name: by_part(scores, "bits_per_byte", system) for name, system in PEERS.items()}
    return {
        **found,
        "perplexity": by_part(scores, "perplexity"),
        "bytes": by_part(scores, "bits_per_byte", field="items"),
        "tokens": by_part(scores, "perplexity", field="items"),
    }
