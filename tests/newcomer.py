"""What a newcomer puts under mydata/ for each recipe: small files of generated English and Chinese prose."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

WORDS = {
    "en": (
        ("The", "That old", "Every quiet", "A small", "This long", "Our", "Their third", "The blue", "No other"),
        ("harbour", "letter", "garden", "engine", "teacher", "river", "map", "winter", "kitchen", "bridge", "song"),
        ("was closed", "turned slowly", "looked empty", "came back", "stood still", "grew louder", "had changed"),
        ("before the storm", "after dinner", "near the station", "in the morning", "without a sound", "for years"),
    ),
    "zh": (
        ("那座", "每个", "他们", "这条", "远处", "我们", "安静", "从前", "邻居"),
        ("港口", "信件", "花园", "机器", "老师", "河流", "地图", "冬天", "厨房", "桥梁", "歌曲"),
        ("关上了", "在转动", "是空的", "回来了", "没有变", "停住了", "变化了"),
        ("在车站旁", "从早晨起", "在晚饭后", "没有声音", "过了很久", "在城市里"),
    ),
}

SYLLABLES = [first + last for first in "bdfgklmnprst" for last in ("a", "en", "i", "or", "um", "eth")]
HAN = "春夏秋冬风雨雪云山水花草树木鸟鱼牛马羊金银铜铁石米茶酒书画琴棋东西南北明亮高低远近新老红黄蓝白黑"


def prose(language: str, seed: int, sentences: int = 14) -> str:
    """Return sentences of one language, the same for each seed; the names in them keep them from repeating."""
    chance = random.Random(f"{language} {seed}")
    joiner, end, syllables = (" ", ". ", SYLLABLES) if language == "en" else ("", "。", HAN)

    def name() -> str:
        return "".join(chance.choices(syllables, k=3)).capitalize()

    def sentence() -> str:
        who, what, does, where = map(chance.choice, WORDS[language])
        return joiner.join([who, what, name(), does, name(), where, name()]) + end

    return "".join(sentence() for _ in range(sentences)).strip()


def page(text: str) -> str:
    """Return a web page with a menu and a main text."""
    body = "".join(f"<p>{text[at : at + 160]}</p>" for at in range(0, len(text), 160))
    menu = "<nav><a href='/'>Home</a> <a href='/b'>About</a></nav>"
    return f"<!DOCTYPE html><html><head><title>A page</title></head><body>{menu}<article>{body}</article></body></html>"


def write(path: Path, text: str | bytes) -> None:
    """Write one file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def lines(texts: list[str], **more: str) -> str:
    """Return JSON lines of the texts."""
    return "".join(json.dumps({"text": text, **more}, ensure_ascii=False) + "\n" for text in texts)


def english(home: Path, count: int = 60) -> None:
    """Write text files."""
    for number in range(count):
        write(home / f"{number:02d}.txt", prose("en", number) + "\n\n" + prose("en", 1000 + number) + "\n")


def chinese(home: Path, count: int = 40) -> None:
    """Write text files, a list of JSON objects and JSON lines."""
    for number in range(count):
        write(home / f"{number:02d}.txt", prose("zh", number) + "\n")
    records = [{"text": prose("zh", 100 + number)} for number in range(count)]
    write(home / "records.json", json.dumps(records, ensure_ascii=False))
    write(home / "more.jsonl", lines([prose("zh", 200 + number) for number in range(count)]))


def nested_chinese(home: Path) -> None:
    """Write paragraphs inside the JSON of a reading test."""
    paragraphs = [{"context": prose("zh", number), "qas": []} for number in range(40)]
    write(home / "nested.json", json.dumps({"data": [{"title": "题", "paragraphs": paragraphs}]}, ensure_ascii=False))


def python_files(home: Path, count: int = 40) -> None:
    """Write modules with docstrings, and a readable description of an installed package."""
    for number in range(count):
        name = f"{random.Random(number).choice('abcdefgh')}{number}"
        body = "".join(f"    first_{name} = second + {other}\n" for other in range(8))
        doc = f'    """{prose("en", number, 4)}"""\n'
        write(home / f"{name}.py", f"def read_{name}(second):\n{doc}{body}    return first_{name}\n")
        described = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n\n# {name}\n\n{prose('en', 500 + number)}\n"
        write(home / f"{name}-1.dist-info" / "METADATA", described)


