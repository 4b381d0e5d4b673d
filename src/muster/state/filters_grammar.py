"""The language of filter expressions: text to a tree, or the position at which it stops making sense.

    input      = _? or _? end
    or         = and _ "or" _ or | and
    and        = not _ "and" _ and | not
    not        = "not" _ not | group
    group      = "(" _? or _? ")" | match
    match      = selector comparison value | selector emptiness | value membership selector
    comparison = _? ("==" | "!=") _? | _ "not"? ("contains" | "matches") _
    emptiness  = _ "is" _ ["not" _] "empty"
    membership = _ ["not" _] "in" _
    value      = selector | number | string
    selector   = identifier ("." identifier | "[" _? string _? "]")*
    number     = "-"? ("0" | [1-9][0-9]*) ("." [0-9]+)?        followed by _, ")" or the end
    string     = "`" … "`" | '"' … '"'                           the latter with Go's escapes
    _          = [ \\t\\r\\n]+

Alternatives are ordered and words are not reserved (`not in Node` asks for the text "not"), so the grammar is a parsing
expression grammar and is read as one: by descent, remembering the farthest failure, because that position is part of the
error text. An alternative never reads again what an earlier one read, so reading takes linear time.

Source: probed expression by expression on the peer.
"""

import re

from msgspec import Struct

from muster.model.errors import Rejected
from muster.state.filters_values import InvalidLiteral, unquote

LONGEST_EXPRESSION = 64 * 1024  # characters
DEEPEST_NESTING = 100  # parentheses and `not`, together

EQUAL = "Equal"
NOT_EQUAL = "Not Equal"
IN = "In"
NOT_IN = "Not In"
EMPTY = "Is Empty"
NOT_EMPTY = "Is Not Empty"
MATCHES = "Matches"
NOT_MATCHES = "Not Matches"


class Match(Struct, frozen=True):
    """One comparison; `value` is None for those that take none."""

    selector: tuple[str, ...]
    operator: str
    value: str | None = None


class Not(Struct, frozen=True):
    operand: "Expression"


class All(Struct, frozen=True):
    operands: "list[Expression]"


class Any(Struct, frozen=True):
    operands: "list[Expression]"


Expression = Match | Not | All | Any

_SPACE = re.compile(r"[ \t\r\n]+")
_IDENTIFIER = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_COMPARISONS = (("==", EQUAL), ("!=", NOT_EQUAL))


class _NoMatch(Exception):
    """An alternative does not fit; the next one may."""


def parse(text: str) -> Expression:
    """The tree of an expression; `Rejected` carries the peer's text without its head."""
    if len(text) > LONGEST_EXPRESSION:
        raise Rejected(f"expression of {len(text)} characters is longer than {LONGEST_EXPRESSION}")
    return _Parser(text).input()


