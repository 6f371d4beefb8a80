"""The compressors agree with the tools of the same name and with their plain twins."""

import gzip
import lzma
import random

from massivetext.evaluation.compressors import gzip_bytes, primed_xz, read_chunks, xz_bytes

ENGLISH = b"The quick brown fox jumps over the lazy dog. " * 50
CHINESE = "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。".encode() * 60
EXTREME = 9 | lzma.PRESET_EXTREME


def test_gzip_is_gzip_at_level_nine():
    assert gzip_bytes([ENGLISH, CHINESE]) == len(gzip.compress(ENGLISH + CHINESE, 9, mtime=0))


def test_xz_is_xz_at_level_nine_extreme():
    assert xz_bytes([ENGLISH, CHINESE]) == len(lzma.compress(ENGLISH + CHINESE, preset=EXTREME))


def test_nothing_compresses_to_a_header():
    assert 0 < gzip_bytes([]) < 40
    assert 0 < xz_bytes([]) < 80


def write_parts(folder, texts):
    paths = [folder / f"text-{i}" for i in range(len(texts))]
    for path, text in zip(paths, texts):
        path.write_bytes(text)
    return paths


def test_chunks_are_the_files_one_after_the_other(tmp_path):
    assert b"".join(read_chunks(*write_parts(tmp_path, [ENGLISH, b"", CHINESE]))) == ENGLISH + CHINESE


def test_primed_xz_equals_compressing_the_long_text_each_time(tmp_path):
    words = random.Random(0)
    training = " ".join(str(words.randrange(5000)) for _ in range(20000)).encode()
    texts = [training[1000:3000] + ENGLISH, CHINESE, b""]
    one, two, three = write_parts(tmp_path, texts)
    with primed_xz([training[:70000], training[70000:]], [[one, two], [one], [two], [three]]) as sizes:
        found = sizes()
    alone = len(lzma.compress(training, preset=EXTREME))
    expected = [len(lzma.compress(training + part, preset=EXTREME)) - alone for part in (texts[0] + texts[1], *texts)]
    assert found == expected


def test_what_was_seen_before_costs_almost_nothing(tmp_path):
    words = random.Random(1)
    training = bytes(words.randrange(256) for _ in range(50_000))
    (again,) = write_parts(tmp_path, [training[10_000:40_000]])
    with primed_xz([training], [[again]]) as sizes:
        assert sizes()[0] < 1000  # of 30,000 bytes without any pattern


def test_no_parts_give_no_sizes():
    with primed_xz([], []) as sizes:
        assert sizes() == []


def test_the_process_ends_with_the_block(tmp_path):
    (part,) = write_parts(tmp_path, [ENGLISH])
    with primed_xz([ENGLISH * 100], [[part]]):
        pass  # leaving without asking must neither hang nor leave files or warnings
