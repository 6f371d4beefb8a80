"""Docstrings are found as the syntax tree finds them, and code loses nothing but them."""

import ast

import pytest

from massivetext.corpus.readers.finding import input_files
from massivetext.corpus.readers.python import CodeReader, DocsReader, Piece, find_docstrings, without_docstrings
from massivetext.corpus.settings import SourceSettings

HOLDERS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def has_docstring(node):
    if not isinstance(node, HOLDERS) or not node.body or not isinstance(node.body[0], ast.Expr):
        return False
    return isinstance(node.body[0].value, ast.Constant) and isinstance(node.body[0].value.value, str)


def docstrings_by_tree(source):
    nodes = [node for node in ast.walk(ast.parse(source)) if has_docstring(node)]
    return sorted((node.body[0].lineno, node.body[0].value.value) for node in nodes)


def stripped_tree(source):
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if has_docstring(node):
            node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])
    return ast.dump(tree)


def agrees(source):
    found = [(source.count("\n", 0, docstring.start) + 1, docstring.value) for docstring in find_docstrings(source)]
    assert found == docstrings_by_tree(source)
    assert ast.dump(ast.parse(without_docstrings(source))) == stripped_tree(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""module"""\nx = 1\n',
        '# comment\n\n"module"\n',
        'x = 1\n"""no docstring"""\n',
        'def f(a, b="(", c=\'"""\'):\n    r"""raw \\n"""\n    return "x"\n',
        'def f(\n    a,  # a comment: (\n    b,\n) -> "str":\n    """doc"""\n',
        'class A:\n    """only"""\n\n    # a comment\nclass B:\n    "one \\\nline"\n',
        'class B:\n    x = {\n        "k":\n        "value"}\n',
        'def f():\n    if x:\n        """a string statement"""\n    y = """\n    no"""\n',
        'def f():\n    """doc""" + x\n',
        'def f():\n    """escapes \\x41 \\u4e2d \\N{BULLET} \\t \\\\ \\q 汉"""\n',
        'async def f():\n\t"""tab"""\n\tpass\n',
        'def f():\n    b"""bytes"""\n',
        'for x in y:\n    """loop"""\n',
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_docstrings_are_those_of_the_syntax_tree(source):
    agrees(source)


@pytest.mark.filterwarnings("ignore")
def test_the_standard_library_agrees_with_the_syntax_tree():
    source = SourceSettings(name="s", path="{stdlib}", format="python_code")
    files = input_files(source)
    assert len(files) > 300
    reader = CodeReader(source)
    for file in files[::12]:
        agrees(reader.load(Piece(file))[0])


def test_code_keeps_its_comments_and_a_body_of_only_a_docstring_becomes_pass():
    source = '"""doc"""\n\n# why\ndef f():\n    """doc"""\n\n    # here\n    return 1\n\ndef g():\n    """doc"""\n'
    assert without_docstrings(source) == "# why\ndef f():\n    # here\n    return 1\n\ndef g():\n    pass\n"


def docs(tmp_path, text, reader=DocsReader):
    (tmp_path / "m.py").write_text(text, encoding="utf-8")
    source = SourceSettings(name="s", path=str(tmp_path / "m.py"), format="python_docs")
    return list(reader(source).read(Piece(input_files(source)[0])))


def test_short_and_repeated_docstrings_are_left_out(tmp_path):
    long = "Return what is wanted. " * 4
    (record,) = docs(
        tmp_path, f'def f():\n    """{long}"""\n\ndef g():\n    """{long}"""\n\ndef h():\n    """Short."""\n'
    )
    assert record.text == long.strip() + "\n"
    assert not docs(tmp_path, 'def h():\n    """Short."""\n')


def test_a_table_of_help_topics_gives_a_document_each(tmp_path):
    records = docs(tmp_path, "topics = {'b': 'second', 'a': 'first'}\n")
    assert [(record.member, record.text) for record in records] == [("a", "first"), ("b", "second")]


def test_a_source_encoding_is_respected(tmp_path):
    (tmp_path / "m.py").write_bytes("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"))
    source = SourceSettings(name="s", path=str(tmp_path), format="python_code")
    (record,) = CodeReader(source).read(Piece(input_files(source)[0]))
    assert "é" in record.text


def test_code_and_docs_share_uris_and_leave_out_tests_and_generated_tables():
    code = input_files(SourceSettings(name="c", path="{stdlib}", format="python_code"))
    documents = input_files(SourceSettings(name="d", path=("{stdlib}", "{packages}/numpy"), format="python_docs"))
    uris = {file.uri for file in code}
    assert "stdlib/json/decoder.py" in uris
    assert uris < {file.uri for file in documents}
    assert not [uri for uri in uris if "/test/" in uri or "/encodings/" in uri or "/pydoc_data/" in uri]
    assert "packages/numpy/__init__.py" in {file.uri for file in documents}
