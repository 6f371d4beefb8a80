"""Stack Exchange dumps: the questions and answers of `Posts.xml`, a document each.

A question begins with its title. Answers come later in the dump than their questions, often by millions of posts, so
joining them would need all of it in memory; `meta` has what joins them: `post_id`, `post_type`, `parent_id`.
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
    """Reads Posts.xml; other kinds of posts (wiki excerpts, elections) are left out."""

    def takes(self, uri: str) -> bool:
        """Return whether the file is a dump's table of posts."""
        return "Posts.xml" in uri.rsplit("/", 1)[-1]

    def pieces(self, file: SourceFile, piece_bytes: int) -> list[Piece]:
        """Return the file cut at lines: each post has its own."""
        return cut_at_lines(file, piece_bytes, blank=False)

    def read(self, piece: Piece) -> Iterator[Record]:
        """Yield one record for each post."""
        return line_records(piece, self.source, self._record)

    def _record(self, line: Line, data: bytes, decoder: Decoder) -> Record | None:
        """Return the record of one post, whose body is HTML; None if the line holds none."""
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
    """Return a whole number, or None where there is none."""
    try:
        return int(value or "")
    except ValueError:
        return None