class _Parser:
    """Where the reading stands. Methods return what they read, or raise `_NoMatch` and leave `position` anywhere."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.farthest = 0
        self.depth = 0
        self.errors: list[str] = []

    def input(self) -> Expression:
        tree: Expression | None = None
        try:
            self.optional_space()
            tree = self.any_of()
            self.optional_space()
            if self.position < len(self.text):
                self.fail()
        except _NoMatch:
            if not self.errors:
                raise Rejected(f"{self.place(self.farthest)}: no match found, expected: a filter expression") from None
        if self.errors or tree is None:
            raise Rejected("\n".join(dict.fromkeys(self.errors)))
        return tree

    def place(self, position: int) -> str:
        """`line:column (offset in bytes)`; a line's end counts to the next line, as column 0."""
        before = self.text[: position + 1]
        line = before.count("\n") + 1
        column = position - before.rfind("\n") if line > 1 else position + 1
        return f"{line}:{column} ({len(self.text[:position].encode('utf-8', 'surrogateescape'))})"

    def fail(self) -> None:
        """Nothing fits at this position."""
        self.farthest = max(self.farthest, self.position)
        raise _NoMatch

    def report(self, rule: str, what: str, position: int | None = None) -> None:
        """An error that makes the whole expression wrong, whatever else fits."""
        self.errors.append(f'{self.place(self.position if position is None else position)}: rule "{rule}": {what}')

    def literal(self, word: str) -> None:
        if not self.text.startswith(word, self.position):
            self.fail()
        self.position += len(word)

    def pattern(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.position)
        if found is None:
            self.fail()
            raise AssertionError
        self.position = found.end()
        return found[0]

    def optional_space(self) -> None:
        found = _SPACE.match(self.text, self.position)
        self.position = found.end() if found else self.position
        self.farthest = max(self.farthest, self.position)

    def space(self) -> None:
        self.pattern(_SPACE)
        self.farthest = max(self.farthest, self.position)

    def spaced(self, *words: str) -> None:
        for word in words:
            self.space()
            self.literal(word)

    def any_of(self) -> Expression:
        operands = [self.all_of()]
        while self.goes_on("or"):
            before = self.position
            try:
                self.space()
                operands.append(self.all_of())
            except _NoMatch:
                self.position = before - len("or")
                self.back_over_space()
                break
        return operands[0] if len(operands) == 1 else Any(operands)

    def all_of(self) -> Expression:
        operands = [self.negation()]
        while self.goes_on("and"):
            before = self.position
            try:
                self.space()
                operands.append(self.negation())
            except _NoMatch:
                self.position = before - len("and")
                self.back_over_space()
                break
        return operands[0] if len(operands) == 1 else All(operands)

    def goes_on(self, word: str) -> bool:
        """Whether the word follows behind space; if not, nothing was read."""
        start = self.position
        try:
            self.spaced(word)
        except _NoMatch:
            self.position = start
            return False
        return True

    def back_over_space(self) -> None:
        self.position = len(self.text[: self.position].rstrip(" \t\r\n"))

    def negation(self) -> Expression:
        start = self.position
        if self.text.startswith("not", start):
            self.deeper()
            try:
                self.position = start + len("not")
                self.space()
                return Not(self.negation())
            except _NoMatch:
                self.position = start
            finally:
                self.depth -= 1
        return self.group()

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST_NESTING:
            raise Rejected(f"expression is nested deeper than {DEEPEST_NESTING}")

    def group(self) -> Expression:
        if not self.text.startswith("(", self.position):
            return self.match()
        self.deeper()
        self.position += 1
        self.optional_space()
        tree = self.any_of()
        self.optional_space()
        self.depth -= 1
        if not self.text.startswith(")", self.position):
            self.report("grouping", "Unmatched parentheses")
            self.fail()
        self.position += 1
        return tree

    def match(self) -> Expression:
        start = self.position
        if _IDENTIFIER.match(self.text, start):
            selector = self.selector()
            end = self.position
            for alternative in (self.comparison, self.emptiness):
                self.position = end
                try:
                    return alternative(selector)
                except _NoMatch:
                    continue
            self.position = end
            value = ".".join(selector)
        else:
            value = self.value()
        return self.membership(value)

    def comparison(self, selector: tuple[str, ...]) -> Match:
        start = self.position
        self.optional_space()
        for sign, operator in _COMPARISONS:
            if self.text.startswith(sign, self.position):
                self.position += len(sign)
                self.optional_space()
                return Match(selector, operator, self.value())
        self.position = start
        operator = self.word({"contains": IN, "matches": MATCHES}, {"contains": NOT_IN, "matches": NOT_MATCHES})
        return Match(selector, operator, self.value())

    def word(self, plain: dict[str, str], negated: dict[str, str]) -> str:
        """The operator of `_ word _` or `_ not _ word _`."""
        self.space()
        words = plain
        if self.text.startswith("not", self.position):
            self.position += len("not")
            self.space()
            words = negated
        for word, operator in words.items():
            if self.text.startswith(word, self.position):
                self.position += len(word)
                self.space()
                return operator
        self.fail()
        raise AssertionError

    def emptiness(self, selector: tuple[str, ...]) -> Match:
        self.spaced("is")
        self.space()
        operator = EMPTY
        if self.text.startswith("not", self.position):
            self.position += len("not")
            self.space()
            operator = NOT_EMPTY
        self.literal("empty")
        return Match(selector, operator)

    def membership(self, value: str) -> Match:
        operator = self.word({"in": IN}, {"in": NOT_IN})
        if not _IDENTIFIER.match(self.text, self.position):
            self.report("match", "Invalid selector")
            self.fail()
        return Match(self.selector(), operator, value)

    def value(self) -> str:
        first = self.text[self.position : self.position + 1]
        if first and first in "-0123456789":
            return self.number()
        if first and first in '"`':
            return self.string()
        return ".".join(self.selector())

    def number(self) -> str:
        if self.text.startswith("-", self.position) and not _NUMBER.match(self.text, self.position):
            self.position += 1
        found = self.pattern(_NUMBER)
        after = self.text[self.position : self.position + 1]
        if after and after not in ") \t\r\n":
            self.report("number", "Invalid number literal")
            self.fail()
        self.farthest = max(self.farthest, self.position)
        return found

    def string(self) -> str:
        start = self.position
        quote = self.text[start]
        end = self.text.find(quote, start + 1)
        if end < 0:
            self.position = len(self.text)
            self.report("string", "Unterminated string literal")
            self.fail()
        self.position = end + 1
        try:
            return unquote(self.text[start : end + 1])
        except InvalidLiteral:
            self.report("string", "invalid syntax", start)
            return ""

    def selector(self) -> tuple[str, ...]:
        path = [self.pattern(_IDENTIFIER)]
        while True:
            self.farthest = max(self.farthest, self.position)
            following = self.text[self.position : self.position + 1]
            if following == ".":
                found = _IDENTIFIER.match(self.text, self.position + 1)
                if found is None:
                    self.farthest = max(self.farthest, self.position + 1)
                    return tuple(path)
                self.position = found.end()
                path.append(found[0])
            elif following == "[":
                path.append(self.index())
            else:
                return tuple(path)

    def index(self) -> str:
        self.position += 1
        self.optional_space()
        start = self.position
        if self.text[start : start + 1] not in ('"', "`"):
            self.report("index", "Invalid index")
            self.fail()
        try:
            name = self.string()
        except _NoMatch:
            self.report("index", "Invalid index", start)
            raise
        self.optional_space()
        if not self.text.startswith("]", self.position):
            self.report("index", "Unclosed index expression")
            self.fail()
        self.position += 1
        return name
