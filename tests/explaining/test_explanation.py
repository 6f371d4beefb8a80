"""`explain`: values, pages, pictures and the verb, for each kind of model; bad input."""

import base64
import json
import re
import struct
import zlib
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

import massivetext as mt
from massivetext.cli import app
from massivetext.errors import ConfigError, DataError
from massivetext.explaining import page, pictures
from massivetext.explaining.explanation import explanation_text
from massivetext.explaining.maps import AttentionMap
from massivetext.explaining.pieces import TextPiece, pieces_of
from massivetext.translations import set_language

from .conftest import CHINESE, ENGLISH, tiny_model

VOID = {"meta"}
QUICK = {"steps": 4}


class Nesting(HTMLParser):
    """Fails where a tag is closed that is not the one open."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], []

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read_page(path):
    written = path.read_text(encoding="utf-8")
    reader = Nesting()
    reader.feed(written)
    assert not reader.open and "http://" not in written.replace("http://www.w3.org/2000/svg", "")
    return written, " ".join(" ".join(reader.text).split())


def read_png(data):
    """The alpha of each pixel of a palette image, by the format's own rules."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(data):
        size, name = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + size]
        assert struct.unpack(">I", data[place + 8 + size : place + 12 + size])[0] == zlib.crc32(name + body)
        chunks[name], place = body, place + 12 + size
    width, height = struct.unpack(">2I", chunks[b"IHDR"][:8])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    return np.frombuffer(chunks[b"tRNS"], np.uint8)[lines[:, 1:]]


def test_a_causal_model_has_all_three_and_values_that_are_json(byte_tokenizer, tmp_path):
    found = mt.explain(tiny_model("qwen3"), byte_tokenizer, f"{ENGLISH} 鱼", tmp_path / "page.html", **QUICK)
    values = json.loads(json.dumps(found.as_values(), allow_nan=False))
    tokens = [piece.label for piece in pieces_of(byte_tokenizer, byte_tokenizer.encode(f"{ENGLISH} 鱼"))]
    assert [token["token"] for token in values["attribution"]["tokens"]] == tokens == values["lens"]["tokens"]
    assert values["attention"]["self"]["readers"] == tokens and values["attention"]["self"]["layer"] == 2
    assert np.allclose(np.sum(values["attention"]["self"]["weights"], axis=1), 1, atol=1e-4)
    assert values["lens"]["actual"] == [*tokens[1:], None] and len(values["lens"]["likeliest"]) == 4
    shown = explanation_text(values)
    assert all(token in shown for token in tokens) and "layer 2" in shown


def test_a_page_shows_a_split_character_once_with_a_stripe_for_each_token(byte_tokenizer, tmp_path):
    mt.explain(tiny_model("gpt2"), byte_tokenizer, "a <b> & 鱼", tmp_path / "page.html", **QUICK)
    written, text = read_page(tmp_path / "page.html")
    words = re.findall(r'<span class="word[^"]*"><b style="background: (linear[^"]*)">([^<]*)</b>(.*?)</span>', written)
    background, shown, numbers = words[-1]
    assert shown == "鱼" and background.count("color-mix") == 3 and numbers.count("<small") == 3
    assert "鱼 1/3" in text and "鱼 3/3" in text and "\ufffd" not in written
    assert "&lt;" in written and "<b>" not in written.replace("<b>MassiveText</b>", "")


def test_a_page_speaks_chinese(byte_tokenizer, tmp_path):
    set_language("zh")
    try:
        mt.explain(tiny_model("llama"), byte_tokenizer, CHINESE, tmp_path / "page.html", **QUICK)
    finally:
        set_language("en")
    _, text = read_page(tmp_path / "page.html")
    assert 'lang="zh-CN"' in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert all(words in text for words in ("各词元的贡献", "各层的预测", "注意力", "层 2, 4 个头的平均"))


@pytest.mark.parametrize(
    ("family", "auto", "text", "attributed", "seen"),
    [
        ("bert", "AutoModelForMaskedLM", "the [MASK] sat", True, True),
        ("roberta", "AutoModelForMaskedLM", CHINESE, False, True),
        ("bert", "AutoModelForSequenceClassification", CHINESE, True, False),
        ("bert", "AutoModelForTokenClassification", ENGLISH, False, False),
        ("roberta", "AutoModel", ENGLISH, False, False),
    ],
)
def test_encoders_are_explained_as_far_as_their_heads_allow(
    family, auto, text, attributed, seen, word_tokenizer, tmp_path
):
    found = mt.explain(tiny_model(family, auto), word_tokenizer, text, tmp_path / "page.html", **QUICK)
    assert (found.attribution is not None, found.lens is not None, list(found.maps)) == (attributed, seen, ["self"])
    _, shown = read_page(tmp_path / "page.html")
    assert ("Contribution of each token" in shown, "What each layer would predict" in shown) == (attributed, seen)
    assert explanation_text(found.as_values())


