"""Repeated lines and paragraphs are taken out as brute force does it, however a corpus was built."""

import hashlib
import random
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_rows import dropped, kept, write_lines

from massivetext.corpus import planning
from massivetext.corpus.barrier import scratch
from massivetext.corpus.barrier.repeats import BLANK, SHORT, piece_keys
from massivetext.corpus.building import build_corpus
from massivetext.corpus.reading import load_corpus
from massivetext.corpus.removing import remove_documents
from massivetext.corpus.replaying import replay
from massivetext.errors import ConfigError
from massivetext.text.digests import word_digests
from massivetext.text.words import hash_words

LINES = {
    "en": "Line number {n} speaks of ships, of harbours and of people who went away",
    "zh": "第{n}行讲述远方的大海、船只和离开故乡的人们",
}


def build(sources, folder, memory_bytes=2**30, **settings):
    values = {name: settings.pop(name) for name in ("append", "threads") if name in settings}
    recipe = {
        "sources": sources,
        "steps": ["normalise", {"deduplicate": {"memory_bytes": memory_bytes, **settings}}],
        "split": {"validation": 0, "test": 0},
    }
    return build_corpus(recipe, folder, quiet=True, **values)


def texts_of(corpus):
    return [row["text"] for row in sorted(kept(corpus), key=lambda row: (row["source"], int(row["record"])))]


def pages(seed, language="en", documents=60):
    """Return texts of paragraphs of lines, many of which stand in several of them."""
    chance = random.Random(seed)
    found = []
    for _ in range(documents):
        paragraphs = []
        for _ in range(chance.randrange(1, 5)):
            lines = [LINES[language].format(n=chance.randrange(60)) for _ in range(chance.randrange(1, 4))]
            lines += [chance.choice(["Home", "首页", "  "])] if chance.random() < 0.3 else []
            paragraphs.append("\n".join(lines))
        found.append("\n\n".join(paragraphs))
    return found


def by_hand(texts, min_words=8, kinds=("paragraphs", "lines")):
    """Return what is left of the texts, in their order; the twin of `repeats`."""
    left = list(dict.fromkeys(texts))
    for kind in kinds:
        separator, seen = {"paragraphs": "\n\n", "lines": "\n"}[kind], set()
        for at, text in enumerate(left):
            parts = []
            for part in text.split(separator):
                words = len(hash_words(pa.array([part])).hashes)
                if words >= min_words and part.strip() in seen:
                    continue
                if words >= min_words:
                    seen.add(part.strip())
                parts.append(part)
            left[at] = separator.join(parts)
    return [text for text in left if text.strip()]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kinds", [("lines",), ("paragraphs",), ("paragraphs", "lines")])
def test_what_is_left_is_what_brute_force_leaves(tmp_path, language, kinds):
    texts = pages(1, language)
    corpus = build([write_lines(tmp_path / "in", texts)], tmp_path / "out", **{kind: {} for kind in kinds})
    expected = by_hand(texts, kinds=kinds)
    assert texts_of(corpus) == expected
    assert len("".join(expected)) < len("".join(set(texts)))


@pytest.mark.parametrize("seed", range(3))
def test_appending_gives_what_building_at_once_gives(tmp_path, seed):
    chance = random.Random(seed)
    texts = pages(seed, "en", 90) + pages(seed, "zh", 60)
    texts += [text.replace("went", "ran", 1) for text in texts[::7]] + [text.upper() for text in texts[::11]]
    chance.shuffle(texts)
    cuts = [0, *sorted(chance.sample(range(20, len(texts)), 3)), len(texts)]
    asked = {"exact": "normalised", "lines": {}, "paragraphs": {}, "near": {"split_threshold": None}}
    sources = []
    for number, (start, end) in enumerate(pairwise(cuts)):
        sources.append(write_lines(tmp_path / "in", texts[start:end], f"s{number}"))
        grown = build([sources[-1]], tmp_path / "grown", append=number > 0, **asked)
    whole = build(sources, tmp_path / "whole", **asked)
    columns = ("id", "text", "text_bytes", "text_digest", "edits")
    assert sorted(kept(grown, columns), key=str) == sorted(kept(whole, columns), key=str)
    facts = [sorted((row["id"], row["reason"], row["cluster"]) for row in dropped(corpus)) for corpus in (grown, whole)]
    assert facts[0] == facts[1]
    assert grown.digest == whole.digest and grown.manifest["sources"] == whole.manifest["sources"]
    reasons = {row["reason"] for row in dropped(whole)}
    assert reasons >= {"normalised duplicate", "near duplicate", "only repeated lines"}


