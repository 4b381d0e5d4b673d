"""JSON of callers and of files to typed records, as leniently and as strictly as Go's decoder does it.

Names match in any case and with or without underscores, so that one path reads API bodies and configuration files. A null leaves
the zero value, an unknown name is refused, a type that does not fit names field and type.
"""

import json
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec

from muster.model.durations import InvalidDuration, parse_duration
from muster.model.errors import BadRequest

R = TypeVar("R", bound=msgspec.Struct)
Convert = Callable[[Any, str], Any]

DURATION = "duration"
Duration = Annotated[int, DURATION]
"""Nanoseconds; read from a text such as `10s` or from a number of nanoseconds."""


class Mismatch(ValueError):
    """The value does not fit the record; the message is what Go's decoder says."""


def read_json(body: bytes) -> Any:
    """The first value of a body; what follows it is passed over. `BadRequest` says what is wrong."""
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise BadRequest("Request decode failed: EOF")
    try:
        value, _ = _decoder.raw_decode(text)
    except json.JSONDecodeError as error:
        raise BadRequest(f"Request decode failed: {_syntax(text, error)}") from error
    except RecursionError as error:
        raise BadRequest("Request decode failed: json: exceeded max depth") from error
    return value


def _reject_constants(text: str) -> Any:
    raise json.JSONDecodeError("constant", text, 0)


_decoder = json.JSONDecoder(parse_constant=_reject_constants, strict=True)


def _syntax(text: str, error: json.JSONDecodeError) -> str:
    position = min(error.pos, len(text))
    if error.msg.startswith("Unterminated") or not text[position:].strip():
        return "unexpected EOF"
    return f"invalid character {text[position]!r} looking for beginning of value"


def from_json(record_type: type[R], value: Any) -> R:
    """The record of a decoded value, or `BadRequest` with the text that follows `Request decode failed:`."""
    try:
        return decode_record(record_type, value)
    except (Mismatch, InvalidDuration) as error:
        raise BadRequest(f"Request decode failed: {error}") from error


def decode_record(record_type: type[R], value: Any, strict: bool = True) -> R:
    """The record of a decoded value; `Mismatch` or `InvalidDuration` names what is wrong.

    Not `strict` passes over names that it does not know, as in files that a newer version wrote.
    """
    record: R = _record_converter(record_type, strict)(value, "")
    return record


@cache
def _record_converter(record_type: type[msgspec.Struct], strict: bool = True) -> Convert:
    hints = typing.get_type_hints(record_type, include_extras=True)
    fields: dict[str, tuple[str, str, Convert]] = {}
    zeros: dict[str, Callable[[], Any]] = {}
    for wire, attribute in zip(record_type.__struct_encode_fields__, record_type.__struct_fields__):
        fields[plain(wire)] = (attribute, wire, _converter(hints[attribute], strict))
        zeros[attribute] = _zero(hints[attribute])
    for alias, name in getattr(record_type, "ALIASES", {}).items():
        fields[alias] = fields[name]

    def convert(value: Any, name: str) -> Any:
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise Mismatch(_mismatch(value, name, f"structs.{record_type.__name__}"))
        found = {}
        for key, item in value.items():
            field = fields.get(plain(key))
            if field is None:
                if not strict:
                    continue
                raise Mismatch(f'json: unknown field "{key}"')
            attribute, wire, convert_item = field
            if item is not None:
                found[attribute] = convert_item(item, wire)
        for attribute, zero in zeros.items():
            if attribute not in found:
                found[attribute] = zero()
        return record_type(**found)

    return convert


def plain(name: str) -> str:
    """A name as names are compared."""
    return name.replace("_", "").lower()


def _zero(annotation: Any) -> Callable[[], Any]:
    """What Go's zero value of the type is here."""
    if typing.get_origin(annotation) is Annotated:
        return int
    if typing.get_origin(annotation) in (types.UnionType, typing.Union) or annotation is Any:
        return lambda: None
    if annotation in (str, int, bool, float):
        zero: Callable[[], Any] = annotation
        return zero
    return lambda: _record_converter(annotation)({}, "")


def _converter(annotation: Any, strict: bool) -> Convert:
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _duration
    if origin in (types.UnionType, typing.Union):
        return _converter(next(part for part in typing.get_args(annotation) if part is not types.NoneType), strict)
    arguments = typing.get_args(annotation)
    if origin is list:
        return _list_of(_converter(arguments[0], strict), _go_name(annotation))
    if origin is dict:
        return _map_of(_converter(arguments[1], strict), _go_name(annotation))
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return lambda value, name: _record_converter(annotation, strict)(value, name)
    return _SCALARS.get(annotation, _anything)


def _list_of(convert: Convert, go_name: str) -> Convert:
    def decode(value: Any, name: str) -> list[Any]:
        if not isinstance(value, list):
            raise Mismatch(_mismatch(value, name, go_name))
        return [convert(item, name) if item is not None else convert({}, name) if go_name.startswith("structs") else "" for item in value]

    return decode


def _map_of(convert: Convert, go_name: str) -> Convert:
    def decode(value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Mismatch(_mismatch(value, name, go_name))
        return {str(key): convert(item, name) for key, item in value.items()}

    return decode


def _go_name(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list:
        inner = _go_name(arguments[0])
        return "structs.CheckTypes" if inner == "structs.CheckType" else f"[]{inner}"
    if origin is dict:
        return f"map[string]{_go_name(arguments[1])}"
    if annotation in (str, int, bool):
        return {str: "string", int: "int", bool: "bool"}[annotation]
    return f"structs.{annotation.__name__}" if isinstance(annotation, type) else "interface {}"


def _mismatch(value: Any, name: str, go_name: str) -> str:
    kinds = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    where = f"Go struct field .{name}" if name else "Go value"
    return f"json: cannot unmarshal {kinds.get(type(value), 'object')} into {where} of type {go_name}"


def _text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    raise Mismatch(_mismatch(value, name, "string"))


def _integer(value: Any, name: str) -> int:
    if type(value) is int and -(1 << 63) <= value < 1 << 63:
        return value
    raise Mismatch(_mismatch(value, name, "int"))


def _number(value: Any, name: str) -> float:
    if type(value) in (int, float):
        return float(value)
    raise Mismatch(_mismatch(value, name, "float64"))


def _boolean(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    raise Mismatch(_mismatch(value, name, "bool"))


def _duration(value: Any, name: str) -> int:
    if isinstance(value, str):
        return parse_duration(value)
    return int(value) if type(value) in (int, float) else 0  # other types are passed over, as the peers do


def _anything(value: Any, name: str) -> Any:
    return value


_SCALARS: dict[Any, Convert] = {str: _text, int: _integer, float: _number, bool: _boolean, Any: _anything}