def mixture(home: Path) -> None:
    """Write books, JSON lines, a table with a header and a Parquet file, in both languages."""
    english(home / "books")
    write(home / "web" / "a.jsonl", lines([prose("zh", 300 + number) for number in range(40)]))
    reviews = "".join(f"{number},{prose('en', 400 + number)}\n" for number in range(40))
    write(home / "reviews.csv", "stars,review\n" + reviews)
    (home / "papers").mkdir()
    papers = [prose("en" if number % 2 else "zh", 600 + number) for number in range(40)]
    pq.write_table(pa.table({"abstract": papers}), home / "papers" / "a.parquet")


def web(home: Path) -> None:
    """Write a crawl and saved pages, English and Chinese."""
    crawl = b""
    for number in range(24):
        content = page(prose("en" if number % 2 else "zh", 700 + number, 30)).encode()
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + content
        crawl += (
            f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{number}>\r\n"
            f"WARC-Target-URI: http://a.example/{number}\r\nWARC-Date: 2024-05-18T01:58:10Z\r\n"
            f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(answer)}\r\n\r\n"
        ).encode() + answer + b"\r\n\r\n"  # fmt: skip
    write(home / "web" / "crawl.warc", crawl)
    for number in range(12):
        write(home / "web" / f"{number}.html", page(prose("zh" if number % 2 else "en", 800 + number, 30)))


def more_of_the_web(home: Path) -> None:
    """Write what the sources that are comments in recipes/web.yaml name."""
    web(home)
    articles = "".join(
        f"<page><title>Entry {number}</title><ns>0</ns><id>{number + 1}</id><revision><id>1</id>"
        f"<text>{prose('en', 900 + number, 30)} [[Harbour|harbours]]</text></revision></page>"
        for number in range(12)
    )
    write(home / "wikipedia" / "dump.xml", f"<mediawiki xml:lang='en'>{articles}</mediawiki>")
    posts = "".join(
        f'<row Id="{number + 1}" PostTypeId="1" Title="How?" Body="{prose("en", 950 + number, 30)}" />\n'
        for number in range(12)
    )
    write(home / "stackexchange" / "Posts.xml", f"<posts>\n{posts}</posts>\n")
    write(home / "cleaned" / "a.jsonl", lines([prose("en", 1100 + number, 30) for number in range(12)]))
    for number in range(12):
        write(home / "chinese" / f"{number}.txt", "\n".join(prose("zh", 1200 + 9 * number + at, 9) for at in range(4)))
        write(home / "poems" / f"{number}.txt", "\n".join(prose("zh", 1400 + 9 * number + at, 1) for at in range(4)))


def debian(home: Path) -> None:
    """Write manual pages and fortunes in Chinese, as the two Debian packages lay them down."""
    for number in range(40):
        write(
            home / "man1" / f"a{number}.1", f".TH A{number} 1\n.SH 名称\na{number} \\- {prose('zh', 1600 + number)}\n"
        )
    write(home / "fortunes" / "song", "\n%\n".join(prose("zh", 1700 + number, 5) for number in range(40)) + "\n%\n")


WRITERS: dict[str, Callable[[Path], None]] = {
    "english": english, "chinese": chinese, "code": python_files, "mixture": mixture, "web": web,
    "quickstart": python_files, "quickstart-long": python_files, "quickstart-zh": debian,
}  # fmt: skip
"""What writes the input of each recipe below a folder `mydata`."""

PATHS = {
    "quickstart": {0: "mydata", 1: "mydata", 2: "mydata"},
    "quickstart-long": {0: "mydata", 1: "mydata", 2: "mydata"},
    "quickstart-zh": {0: "mydata", 1: "mydata/fortunes"},
}
"""What stands in for the installed Python and for Debian's folders: the path of each source."""

TINY = {
    "corpus.split": "{validation: 0.1, test: 0.1}",
    "tokenizer.vocab_size": "300",
    "model.hidden_size": "32",
    "model.num_hidden_layers": "1",
    "model.num_attention_heads": "2",
    "model.intermediate_size": "64",
    "train.context_tokens": "32",
    "train.batch_tokens": "256",
    "train.compile": '"off"',
    "train.steps": "4",
    "evaluate.stride_tokens": "24",
    "evaluate.ngram_order": "2",
    "generate.max_new_tokens": "8",
}
"""What makes a run take seconds and changes nothing else."""


def overrides(recipe: str, **changes: str) -> list[str]:
    """Return the words on the command line that make a recipe small; `changes` are further keys."""
    keys = TINY | {f"corpus.sources.{at}.path": path for at, path in PATHS.get(recipe, {}).items()} | changes
    return [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