def test_little_memory_many_parts_and_threads_change_nothing(tmp_path, monkeypatch):
    source = write_lines(tmp_path / "in", pages(3))
    first = build([source], tmp_path / "out", lines={}, paragraphs={}, threads=1)
    monkeypatch.setattr(planning, "PART_BYTES", 3000)
    monkeypatch.setattr(scratch, "STRETCH_ROWS", 16)
    other = build([source], tmp_path / "other", 2**16, lines={}, paragraphs={}, threads=2)
    assert len(list((tmp_path / "other" / "documents" / "train").iterdir())) > 3
    assert other.digest == first.digest and texts_of(other) == texts_of(first)


def test_the_edit_is_noted_and_every_byte_is_accounted_for(tmp_path):
    line = LINES["en"].format(n=1)
    corpus = build(
        [write_lines(tmp_path / "in", [f"{line}\nfirst", f"second\n {line}\t\nend"])], tmp_path / "out", lines={}
    )
    first, second = kept(corpus, ("text", "edits", "text_bytes", "record"))
    assert first["text"] == f"{line}\nfirst" and not first["edits"]
    assert second["text"] == "second\nend" and second["text_bytes"] == len("second\nend")
    (edit,) = second["edits"]
    assert (edit["step"], edit["bytes_before"], edit["bytes_after"]) == ("deduplicate", len(line) + 13, 10)
    counts = corpus.manifest["sources"]["a"]
    assert counts["edited"] == {"deduplicate": {"documents": 1, "removed_bytes": len(line) + 3}}
    assert counts["read"]["bytes"] == counts["kept"]["bytes"] + counts["edited"]["deduplicate"]["removed_bytes"]


@pytest.mark.parametrize(("line", "gone"), [("a b c d e f g", False), ("a b c d e f g h", True),
                                            ("人人生而自由在", False), ("人人生而自由在尊", True)])  # fmt: skip
def test_a_line_of_fewer_words_stays_and_of_as_many_goes(tmp_path, line, gone):
    corpus = build(
        [write_lines(tmp_path / "in", [f"{line}\nx", f"{line}\ny"])], tmp_path / "out", lines={"min_words": 8}
    )
    assert texts_of(corpus) == [f"{line}\nx", "y" if gone else f"{line}\ny"]


def test_lines_of_a_dropped_document_were_not_seen(tmp_path):
    line = LINES["zh"].format(n=1)
    texts = [f"{line}\n甲", f"{line}\n乙", f"{line}\n乙"]
    corpus = build([write_lines(tmp_path / "in", texts)], tmp_path / "out", lines={})
    assert texts_of(corpus) == [f"{line}\n甲", "乙"]
    assert [row["reason"] for row in dropped(corpus)] == ["exact duplicate"]


def test_a_document_of_repeated_lines_alone_is_dropped_with_that_reason(tmp_path):
    lines = [LINES["en"].format(n=number) for number in range(3)]
    texts = ["\n".join(lines), "\n\n".join(reversed(lines))]
    corpus = build([write_lines(tmp_path / "in", texts)], tmp_path / "out", lines={})
    (gone,) = dropped(corpus)
    assert (gone["step"], gone["reason"], gone["value"]) == ("deduplicate", "only repeated lines", None)
    assert gone["excerpt"] == texts[1] and gone["cluster"] is None


def test_a_source_that_does_not_ask_keeps_its_lines_and_is_not_looked_at(tmp_path):
    line = LINES["en"].format(n=1)
    sources = [write_lines(tmp_path / "in", [f"{line}\n{name}"], name) for name in "abc"]
    sources[0]["steps"] = ["normalise"]
    corpus = build(sources, tmp_path / "out", lines={})
    assert texts_of(corpus) == [f"{line}\na", f"{line}\nb", "c"]


