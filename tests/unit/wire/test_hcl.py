"""HCL 1 as `consul validate` 1.8.7 reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.model.errors import DecodeError
from muster.wire.hcl import DEEPEST, decode_hcl

DOCUMENTS = [
    pytest.param('a = "x"', {"a": "x"}, id="an attribute"),
    pytest.param("a = 1 b = true", {"a": 1, "b": True}, id="attributes on one line"),
    pytest.param('"a"="x", b=2,', {"a": "x", "b": 2}, id="quoted keys and commas"),
    pytest.param("a { b = 1 }", {"a": [{"b": 1}]}, id="a block is a list of one"),
    pytest.param("a = { b = 1 }", {"a": [{"b": 1}]}, id="an assigned object too"),
    pytest.param("a { b = 1 } a { c = 2 }", {"a": [{"b": 1}, {"c": 2}]}, id="repeated blocks append"),
    pytest.param("a = [1] a = [2]", {"a": [1, 2]}, id="repeated lists append"),
    pytest.param('a = "x" a = "y"', {"a": "y"}, id="of repeated texts the last stands"),
    pytest.param("a = [{ b = 1 }, 2,]", {"a": [{"b": 1}, 2]}, id="objects in lists are plain"),
    pytest.param(
        'key_prefix "app/" { policy = "write" } key_prefix "" { policy = "read" }',
        {"key_prefix": [{"app/": [{"policy": "write"}]}, {"": [{"policy": "read"}]}]},
        id="labels",
    ),
    pytest.param("a = 0x1F b = -7 c = 017 d = 1.5 e = -2e3", {"a": 31, "b": -7, "c": 15, "d": 1.5, "e": -2000.0}, id="numbers"),
    pytest.param("# one\n// two\na = 1 /* three\n */ b = 2", {"a": 1, "b": 2}, id="comments"),
    pytest.param(r'a = "\n\t\"\\ \u00e9\x41\101"', {"a": '\n\t"\\ éAA'}, id="escapes"),
    pytest.param('a = "${f("x")} $y"', {"a": '${f("x")} $y'}, id="interpolation stays as written"),
    pytest.param("a = <<EOF\n one\n  two\nEOF\nb = 1", {"a": " one\n  two\n", "b": 1}, id="a heredoc"),
    pytest.param("a = <<-EOF\n    one\n      two\n    EOF\n", {"a": "one\n  two\n"}, id="an indented heredoc"),
    pytest.param("a = <<-EOF\none\n    EOF\n", {"a": "one\n"}, id="a heredoc indented less than its end"),
    pytest.param('{"a": {"b": [1, {"c": null}]}}', {"a": [{"b": [1, {"c": None}]}]}, id="JSON gives the same shapes"),
    pytest.param('{"a": {"b": 1}, "a": {"c": 2}}', {"a": [{"b": 1}, {"c": 2}]}, id="JSON with a repeated key"),
    pytest.param("", {}, id="nothing"),
    pytest.param("\ufeffa = 1\r\nb = 2\r\n", {"a": 1, "b": 2}, id="a byte order mark and DOS line ends"),
]

FAULTS = [
    pytest.param('a = "x', "At 1:7: literal not terminated", id="an open text"),
    pytest.param('a = "x\ny"', "At 1:7: literal not terminated", id="a line end in a text"),
    pytest.param(r'a = "\q"', "At 1:6: illegal char escape", id="an unknown escape"),
    pytest.param(r'a = "\ud800"', "At 1:6: illegal char escape", id="half a surrogate pair"),
    pytest.param("a = yes", "At 1:5: expected a value, got: IDENT yes", id="a bare word"),
    pytest.param("a =", "At 1:4: expected a value, got: EOF", id="no value"),
    pytest.param("\n\n= 1", "At 3:1: expected a key, got: ASSIGN", id="no key"),
    pytest.param("a: 1", "At 1:2: illegal char", id="a colon"),
    pytest.param("a {", "At 1:4: object expected closing RBRACE, got: EOF", id="an open block"),
    pytest.param("a = [1 2]", "At 1:8: error parsing list, expected comma or list end, got: NUMBER 2", id="no comma in a list"),
    pytest.param("a = 09", 'At 1:5: parsing "09": invalid syntax', id="no octal number"),
    pytest.param("a = 99999999999999999999", 'At 1:5: parsing "99999999999999999999": value out of range', id="a huge number"),
    pytest.param("a = 1e999", 'At 1:5: parsing "1e999": value out of range', id="an infinite number"),
    pytest.param('a "b" = 1', "At 1:7: expected '{' after key 'a', got: ASSIGN", id="a label before ="),
    pytest.param("a = <<EOF\nx\n", "At 1:5: heredoc not terminated", id="an open heredoc"),
    pytest.param("a = << \n", "At 1:5: heredoc expected: << and a word alone on the line", id="no heredoc word"),
    pytest.param("/* a", "At 1:1: comment not terminated", id="an open comment"),
    pytest.param('{"a": }', "At 1:7: Expecting value", id="bad JSON"),
    pytest.param('{"a": NaN}', "At 1:1: invalid JSON value NaN", id="no JSON number"),
    pytest.param('a = "\udc80"', "At 1:6: illegal UTF-8 encoding", id="bytes that are no UTF-8"),
]


@pytest.mark.parametrize(("text", "value"), DOCUMENTS)
def test_a_document_becomes_plain_values(text, value):
    assert decode_hcl(text) == value


@pytest.mark.parametrize(("text", "message"), FAULTS)
def test_a_fault_is_named_with_its_place(text, message):
    with pytest.raises(DecodeError) as raised:
        decode_hcl(text)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "text",
    ["a {" * 100_000, "a = " + "[" * 100_000, '{"a":' * 100_000, '{"a":' + "[" * 500 + "]" * 500 + "}", '{"a":' + "1" * 10_000 + "}"],
    ids=["blocks", "lists", "JSON objects", "closed JSON lists", "a long JSON number"],
)
def test_no_depth_or_length_breaks_it(text):
    with pytest.raises(DecodeError):
        decode_hcl(text)


def test_the_depth_that_is_allowed():
    assert decode_hcl("a = " + "[" * DEEPEST + "]" * DEEPEST)
    with pytest.raises(DecodeError, match="nested more than 100 deep"):
        decode_hcl("a = " + "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))


WORDS = st.sampled_from(
    ['"', "a", "b_1", "=", "{", "}", "[", "]", ",", " ", "\n", "<<-A", "${", "\\", "0x", "1", ".", "e", "#", "/*", "true"]
)


@given(st.one_of(st.text(), st.lists(WORDS).map("".join)))
def test_any_text_decodes_or_is_refused(text):
    try:
        assert isinstance(decode_hcl(text), dict)
    except DecodeError as error:
        assert str(error).startswith("At ")


VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: text.replace("$", "")),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


def _written(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'


@given(st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9_]{0,8}\Z").filter(lambda name: name not in ("true", "false")), VALUES))
def test_what_is_written_is_read(document):
    assert decode_hcl("\n".join(f"{name} = {_written(value)}" for name, value in document.items())) == document
