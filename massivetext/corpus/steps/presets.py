"""Presets: lists of steps under one name, such as `fineweb`, for the published pipelines with their limits."""

from collections.abc import Mapping
from typing import Any

PRESETS: dict[str, tuple[tuple[str, Mapping[str, Any]], ...]] = {
    "gopher": (("gopher_quality", {}), ("gopher_repetition", {})),
    "c4": (("c4_lines", {}), ("c4_pages", {})),
    "fineweb": (
        ("gopher_repetition", {}),
        ("gopher_quality", {}),
        ("c4_lines", {"ended": False}),
        ("c4_pages", {}),
        ("fineweb_quality", {}),
    ),
    "fineweb2-zh": (
        (
            "gopher_repetition",
            {
                "words": "jieba",
                "max_duplicate_line_fraction": 0.287,
                "max_duplicate_paragraph_fraction": None,
                "max_duplicate_line_character_fraction": None,
                "max_duplicate_paragraph_character_fraction": None,
                "max_top_2_gram_character_fraction": 0.256,
                "max_top_3_gram_character_fraction": 0.201,
                "max_top_4_gram_character_fraction": 0.171,
                "max_duplicate_5_gram_character_fraction": 0.198,
                "max_duplicate_6_gram_character_fraction": 0.182,
                "max_duplicate_7_gram_character_fraction": 0.167,
                "max_duplicate_8_gram_character_fraction": 0.154,
                "max_duplicate_9_gram_character_fraction": 0.140,
                "max_duplicate_10_gram_character_fraction": 0.127,
            },
        ),
        (
            "gopher_quality",
            {
                "words": "jieba",
                "min_mean_word_characters": 1,
                "max_mean_word_characters": 5,
                "min_alphabetic_word_fraction": 0.735,
            },
        ),
        (
            "fineweb_quality",
            {
                "words": "jieba",
                "min_ended_line_fraction": 0.106,
                "max_short_line_fraction": None,
                "max_duplicate_line_character_fraction": 0.1,
                "max_line_feeds_per_word": 0.178,
            },
        ),
    ),
    "map-neo-zh": (("map_neo_quality", {}),),
    "chinesewebtext": (("chinesewebtext_quality", {}),),
    "code": (("code_quality", {}),),
}
"""Lists of steps under one name. In a recipe, write `fineweb`, or change limits of some of its steps:
`{fineweb: {gopher_quality: {min_words: 20}}}`. The modules of the steps define what is counted and name the sources.

fineweb: the order of FineWeb's published pipeline after language identification; C4 without the rule that lines end
like sentences. fineweb2-zh: the limits of FineWeb-2 for Chinese in Han script (cmn_Hani), fitted on the words of jieba.
"""