def test_what_was_taken_down_is_refused_even_if_lines_were_taken_out_of_it(tmp_path):
    line = LINES["en"].format(n=1)
    texts = [f"{line}\nfirst", f"{line}\nsecond of them"]
    build([write_lines(tmp_path / "in", texts)], tmp_path / "out", lines={})
    remove_documents(tmp_path / "out", "asked", pattern="second of them")
    left = [
        ("train", row["id"], row["text_digest"]) for row in kept(load_corpus(tmp_path / "out"), ("id", "text_digest"))
    ]
    lines = "".join("\t".join(row) + "\n" for row in left)
    assert load_corpus(tmp_path / "out").digest == hashlib.sha256(lines.encode()).hexdigest()
    more = write_lines(tmp_path / "in", [texts[1], "something else"], "b")
    corpus = build([more], tmp_path / "out", lines={}, append=True)
    assert texts_of(corpus) == [texts[0], "something else"]
    assert [row["reason"] for row in dropped(corpus)] == ["taken down earlier"]


def test_the_document_is_derived_again_up_to_the_barrier(tmp_path):
    texts = pages(5, documents=12)
    corpus = build([write_lines(tmp_path / "in", texts)], tmp_path / "out", lines={}, paragraphs={})
    edited = [row for row in kept(corpus, ("id", "edits")) if row["edits"]]
    assert edited
    for row in edited:
        assert replay(corpus, corpus.find(row["id"]))["equal"]
    wrong = corpus.find(edited[0]["id"]) | {"text": "something else"}
    assert not replay(corpus, wrong)["equal"]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("Hello, World!", "hello world", True),
        ("ＡＢＣ１２３", "abc123", True),
        ("人人生而自由，在尊严上平等。", "人人生而自由\n在尊严上平等", True),
        ("ﬁne  text", "fine text", True),
        ("人人生而自由", "人人生而不自由", False),
        ("don't stop", "do stop", False),
        ("!!!", "???", False),
    ],
)
def test_texts_are_compared_by_their_words(left, right, same):
    found = word_digests(pa.array([left, right])).to_pylist()
    assert (found[0] == found[1]) == same


def test_normalised_duplicates_are_dropped_and_named_apart_from_exact_ones(tmp_path):
    texts = ["One text, of words.", "one text of WORDS", "One text, of words.", "两个文本。", "两个文本", "another"]
    corpus = build([write_lines(tmp_path / "in", texts)], tmp_path / "out", exact="normalised")
    assert texts_of(corpus) == [texts[0], texts[3], "another"]
    gone = sorted(dropped(corpus), key=lambda row: int(row["record"]))
    assert [row["reason"] for row in gone] == ["normalised duplicate", "exact duplicate", "normalised duplicate"]
    clusters = pq.read_table(tmp_path / "out" / "clusters" / "build-0001.parquet").to_pylist()
    assert [row["similarity"] for row in clusters] == [None, 1.0, None]
    plain = build([write_lines(tmp_path / "in", texts)], tmp_path / "plain")
    assert len(texts_of(plain)) == 5


def test_another_word_for_exact_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="exact"):
        build([write_lines(tmp_path / "in", ["a"])], tmp_path / "out", exact="nearly")


def test_keys_do_not_depend_on_how_batches_are_cut():
    texts = pa.array([*pages(7, documents=9), "", "\n\n", "短\n" + LINES["zh"].format(n=2)])
    keys, offsets = piece_keys(texts, "\n", 8)
    for cut in (1, 4):
        parts = [piece_keys(part, "\n", 8)[0] for part in (texts[:cut], texts[cut:])]
        assert np.array_equal(np.concatenate(parts), keys)
    assert offsets[-1] == len(keys) == sum(text.count("\n") + 1 for text in texts.to_pylist())
    assert keys[-2] == SHORT and keys[-3] == BLANK and keys[-1] > SHORT


def test_the_corpus_says_what_it_was_built_with(tmp_path):
    build([write_lines(tmp_path / "in", ["a b"])], tmp_path / "out", lines={"min_words": 3})
    steps = load_corpus(tmp_path / "out").manifest["versions"]["steps"]["a"]
    assert steps[-1]["settings"]["lines"] == {"min_words": 3}
