"""The numbers of a report as Markdown, to paste into an issue, a notebook or a model card; no text of documents."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from massivetext.translations import language, tr
from massivetext.visible import visible


def markdown(values: Mapping[str, Any], kind: str) -> str:
    """Return a page's numbers as Markdown. values: what the HTML template places; kind: what the page is called."""
    headline, space = values["headline"], "" if language() == "zh" else " "
    parts = [f"# {_cell(values['title'])}: {kind}", f"**{headline['figure']} {headline['unit']}** " +
             space.join(headline["sentences"])]  # fmt: skip
    if values.get("scores"):
        parts.append(f"## {tr('How well it predicts')}")
        for block in values["scores"]:
            parts += [f"### {_cell(block['name'])}"] if block["name"] else []
            parts += [_scores(block["table"]), space.join(block["notes"])]
    if values.get("stations"):
        rows = [(s["name"], s["value"], s["detail"], s["time"]) for s in values["stations"]]
        parts += [f"## {tr('The pipeline')}", _table(("", "", "", tr("time")), rows)]
    if values.get("dropped"):
        parts += [f"## {tr('Where the bytes went')}", _dropped(values["dropped"])]
    for name, pairs in values.get("settings", ()):
        parts += [f"## {name}", _table((tr("name"), tr("value")), pairs)]
    if values.get("digests"):
        parts += [f"## {tr('Digests')}", _table((tr("name"), tr("digest")), values["digests"])]
    parts.append(f"MassiveText {values['version']}")
    return visible("\n\n".join(part for part in parts if part) + "\n")


def _scores(table: Mapping[str, Any]) -> str:
    best = [table["best"]] if table["best"] else []
    heads = (table["head"], *table["columns"], *best, *table["others"], tr("size"))
    rows = [
        (
            row["name"],
            *(f"**{cell['value']}**" if cell["best"] else cell["value"] for cell in row["cells"]),
            *([row["winner"]] if best else []),
            *row["others"],
            row["size"],
        )
        for row in table["rows"]
    ]
    return _table(heads, rows)


def _dropped(sources: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for row in sources:
        rows.append((row["name"], tr("read"), row["read_documents"], row["read"]))
        rows.append((row["name"], tr("kept"), row["kept_documents"], row["kept"]))
        rows += [(row["name"], f"{tr('dropped')}{tr(': ')}{reason}", *rest) for reason, *rest in row["reasons"]]
    return _table((tr("source"), "", tr("documents"), tr("size")), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: str) -> str:
    """Return a value without what would end its cell or begin markup."""
    return str(value).replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")
