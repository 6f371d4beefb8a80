"""Find personal data and secrets in texts: the measure `pii_counts`, and the edit `pii`, which inserts `<EMAIL>` etc.

Findings are counted, but never logged or stored. `pii_patterns.py` defines what is found.
"""

import json
import re
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from massivetext.corpus.steps import Edit, Edited, Measure
from massivetext.corpus.steps.pii_marks import find_marks
from massivetext.corpus.steps.pii_patterns import TYPES, PiiType, find_marked, find_pii
from massivetext.settings import Settings
from massivetext.text.arrays import string_buffers

PLACEHOLDERS = {
    "secret": "<SECRET>",
    "email": "<EMAIL>",
    "iban": "<IBAN>",
    "resident_id": "<RESIDENT_ID>",
    "card": "<CARD>",
    "ssn": "<SSN>",
    "ip": "<IP_ADDRESS>",
    "phone": "<PHONE>",
}
AT_IN_URL = "%40"
MAX_DIGITS = 4000


class PiiCounts(Measure):
    """Counts the findings of each type in a text."""

    name = "pii_counts"
    version = 4

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The columns `pii_counts__TYPE`."""
        return {f"{self.name}__{name}": pa.int64() for name in TYPES}

    def describe(self) -> dict[str, Any]:
        """Return name, version, settings, and the version of the library whose key patterns are used."""
        return {**super().describe(), "library": f"detect-secrets {version('detect-secrets')}"}

    def measure(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return the counts."""
        texts = batch.column("text")
        keyed, marks = find_marks(*string_buffers(texts))
        places = np.searchsorted(marks[:, 0], np.arange(len(texts) + 1))
        counts = np.zeros((len(TYPES), len(batch)), np.int64)
        for row in np.flatnonzero(keyed | (np.diff(places) > 0)).tolist():
            marked = marks[places[row] : places[row + 1], 1:].tolist()
            for _, _, name in find_marked(texts[row].as_py(), bool(keyed[row]), marked, TYPES):
                counts[TYPES.index(name), row] += 1
        null = np.asarray(pc.is_null(texts).to_numpy(zero_copy_only=False))
        return {f"{self.name}__{name}": pa.array(row, mask=null) for name, row in zip(TYPES, counts)}


class PiiSettings(Settings):
    """Which types are replaced."""

    types: tuple[PiiType, ...] = TYPES
    """Types to replace; all types are counted."""


FIELDS = ("url", "license", "meta")
"""Columns besides the text that `pii` edits. `uri` is not edited: it names the input file and is part of the id."""


class Pii(Edit):
    """Replaces findings in the text, `url`, `license` and `meta` with a placeholder: `<EMAIL>`, `<PHONE>`, ..."""

    name = "pii"
    version = 4
    needs = ("pii_counts",)
    settings_type = PiiSettings
    settings: PiiSettings
    redacts = True

    def edit(self, batch: pa.RecordBatch) -> Edited:
        """Return the texts and the fields with placeholders."""
        return Edited(self.edit_texts(batch), columns=self.edit_fields(batch))

    def edit_texts(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the texts with placeholders; only texts with a count above 0 are searched again."""
        texts = batch.column("text")
        hit = pa.array(np.zeros(len(batch), np.bool_))
        for name in self.settings.types:
            hit = pc.or_(hit, pc.fill_null(pc.greater(batch.column(f"pii_counts__{name}"), 0), False))
        if not pc.any(hit).as_py():
            return texts
        new = [replaced(text, self.settings.types) for text in texts.filter(hit).to_pylist()]
        return pc.replace_with_mask(texts, hit, pa.array(new, texts.type))

    def edit_fields(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Return `url`, `license` and `meta` with placeholders, if any of their values changes."""
        found = {}
        for name in FIELDS:
            if name not in batch.schema.names:
                continue
            values = batch.column(name)
            edit = redacted_meta if name == "meta" else redacted_url
            hit = _may_hold(values)
            if not hit.any():
                continue
            new = [edit(value, self.settings.types) for value in values.filter(pa.array(hit)).to_pylist()]
            edited = pc.replace_with_mask(values, pa.array(hit), pa.array(new, values.type))
            if not edited.equals(values):
                found[name] = edited
        return found


def _may_hold(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which strings may contain a finding, including an address written as `ann%40example.org`."""
    keyed, marks = find_marks(*string_buffers(values))
    hit = keyed | pc.fill_null(pc.match_substring(values, AT_IN_URL), False).to_numpy(zero_copy_only=False)
    hit[np.unique(marks[:, 0])] = True
    return np.asarray(hit & values.is_valid().to_numpy(zero_copy_only=False))


def redacted_meta(meta: str, types: tuple[PiiType, ...] = TYPES) -> str:
    """Return a JSON object with placeholders in its values. The name of a value counts as context, like words in a
    text.

    A number that is replaced becomes a string. An object without findings is returned unchanged.
    """

    def edited(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {replaced(key, types): edited(key, inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [edited(name, inner) for inner in value]
        if isinstance(value, bool) or not isinstance(value, str | int):
            return value
        cue = f"{re.sub('[._-]', ' ', name)}: "
        whole = redacted_url(str(value), types) if AT_IN_URL in str(value) else str(value)
        new = replaced(cue + whole, types, len(cue))[len(cue) :]
        return value if new == str(value) else new

    # Python refuses to parse longer integers; they are no personal data either.
    before = json.loads(meta, parse_int=lambda digits: int(digits) if len(digits) <= MAX_DIGITS else digits)
    after = edited("", before)
    return meta if after == before else json.dumps(after, ensure_ascii=False, separators=(",", ":"))


def redacted_url(url: str, types: tuple[PiiType, ...] = TYPES) -> str:
    """Return a URL or path with placeholders for findings, including addresses written as `ann%40example.org`.

    If something is found, the percent encoding is decoded in the result; otherwise the value is returned unchanged.
    """
    readable = unquote(url)
    found = replaced(readable, types)
    return url if found == readable else found


def replaced(text: str, types: tuple[PiiType, ...], start_at: int = 0) -> str:
    """Return a text with placeholders for findings of some types; findings that begin before `start_at` stay."""
    parts, place = [], 0
    # Search for all types, so that a card number is not taken for a telephone number if only those are replaced.
    for start, end, name in find_pii(text):
        if name in types and start >= start_at:
            parts += [text[place:start], PLACEHOLDERS[name]]
            place = end
    return "".join([*parts, text[place:]])
