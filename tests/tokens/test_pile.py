"""The preset `pile` reproduces the Pile's table 1, and a mixture is shown before anything is read."""

import pytest

from massivetext.errors import ConfigError
from massivetext.tokens.mixture import planned_shares
from massivetext.tokens.pile import PILE
from massivetext.tokens.settings import MixtureSettings

GIB = 2**30
PUBLISHED = {
    "Pile-CC": (18.11, 227.12), "PubMed Central": (14.40, 180.55), "Books3": (12.07, 151.44),
    "OpenWebText2": (10.01, 125.54), "ArXiv": (8.96, 112.42), "Github": (7.59, 95.16), "FreeLaw": (6.12, 76.73),
    "StackExchange": (5.13, 64.39), "USPTO Backgrounds": (3.65, 45.81), "PubMed Abstracts": (3.07, 38.53),
    "Gutenberg (PG-19)": (2.17, 27.19), "OpenSubtitles": (1.55, 19.47), "Wikipedia (en)": (1.53, 19.13),
    "DM Mathematics": (1.24, 15.49), "Ubuntu IRC": (0.88, 11.03), "BookCorpus2": (0.75, 9.45), "EuroParl": (0.73, 9.17),
    "HackerNews": (0.62, 7.80), "YoutubeSubtitles": (0.60, 7.47), "PhilPapers": (0.38, 4.76),
    "NIH ExPorter": (0.30, 3.79), "Enron Emails": (0.14, 1.76),
}  # fmt: skip
"""Weight in percent and effective size in GiB, as printed."""


def test_the_pile_s_weights_and_effective_sizes_follow_from_sizes_and_epochs() -> None:
    sizes = {component.name: round(component.raw_gib * GIB) for component in PILE}
    shares = planned_shares(MixtureSettings(preset="pile"), sizes, 0.29335)
    assert len(shares) == 22
    for share in shares:
        weight, effective = PUBLISHED[share.source]
        # Table 1 was computed from sizes with more digits than it prints.
        assert abs(100 * share.weight - weight) <= 0.0101
        assert abs(share.effective_bytes / GIB - effective) <= 0.0201
    assert sum(share.weight for share in shares) == pytest.approx(1)
    assert abs(sum(share.effective_bytes for share in shares) / GIB - 1254.20) < 0.1
    assert sum(share.effective_tokens for share in shares) == pytest.approx(0.29335 * 1254.2 * GIB, rel=1e-4)


def test_sources_are_matched_with_components_whatever_their_marks() -> None:
    found = MixtureSettings(preset="pile").for_sources(["pubmed_central", "Gutenberg-PG-19"])
    assert found.epochs == {"pubmed_central": 2.0, "Gutenberg-PG-19": 2.5}


def test_a_source_that_is_no_component_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="'ArXivv'; did you mean 'ArXiv'"):
        MixtureSettings(preset="pile").for_sources(["ArXivv"])


def test_a_preset_beside_weights_is_refused() -> None:
    with pytest.raises(ConfigError, match="both weights and preset"):
        MixtureSettings.parse({"preset": "pile", "weights": {"ArXiv": 1}}, "mixture")


@pytest.mark.parametrize(
    ("mixture", "expected"),
    [
        ({}, {"a": (0.75, 1.0, 300), "b": (0.25, 1.0, 100)}),
        ({"epochs": {"a": 0.5, "b": 2.5}}, {"b": (0.625, 2.5, 250), "a": (0.375, 0.5, 150)}),
        ({"weights": {"a": 1, "b": 3}}, {"b": (0.75, 3.0, 300), "a": (0.25, 1 / 3, 100)}),
        ({"weights": {"b": 3}}, {"b": (1.0, 1.0, 100)}),
    ],
)
def test_shares_of_sizes_epochs_and_weights(mixture: dict, expected: dict) -> None:
    shares = planned_shares(MixtureSettings(**mixture), {"a": 300, "b": 100}, 0.5)
    assert {s.source: (s.weight, s.epochs, s.effective_bytes) for s in shares} == expected
    assert [s.source for s in shares] == list(expected)
    assert all(s.effective_tokens == round(s.effective_bytes / 2) for s in shares)


@pytest.mark.parametrize(
    ("mixture", "sizes", "message"),
    [
        ({"weights": {"c": 1}}, {"a": 1}, "unknown source in the mixture: 'c'"),
        ({"epochs": {"a": 1}}, {"a": 0}, "a, which has no text"),
    ],
)
def test_what_cannot_be_mixed_is_said(mixture: dict, sizes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        planned_shares(MixtureSettings(**mixture), sizes, 0.3)
