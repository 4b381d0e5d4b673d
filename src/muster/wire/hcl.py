"""HCL, version 1, into plain values: the language of configuration files and of access rules.

A document is a list of items, each with keys and a value:

    node_name = "web-1"                  # an attribute: a string, number, true, false, list or object
    ports { http = 8500 }                # a block, the same as  ports = { http = 8500 }
    key_prefix "app/" { policy = "write" }     # a block with a label, the same as  key_prefix { "app/" { … } }

The result follows the rule that Consul's readers rely on: an object that stands outside a list becomes a *list of
one dict*, and a repeated key appends to that list, so `key "a" {…} key "b" {…}` is `{"key": [{"a": [{…}]}, {"b": [{…}]}]}`.
Objects inside a list are plain dicts. A repeated attribute appends if both are lists, else the last one stands.
Text that begins with `{` is JSON and gives the same shapes.

Every error is a `DecodeError` that begins `At line:column:`.
Source: the HCL 1 specification in words, and the answers of `consul validate` 1.8.7.
"""

import json
from typing import Any

from muster.model.errors import DecodeError
from muster.wire.hcl_tokens import Kind, Token, position, tokenize

DEEPEST = 100  # nested objects and lists; real documents have under 10

Document = dict[str, Any]


def decode_hcl(text: str) -> Document:
    """The items of an HCL (or JSON) document. `DecodeError` names line and column of what is wrong."""
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return _decode_json(text.lstrip("\ufeff"))
    return _Parser(text).document()


class _Parser:
    """Recursive descent over the tokens of one document; the depth is bounded by DEEPEST."""

    def __init__(self, text: str) -> None:
        self.tokens = tokenize(text)
        self.at = 0
        self.depth = 0

    def document(self) -> Document:
        return self._items(Kind.END)

    def _peek(self) -> Token:
        return self.tokens[self.at]

    def _next(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def _items(self, closing: Kind) -> Document:
        """Items up to the token `closing`, which is consumed."""
        found: Document = {}
        while self._peek().kind is not closing:
            keys, value = self._item()
            _put(found, keys, value)
            if self._peek().kind is Kind.COMMA:
                self._next()
        if closing is not Kind.END:
            self._next()
        return found

    def _item(self) -> tuple[list[str], object]:
        keys = self._keys()
        if self._peek().kind is Kind.ASSIGN:
            self._next()
            value = self._value()
            return keys, [value] if isinstance(value, dict) else value
        return keys, [self._object()]

    def _keys(self) -> list[str]:
        """The key and the labels of an item; the token after them is `=` or `{`."""
        keys: list[str] = []
        while True:
            token = self._peek()
            if token.kind in (Kind.IDENT, Kind.STRING):
                keys.append(str(self._next().value))
            elif not keys:
                raise _unexpected(token, "object expected closing RBRACE" if token.kind is Kind.END else "expected a key")
            elif token.kind is Kind.LBRACE or (token.kind is Kind.ASSIGN and len(keys) == 1):
                return keys
            else:
                wanted = "'=' or '{'" if len(keys) == 1 else "'{'"
                raise _unexpected(token, f"expected {wanted} after key {keys[0]!r}")

    def _value(self) -> object:
        token = self._peek()
        match token.kind:
            case Kind.STRING | Kind.NUMBER | Kind.BOOL:
                return self._next().value
            case Kind.LBRACE:
                return self._object()
            case Kind.LBRACKET:
                return self._list()
            case _:
                raise _unexpected(token, "expected a value")

    def _object(self) -> Document:
        self._enter()
        self._next()
        items = self._items(Kind.RBRACE)
        self.depth -= 1
        return items

    def _list(self) -> list[object]:
        self._enter()
        self._next()
        found: list[object] = []
        while True:
            token = self._peek()
            if token.kind is Kind.RBRACKET:
                self._next()
                self.depth -= 1
                return found
            if token.kind is Kind.COMMA:
                self._next()
                continue
            found.append(self._value())
            if self._peek().kind not in (Kind.COMMA, Kind.RBRACKET):
                raise _unexpected(self._peek(), "error parsing list, expected comma or list end")

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            token = self._peek()
            raise DecodeError(f"At {token.line}:{token.column}: nested more than {DEEPEST} deep")


def _put(found: Document, keys: list[str], value: object) -> None:
    """Adds one item; labels become nested objects, lists of one key are joined."""
    for label in reversed(keys[1:]):
        value = [{label: value}]
    present = found.get(keys[0])
    if isinstance(present, list) and isinstance(value, list):
        present.extend(value)
    else:
        found[keys[0]] = value


def _unexpected(token: Token, wanted: str) -> DecodeError:
    return DecodeError(f"At {token.line}:{token.column}: {wanted}, got: {token.shown()}")


def _decode_json(text: str) -> Document:
    """A JSON object in HCL's shapes."""
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise DecodeError(f"At {error.lineno}:{error.colno}: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        line, column = position(text, 0)
        raise DecodeError(f"At {line}:{column}: {error}") from None
    return _from_pairs(pairs, 1)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its members in order, repeated keys kept."""


def _no_constant(name: str) -> object:
    raise ValueError(f"invalid JSON value {name}")


def _from_pairs(pairs: _Pairs, depth: int) -> Document:
    found: Document = {}
    for key, value in pairs:
        plain = _from_json(value, depth + 1)
        _put(found, [key], [plain] if isinstance(plain, dict) else plain)
    return found


def _from_json(value: object, depth: int) -> object:
    if depth > DEEPEST:
        raise DecodeError(f"At 1:1: nested more than {DEEPEST} deep")
    if isinstance(value, _Pairs):
        return _from_pairs(value, depth)
    if isinstance(value, list):
        return [_from_json(element, depth + 1) for element in value]
    return value