@pytest.mark.parametrize(("family", "auto"), [("gpt2", "AutoModelForSequenceClassification"), ("llama", "AutoModel")])
def test_causal_families_with_another_head_or_none_are_explained(family, auto, byte_tokenizer, tmp_path):
    found = mt.explain(tiny_model(family, auto), byte_tokenizer, CHINESE, tmp_path / "page.html", **QUICK)
    assert (found.attribution is not None) == (auto != "AutoModel") and found.lens is None
    read_page(tmp_path / "page.html")


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_an_encoder_decoder_without_a_head_has_its_maps(family, byte_tokenizer):
    found = mt.explain(tiny_model(family, "AutoModel"), byte_tokenizer, CHINESE, target_text=ENGLISH)
    assert found.lens is None and found.attribution is None and list(found.maps) == ["encoder", "decoder", "cross"]


@pytest.mark.parametrize(
    ("family", "auto"),
    [
        ("t5", "AutoModelForTokenClassification"),
        ("bart", "AutoModelForQuestionAnswering"),
        ("t5", "AutoModelForSequenceClassification"),
        ("gpt2", "AutoModelForTokenClassification"),
        ("llama", "AutoModelForQuestionAnswering"),
    ],
)
def test_what_labels_tokens_and_finds_answers_has_its_maps(family, auto, unigram_tokenizer):
    model = tiny_model(family, auto)
    found = mt.explain(model, unigram_tokenizer, CHINESE, **QUICK)
    assert found.lens is None and (found.attribution is not None) == (auto == "AutoModelForSequenceClassification")
    two_sides = family in ("t5", "bart") and auto != "AutoModelForTokenClassification"
    assert list(found.maps) == (["encoder", "decoder", "cross"] if two_sides else ["self"])
    with pytest.raises(ConfigError, match="target_text is for models"):
        mt.explain(model, unigram_tokenizer, CHINESE, target_text=ENGLISH)


def test_an_encoder_decoder_has_three_maps_and_both_texts(byte_tokenizer, tmp_path):
    model = tiny_model("t5")
    found = mt.explain(model, byte_tokenizer, CHINESE, tmp_path / "page.html", target_text="the cat", **QUICK)
    written, shown = read_page(tmp_path / "page.html")
    assert len(re.findall('class="attention"', written)) == 3 and "What is written reads the source" in shown
    assert len(found.attribution.values) == len(found.attribution.pieces) + 1
    with pytest.raises(ConfigError, match=r"this model has 3 \(encoder, decoder, cross\); write a page"):
        mt.explain(model, byte_tokenizer, CHINESE, tmp_path / "map.svg", target_text="the cat", **QUICK)


def test_a_picture_has_a_cell_for_each_pair_that_may_be_read(byte_tokenizer, tmp_path):
    model = tiny_model("gpt2")
    found = mt.explain(model, byte_tokenizer, ENGLISH, tmp_path / "map.svg", layer=0, head=1, **QUICK)
    tree = ElementTree.parse(tmp_path / "map.svg")
    cells = [node for node in tree.iter("{http://www.w3.org/2000/svg}rect") if "data-at" in node.attrib]
    tokens = len(found.maps["self"].readers)
    assert len(cells) == tokens * (tokens + 1) // 2
    for cell in cells:
        row, column = map(int, cell.attrib["data-at"].split())
        share = found.maps["self"].weights[0, 1, row, column]
        assert float(cell.attrib["fill-opacity"]) ** 2 == pytest.approx(share, abs=2e-3)
        assert cell[0].text.endswith(f"{share:.3f}")


def test_the_sheet_holds_every_head_where_the_script_looks_for_it():
    weights = np.random.default_rng(0).dirichlet(np.ones(5), size=(2, 3, 4)).astype(np.float32)  # 2 layers, 3 heads
    pieces = [TextPiece(number, str(number)) for number in range(5)]
    drawn = pictures.sheet(AttentionMap(pieces[:4], pieces, weights), "x")
    alpha = read_png(base64.b64decode(re.search(r"base64,([^\"]*)", drawn)[1]))
    gap = pictures.gap_of(4, 5)
    for layer in range(2):
        for head in range(3):
            tile = alpha[layer * (4 + gap) :, head * (5 + gap) :][:4, :5] / 255.0
            assert np.abs(tile**2 - weights[layer, head]).max() < 5e-3


