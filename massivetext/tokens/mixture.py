"""The shares of the sources in training under a mixture, in bytes, tokens and rows."""

from collections.abc import Mapping
from fractions import Fraction
from math import floor, gcd, lcm
from typing import Any, NamedTuple

from massivetext.corpus.inspecting import table
from massivetext.errors import ConfigError, unknown_name
from massivetext.tokens.settings import MixtureSettings
from massivetext.translations import tr

# Maximum period of the schedule; shares with a larger common denominator are rounded to it.
LONGEST_PERIOD_ROWS = 2**22


class Share(NamedTuple):
    """Hold the share of one source in a mixture."""

    source: str
    bytes: int
    """Size of the source in bytes."""
    weight: float
    """The source's fraction of the training text."""
    epochs: float
    """How many times one pass reads the source; with weights, a pass is as long as all trained sources together."""
    effective_bytes: int
    """Bytes of the source's text that one pass trains on."""
    effective_tokens: int


def planned_shares(mixture: MixtureSettings, sizes: Mapping[str, int], tokens_per_byte: float) -> list[Share]:
    """Return the shares of sources of these sizes (bytes) in a mixture, largest weight first, without reading any text.

    tokens_per_byte: ratio of the tokenizer, assumed to be the same for all sources. In training, weights are shares of
    tokens, so the shares of sources with other ratios will differ slightly. Raises ConfigError for an unknown source
    and for a source without text.
    """
    epochs = epochs_of(mixture, sizes)
    total = sum(sizes[name] * epochs[name] for name in epochs)
    shares = []
    for name, times in epochs.items():
        effective = sizes[name] * times
        tokens = round(effective * Fraction(repr(tokens_per_byte)))
        shares.append(Share(name, sizes[name], float(effective / total), float(times), round(effective), tokens))
    return sorted(shares, key=lambda share: (-share.weight, share.source))


def dry_run(mixture: MixtureSettings, sizes: Mapping[str, int], tokens_per_byte: float) -> dict[str, Any]:
    """Return `planned_shares` as JSON values, with the totals.

    sizes: bytes of the text, or of the files on disk if nothing was read yet (compressed files contain more text).
    """
    shares = planned_shares(mixture, sizes, tokens_per_byte)
    totals = {
        name: sum(getattr(share, name) for share in shares) for name in ("bytes", "effective_bytes", "effective_tokens")
    }
    return {"tokens_per_byte": tokens_per_byte, "sources": [share._asdict() for share in shares], "total": totals}


def mixture_text(values: dict[str, Any]) -> str:
    """Return the result of `dry_run` as a table for a terminal."""
    rows = [[tr("source"), "MB", tr("weight %"), tr("epochs"), tr("effective MB"), tr("effective tokens")]]
    for share in values["sources"]:
        rows.append([share["source"], f"{share['bytes'] / 1e6:,.2f}", f"{100 * share['weight']:.2f}",
                     f"{share['epochs']:.2f}", f"{share['effective_bytes'] / 1e6:,.2f}",
                     f"{share['effective_tokens']:,}"])  # fmt: skip
    total = values["total"]
    rows.append([tr("total"), f"{total['bytes'] / 1e6:,.2f}", "100.00", "", f"{total['effective_bytes'] / 1e6:,.2f}",
                 f"{total['effective_tokens']:,}"])  # fmt: skip
    return "\n".join(table(rows))


def epochs_of(mixture: MixtureSettings, sizes: Mapping[str, int]) -> dict[str, Fraction]:
    """Return the number of times one pass goes through each trained source; raise ConfigError as `planned_shares`."""
    mixture = mixture.for_sources(sizes)
    given = mixture.exact()
    for name in given:
        if name not in sizes:
            raise ConfigError(unknown_name("source in the mixture:", name, sizes))
    chosen = given or {name: Fraction(1) for name in sizes}
    empty = [name for name in chosen if sizes[name] == 0]
    if empty:
        raise ConfigError(f"the mixture names {', '.join(empty)}, which has no text; leave it out")
    if mixture.weights is None:
        return {name: chosen[name] for name in sizes if name in chosen}
    whole = sum(sizes[name] for name in chosen)
    return {name: chosen[name] / sum(chosen.values()) * whole / sizes[name] for name in sizes if name in chosen}


def rows_per_period(mixture: MixtureSettings, windows: Mapping[str, int]) -> dict[str, int]:
    """Return the number of rows of each trained source in one period of the schedule.

    windows: rows in one pass of each source of the store. Weights are shares of rows and so of tokens, because all rows
    have the same number of tokens. Without weights and epochs, the period is one pass over everything. Raises
    ConfigError for an unknown source and for a source without documents.
    """
    given = mixture.exact()
    for name in given:
        if name not in windows:
            raise ConfigError(unknown_name("source in the mixture:", name, windows))
    if mixture.epochs is not None:
        given = {name: given[name] * windows[name] for name in given}
    exact = {name: given[name] for name in windows if name in given} or {n: Fraction(w) for n, w in windows.items()}
    empty = [name for name in exact if windows[name] == 0]
    if empty:
        raise ConfigError(f"the mixture names {', '.join(empty)}, which has no documents in this split; leave it out")
    scale = lcm(*(share.denominator for share in exact.values()))
    whole = {name: int(share * scale) for name, share in exact.items()}
    common = gcd(*whole.values())
    whole = {name: share // common for name, share in whole.items()}
    return whole if sum(whole.values()) <= LONGEST_PERIOD_ROWS else _rounded(whole, LONGEST_PERIOD_ROWS)


def _rounded(shares: dict[str, int], total: int) -> dict[str, int]:
    """Return the shares scaled to a sum of `total` by largest remainder, each at least 1."""
    exact = {name: Fraction(share * total, sum(shares.values())) for name, share in shares.items()}
    scaled = {name: max(floor(share), 1) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (scaled[name] - exact[name], name))
    for name in by_remainder[: max(total - sum(scaled.values()), 0)]:
        scaled[name] += 1
    return scaled
