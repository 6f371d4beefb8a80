"""The mixture of the Pile: its 22 components with their sizes and epochs.

L. Gao et al., "The Pile: An 800GB Dataset of Diverse Text for Language Modeling", arXiv:2101.00027, table 1. Weights
and effective sizes are not stored because they follow from sizes and epochs.
"""

from typing import NamedTuple


class Component(NamedTuple):
    """Hold one row of the table."""

    name: str
    """The name in the records' `meta.pile_set_name`."""
    raw_gib: float
    """Size of the UTF-8 text in GiB."""
    epochs: float


PILE = (
    Component("Pile-CC", 227.12, 1.0),
    Component("PubMed Central", 90.27, 2.0),
    Component("Books3", 100.96, 1.5),
    Component("OpenWebText2", 62.77, 2.0),
    Component("ArXiv", 56.21, 2.0),
    Component("Github", 95.16, 1.0),
    Component("FreeLaw", 51.15, 1.5),
    Component("StackExchange", 32.20, 2.0),
    Component("USPTO Backgrounds", 22.90, 2.0),
    Component("PubMed Abstracts", 19.26, 2.0),
    Component("Gutenberg (PG-19)", 10.88, 2.5),
    Component("OpenSubtitles", 12.98, 1.5),
    Component("Wikipedia (en)", 6.38, 3.0),
    Component("DM Mathematics", 7.75, 2.0),
    Component("Ubuntu IRC", 5.52, 2.0),
    Component("BookCorpus2", 6.30, 1.5),
    Component("EuroParl", 4.59, 2.0),
    Component("HackerNews", 3.90, 2.0),
    Component("YoutubeSubtitles", 3.73, 2.0),
    Component("PhilPapers", 2.38, 2.0),
    Component("NIH ExPorter", 1.89, 2.0),
    Component("Enron Emails", 0.88, 2.0),
)


def plain(name: str) -> str:
    """Return a name in lower case with only letters and digits, for matching sources such as `pubmed_central`."""
    return "".join(character for character in name.lower() if character.isalnum())


PILE_EPOCHS = {plain(component.name): component.epochs for component in PILE}
"""The epochs of each component by its plain name."""


def pile_sizes() -> dict[str, int]:
    """Return the size of each component in bytes, by its name."""
    return {component.name: round(component.raw_gib * 2**30) for component in PILE}
