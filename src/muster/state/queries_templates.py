"""Templates of prepared queries: texts with `${…}` in them, filled in from the name that was asked for.

Known are `name.full`, `name.prefix` (the template's own name), `name.suffix` (the rest), `agent.segment` and `match(N)`, the N-th
group of the template's regular expression over the full name. `$${` stands for `${`.

Source: answers of Consul 1.8.7 to right and wrong templates.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from muster.model.errors import CommandFailed
from muster.model.queries import TEMPLATE_NAME_PREFIX_MATCH, PreparedQuery, QueryService
from muster.state.filters_patterns import InvalidPattern, compile_pattern

VARIABLES = ("name.full", "name.prefix", "name.suffix", "agent.segment")
LONGEST_TEXT = 4096  # characters of one template text
_EXPRESSION = re.compile(r"\s*(?:([A-Za-z_][\w.]*)|(-?\d+))\s*(?:\(\s*(.*?)\s*\))?\s*")
_INTEGER = re.compile(r"-?\d+")


class Values(Struct, frozen=True):
    """What a text may use: the variables, and the groups of the regular expression."""

    variables: Mapping[str, str]
    groups: tuple[str, ...]


class Template:
    """A compiled template; `render` makes the query for a name. `CommandFailed` for a template that never could."""

    def __init__(self, query: PreparedQuery) -> None:
        self.query = query
        if query.template.type != TEMPLATE_NAME_PREFIX_MATCH:
            raise CommandFailed(f"Bad Template.Type '{query.template.type}'")
        self.pattern: Any = None
        if query.template.regexp:
            try:
                self.pattern = compile_pattern(query.template.regexp)
            except InvalidPattern as error:
                raise CommandFailed(f"Bad Regexp: {error}") from error
        _filled(query.service, Values(dict.fromkeys(VARIABLES, ""), ()))

    def render(self, name: str, segment: str) -> PreparedQuery:
        """The query that the template is for this name."""
        query = self.query
        groups: tuple[str, ...] = ()
        if self.pattern is not None:
            found = self.pattern.search(name)
            groups = (found.group(0), *(group or "" for group in found.groups())) if found is not None else ()
        prefix = query.name
        suffix = name[len(prefix) :] if name.startswith(prefix) else name
        values = Values({"name.full": name, "name.prefix": prefix, "name.suffix": suffix, "agent.segment": segment}, groups)
        service = _filled(query.service, values)
        if query.template.remove_empty_tags:
            service = replace(service, tags=[tag for tag in service.tags or () if tag] or None)
        return replace(query, service=service)


def _filled(service: QueryService, values: Values) -> QueryService:
    """The service part with all of its texts filled in."""

    def fill(path: str, text: str) -> str:
        return filled(text, f"Service.{path}", values)

    failover = service.failover
    return replace(
        service,
        service=fill("Service", service.service),
        near=fill("Near", service.near),
        tags=_each(service.tags, "Tags", fill),
        node_meta=_of_map(service.node_meta, "NodeMeta", fill),
        service_meta=_of_map(service.service_meta, "ServiceMeta", fill),
        failover=replace(failover, datacenters=_each(failover.datacenters, "Failover.Datacenters", fill)),
    )


def _each(texts: list[str] | None, path: str, fill: Callable[[str, str], str]) -> list[str] | None:
    return None if texts is None else [fill(f"{path}[{number}]", text) for number, text in enumerate(texts)]


def _of_map(texts: dict[str, str] | None, path: str, fill: Callable[[str, str], str]) -> dict[str, str] | None:
    return None if texts is None else {key: fill(f"{path}[{key}]", text) for key, text in texts.items()}


def filled(text: str, path: str, values: Values) -> str:
    """The text with its expressions replaced; `CommandFailed` names the text, the path and the fault."""
    if "${" not in text:
        return text
    if len(text) > LONGEST_TEXT:
        raise CommandFailed(f"Bad format in {path}: longer than {LONGEST_TEXT} characters")
    parts, position = [], 0
    while (start := text.find("${", position)) >= 0:
        if start > 0 and text[start - 1] == "$":
            parts.append(text[position : start - 1] + "${")
            position = start + 2
            continue
        end = text.find("}", start)
        if end < 0:
            raise _bad_format(text, path)
        parts.append(text[position:start])
        parts.append(_value(text, start, end, path, values))
        position = end + 1
    return "".join(parts) + text[position:]


def _value(text: str, start: int, end: int, path: str, values: Values) -> str:
    found = _EXPRESSION.fullmatch(text, start + 2, end)
    if found is None or (found[2] is not None and found[3] is not None):
        raise _bad_format(text, path)
    name, number, argument = found.groups()
    if number is not None:
        return str(int(number))
    column = text.index(name, start) + 1
    if argument is None:
        if name not in values.variables:
            raise _bad_evaluation(text, path, f"1:{column}: unknown variable accessed: {name}")
        return values.variables[name]
    if name != "match":
        raise _bad_evaluation(text, path, f"1:{column}: unknown function called: {name}")
    argument = argument.strip('"') if argument.startswith('"') else argument
    if not argument:
        raise _bad_format(text, path)
    if not _INTEGER.fullmatch(argument):
        raise _bad_evaluation(text, path, f'__builtin_StringToInt: strconv.ParseInt: parsing "{argument}": invalid syntax')
    place = int(argument)
    return values.groups[place] if 0 <= place < len(values.groups) else ""


def _bad_format(text: str, path: str) -> CommandFailed:
    return CommandFailed(f"Bad format '{text}' in {path}: parse error: syntax error")


def _bad_evaluation(text: str, path: str, why: str) -> CommandFailed:
    return CommandFailed(f"Bad evaluation for '{text}' in {path}: {why}")
