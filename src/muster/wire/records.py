"""Records to the maps of the msgpack wire and back, from their field types.

On the wire a record is a map with Go's field names, sorted, all of them always there. Reading is lenient like Go's decoder:
missing fields and nil give the default, unknown fields are passed over, a list stands for the fields in sorted order.

Source: reference of the RPC wire, "The msgpack dialect".
"""

import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import msgspec

from muster.model.errors import DecodeError

R = TypeVar("R", bound=msgspec.Struct)
Convert = Callable[[Any], Any]


def from_wire(record_type: type[R], value: Any) -> R:
    """The record that a map of the wire stands for; `DecodeError` names the field that is wrong."""
    record: R = decoder(record_type)(value)
    return record


@cache
def encoder(record_type: type[msgspec.Struct]) -> Convert:
    """A function made for the type: one dictionary display, because commands are encoded on the hot path."""
    names: dict[str, Any] = {}
    parts = []
    for wire, attribute, annotation in sorted(fields_of(record_type)):
        parts.append(f"{wire!r}: {encode_expression(f'r.{attribute}', annotation, names)}")
    made: Convert = eval(f"lambda r: {{{', '.join(parts)}}}", names)
    return made


def fields_of(record_type: type[msgspec.Struct]) -> list[tuple[str, str, Any]]:
    """Name on the wire, attribute and annotation of each field."""
    hints = typing.get_type_hints(record_type)
    return [
        (wire, attribute, hints[attribute]) for wire, attribute in zip(record_type.__struct_encode_fields__, record_type.__struct_fields__)
    ]


def encode_expression(value: str, annotation: Any, names: dict[str, Any]) -> str:
    """Python source that turns `value` of this type into what the packer takes."""
    annotation, optional = without_none(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if is_record(annotation):
        name = f"e{len(names)}"
        names[name] = encoder(annotation)
        made = f"{name}({value})"
    elif origin is list and is_record(arguments[0]):
        made = f"[{encode_expression('x', arguments[0], names)} for x in {value}]"
    elif origin is dict and is_record(arguments[1]):
        made = f"{{k: {encode_expression('x', arguments[1], names)} for k, x in {value}.items()}}"
    elif origin is tuple:  # a request's hashable list, or map of pairs; empty is nil
        kind = "dict" if typing.get_origin(arguments[0]) is tuple else "list"
        return f"({kind}({value}) if {value} else None)"
    else:
        return value
    return f"(None if {value} is None else {made})" if optional else made


@cache
def decoder(record_type: type[msgspec.Struct]) -> Convert:
    """A function that makes the record of a map (or list) of the wire."""
    fields = [(wire, attribute, _converter(annotation)) for wire, attribute, annotation in sorted(fields_of(record_type))]
    order = [wire for wire, _, _ in fields]

    def decode(value: Any) -> Any:
        if isinstance(value, list):
            value = dict(zip(order, value))
        elif not isinstance(value, dict):
            raise DecodeError(f"{record_type.__name__}: expected a map, got {type(value).__name__}")
        found = {}
        get = value.get
        for wire, attribute, convert in fields:
            given = get(wire)
            if given is not None:
                try:
                    found[attribute] = convert(given)
                except DecodeError as error:
                    raise DecodeError(f"{wire}: {error}") from error
        return record_type(**found)

    return decode


def _converter(annotation: Any) -> Convert:
    annotation, _ = without_none(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if is_record(annotation):
        return lambda value: decoder(annotation)(value)
    if origin is list:
        return _list_of(_converter(arguments[0]))
    if origin is dict:
        return _map_of(_converter(arguments[1]))
    if origin is tuple:
        if typing.get_origin(arguments[0]) is tuple:
            return lambda value: tuple(_map_of(_text)(value).items())
        return lambda value: tuple(_list_of(_converter(arguments[0]))(value))
    return _SCALARS.get(annotation, _anything)


def without_none(annotation: Any) -> tuple[Any, bool]:
    """An annotation without `| None`, and whether it had it."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        rest = [argument for argument in typing.get_args(annotation) if argument is not types.NoneType]
        return rest[0], True
    return annotation, False


def is_record(annotation: Any) -> bool:
    """Whether an annotation is a record's type."""
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


def _list_of(convert: Convert) -> Convert:
    def decode(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise DecodeError(f"expected a list, got {type(value).__name__}")
        return [convert(item) for item in value]

    return decode


def _map_of(convert: Convert) -> Convert:
    def decode(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise DecodeError(f"expected a map, got {type(value).__name__}")
        return {_text(key): convert(item) for key, item in value.items()}

    return decode


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if value is None:
        return ""
    raise DecodeError(f"expected a text, got {type(value).__name__}")


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return value
    raise DecodeError(f"expected bytes, got {type(value).__name__}")


def _integer(value: Any) -> int:
    if type(value) is int:
        return value
    if value is None:
        return 0
    raise DecodeError(f"expected an integer, got {type(value).__name__}")


def _number(value: Any) -> float:
    if type(value) in (float, int):
        return float(value)
    raise DecodeError(f"expected a number, got {type(value).__name__}")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise DecodeError(f"expected a boolean, got {type(value).__name__}")


def _anything(value: Any) -> Any:
    return value


_SCALARS: dict[Any, Convert] = {str: _text, bytes: _bytes, int: _integer, float: _number, bool: _boolean, Any: _anything}