def test_the_deepest_colour_is_the_strongest_token():
    pieces = [TextPiece(1, "a"), TextPiece(2, " b"), TextPiece(3, "京", 1, 2), TextPiece(4, "京", 2, 2)]
    words = page.coloured(pieces, [0.5, -2.0, 0.0, 1.0], 2.0)
    assert [word["text"] for word in words] == ["a", "b", "京"] and [word["spaced"] for word in words] == [0, 1, 0]
    depths = [int(share) for word in words for share in re.findall(r"(\d+)%, transparent", word["background"])]
    assert depths[1] == max(depths) and depths[2] == 0 and "--c0" in words[1]["background"]


def test_values_that_miss_a_tenth_are_called_rough(byte_tokenizer, tmp_path):
    model = tiny_model("llama")
    rough = mt.explain(model, byte_tokenizer, ENGLISH, tmp_path / "rough.html", steps=1)
    fine = mt.explain(model, byte_tokenizer, ENGLISH, tmp_path / "fine.html", steps=100)
    assert rough.attribution.rough and not fine.attribution.rough
    warning = "The numbers are rough"
    for found, said in ((rough, True), (fine, False)):
        assert (warning in explanation_text(found.as_values())) == said
    assert warning in read_page(tmp_path / "rough.html")[1] and warning not in read_page(tmp_path / "fine.html")[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 3}, "layer is 3; allowed: 0 to 2"),
        ({"head": 4}, "head is 4; allowed: 0 to 3"),
        ({"out": "page.pdf"}, "out is page.pdf; allowed: a name that ends in .html or .svg"),
        ({"heads": 1}, "did you mean 'head'"),
    ],
)
def test_what_there_is_not_is_said(options, message, byte_tokenizer):
    with pytest.raises(ConfigError, match=message):
        mt.explain(tiny_model("gpt2"), byte_tokenizer, ENGLISH, **options)


def test_a_text_too_long_for_a_picture_can_still_be_had_as_numbers(byte_tokenizer, tmp_path):
    model, text = tiny_model("llama"), CHINESE * 10
    with pytest.raises(DataError, match=r"has \d+ tokens and a picture has room for 96; explain a shorter piece, or"):
        mt.explain(model, byte_tokenizer, text, tmp_path / "page.html", **QUICK)
    assert not (tmp_path / "page.html").exists()
    assert mt.explain(model, byte_tokenizer, text, method="gradient_times_input").as_values()["lens"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory, byte_tokenizer, word_tokenizer, unigram_tokenizer):
    """Model folders of three kinds."""
    made = {}
    for name, family, auto, tokenizer in (
        ("gpt2", "gpt2", None, byte_tokenizer),
        ("bert", "bert", "AutoModelForSequenceClassification", word_tokenizer),
        ("t5", "t5", None, unigram_tokenizer),
    ):
        made[name] = tmp_path_factory.mktemp(name)
        tiny_model(family, auto).save_pretrained(made[name], tokenizer)
    return made


@pytest.mark.parametrize("name", ["gpt2", "bert", "t5"])
def test_the_verb_opens_a_folder_with_the_head_that_it_has(name, folders, tmp_path):
    arguments = ["explain", str(folders[name]), CHINESE, "--out", str(tmp_path / "page.html"), "--json"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    values = json.loads(done.stdout)
    assert values["attribution"]["tokens"] and values["out"].endswith("page.html")
    assert (values["lens"] is None) == (name == "bert")
    read_page(tmp_path / "page.html")


def test_the_verb_prints_lines_and_reads_stdin(folders):
    done = CliRunner().invoke(app, ["explain", str(folders["gpt2"]), "-", "--language", "en"], input=ENGLISH)
    assert done.exit_code == 0 and "what each token reads most: self, layer 2" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [((["", "--json"]), DataError), ((["北京", "--layer", "9"]), ConfigError), ((["x" * 99]), DataError)],
)
def test_the_verb_fails_with_our_own_errors(arguments, error, folders):
    done = CliRunner().invoke(app, ["explain", str(folders["gpt2"]), *arguments])
    assert isinstance(done.exception, error)
