"""Read Stack Exchange dumps: the questions and answers of `Posts.xml`, one document each.

A question begins with its title. Answers come after their questions, often millions of posts later, so joining them
would require the whole dump in memory. `meta` has the keys for joining: `post_id`, `post_type`, `parent_id`.
"""

from collections.abc import Iterator

from massivetext.corpus.readers.columns import meta_json
from massivetext.corpus.readers.decoding import Decoder
from massivetext.corpus.readers.elements import parse_element
from massivetext.corpus.readers.records import NO_ARTICLE, Fields, Reader, Record, bad_record, digest, line_records
from massivetext.corpus.readers.streams import Line, Piece, SourceFile, cut_at_lines
from massivetext.corpus.steps.main_text import plain_text

QUESTION, ANSWER = "1", "2"


class StackExchangeReader(Reader):
    """Reads Posts.xml. Other kinds of posts (wiki excerpts, elections) are skipped."""

    def takes(self, uri: str) -> bool:
        """Return whether the file is a dump's table of posts."""
        return "Posts.xml" in uri.rsplit("/", 1)[-1]

    def pieces(self, file: SourceFile, piece_bytes: int) -> list[Piece]:
        """Return the file cut at line boundaries; each post is one line."""
        return cut_at_lines(file, piece_bytes, blank=False)

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield one record per post."""
        return line_records(piece, self.source, self._record)

    def _record(self, line: Line, data: bytes, decoder: Decoder) -> Record | None:
        """Return the record of one post, with its HTML body as plain text; None if the line is not a post."""
        if not data.lstrip().startswith(b"<row"):
            return None
        post = parse_element(data.strip())
        kind = post.get("PostTypeId")
        if kind not in (QUESTION, ANSWER):
            return bad_record(str(line.start), line.size, NO_ARTICLE, data)
        text = "\n\n".join(filter(None, (post.get("Title"), plain_text(post.get("Body", "")))))
        tags = post.get("Tags", "").strip("<>|").replace("><", "|")
        meta = {
            "post_id": post.get("Id"),
            "post_type": "question" if kind == QUESTION else "answer",
            "parent_id": post.get("ParentId"),
            "accepted_answer_id": post.get("AcceptedAnswerId"),
            "score": _number(post.get("Score")),
            "tags": tags or None,
        }
        fields = Fields(license=post.get("ContentLicense"), created_at=post.get("CreationDate"), meta=meta_json(meta))
        return Record(str(line.start), line.size, digest(data), text, fields=fields)


def _number(value: str | None) -> int | None:
    """Return the value as an integer; None if it is not one."""
    try:
        return int(value or "")
    except ValueError:
        return None
