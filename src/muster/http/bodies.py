"""JSON bodies of requests into records, as Go's decoder reads them.

Names match in any case, null leaves the zero value, an unknown name or a value of the wrong type is an error. Bytes are
base64 texts. Durations are texts such as `10s` or numbers of nanoseconds. What follows the first value is not looked at.
"""

import binascii
import json
import types
import typing
from collections.abc import Callable, Set
from functools import cache
from typing import Any, TypeVar

import msgspec

from muster.model.catalog import HealthCheckDefinition
from muster.model.durations import InvalidDuration, parse_duration
from muster.model.errors import BadRequest
from muster.model.operator import AutopilotConfig
from muster.model.sessions import Session

R = TypeVar("R", bound=msgspec.Struct)
Convert = Callable[[Any], Any]

DEEPEST = 100  # lists and objects inside each other; no record is deeper than ten, but Proxy.Config may hold anything
DURATIONS: dict[type, frozenset[str]] = {
    HealthCheckDefinition: frozenset(("interval", "timeout", "deregister_critical_service_after", "ttl")),
    AutopilotConfig: frozenset(("last_contact_threshold", "server_stabilization_time")),
}
LENIENT = frozenset((Session, HealthCheckDefinition))
"""Records whose decoders at the peers pass unknown names over; everywhere else they are refused."""
SMALLEST, LARGEST = -(1 << 63), (1 << 64) - 1


class WrongBody(ValueError):
    """The body does not decode; the message is what Go's decoder would say of it, in short."""


def read_json(body: bytes) -> Any:
    """The first JSON value of a body; `WrongBody` if there is none, or if it nests too deeply."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        value = _read_first(body)
    except RecursionError as error:
        raise WrongBody("exceeded max depth") from error
    if body.count(b"[") + body.count(b"{") > DEEPEST and _is_too_deep(value):
        raise WrongBody("exceeded max depth")
    return value


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if type(outer) in _CONTAINERS
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) in _CONTAINERS
        ]
        if not level:
            return False
    return True


_CONTAINERS = frozenset((dict, list))


def _read_first(body: bytes) -> Any:
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise WrongBody("EOF")
    try:
        return json.JSONDecoder(parse_constant=_refuse_constant).raw_decode(text)[0]
    except json.JSONDecodeError as error:
        if error.pos >= len(text) or error.msg.startswith("Unterminated"):
            raise WrongBody("unexpected EOF") from error
        raise WrongBody(f"invalid character {text[error.pos]!r} looking for beginning of value") from error
    except RecursionError as error:
        raise WrongBody("exceeded max depth") from error
    except WrongBody:
        raise
    except ValueError as error:  # Python reads no number of thousands of digits
        raise WrongBody("number out of range") from error


def _refuse_constant(name: str) -> Any:
    raise WrongBody(f"invalid character {name[0]!r} looking for beginning of value")


def decode(record_type: type[R], body: bytes, complaint: str = "Request decode failed: ") -> R:
    """The record that a body holds; `BadRequest` with the complaint and the reason."""
    try:
        return from_json(record_type, read_json(body))
    except (WrongBody, InvalidDuration) as error:
        raise BadRequest(f"{complaint}{error}") from error


def from_json(record_type: type[R], value: Any) -> R:
    """The record of a decoded value; `WrongBody` or `InvalidDuration` says what is wrong."""
    record: R = converter(record_type)(value)
    return record


def lower_names(value: Any, known: Set[str] = frozenset()) -> dict[str, Any]:
    """An object by lower-case names, which must be among the known ones if any are given. Null is an empty object."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise WrongBody(mismatch(value, "object"))
    lowered = {name.lower(): item for name, item in value.items()}
    if known and not lowered.keys() <= known:
        unknown = next(name for name in value if name.lower() not in known)
        raise WrongBody(f'json: unknown field "{unknown}"')
    return lowered


def mismatch(value: Any, wanted: str) -> str:
    kinds: dict[type, str] = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    return f"json: cannot unmarshal {kinds.get(type(value), 'value')} into Go value of type {wanted}"


@cache
def converter(record_type: type[msgspec.Struct]) -> Convert:
    """A function made for the type."""
    hints = typing.get_type_hints(record_type)
    durations = DURATIONS.get(record_type, frozenset())
    strict = record_type not in LENIENT
    fields = {}
    zeros = {}
    for field in msgspec.structs.fields(record_type):
        attribute, annotation = field.name, hints[field.name]
        found = (attribute, _duration if attribute in durations else _converter(annotation))
        fields[field.encode_name.lower()] = fields[field.encode_name] = found  # most bodies spell the names as the records do
        if annotation in (int, bool) and field.default != annotation():
            zeros[attribute] = annotation()  # Go's zero, where the record's own default is another

    def convert(value: Any) -> Any:
        if value is None:
            value = {}
        elif type(value) is not dict:
            raise WrongBody(mismatch(value, record_type.__name__))
        found = dict(zeros)
        for name, item in value.items():
            field = fields.get(name) or fields.get(name.lower())
            if field is None:
                if strict:
                    raise WrongBody(f'json: unknown field "{name}"')
            elif item is not None:
                found[field[0]] = field[1](item)
        return record_type(**found)

    return convert


def _converter(annotation: Any) -> Convert:
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        annotation = next(part for part in typing.get_args(annotation) if part is not types.NoneType)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return lambda value: converter(annotation)(value)
    if origin is list:
        return _list_of(_converter(arguments[0]), arguments[0])
    if origin is dict:
        return _map_of(_converter(arguments[1]), arguments[1])
    return _SCALARS.get(annotation, _anything)


def _zero(annotation: Any) -> Any:
    return {str: "", int: 0, float: 0.0, bool: False}.get(annotation, {} if isinstance(annotation, type) else None)


def _list_of(convert: Convert, item_type: Any) -> Convert:
    zero = _zero(item_type)

    def decode(value: Any) -> list[Any]:
        if type(value) is not list:
            raise WrongBody(mismatch(value, "list"))
        return [convert(zero if item is None else item) for item in value]

    return decode


def _map_of(convert: Convert, item_type: Any) -> Convert:
    zero = _zero(item_type)

    def decode(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise WrongBody(mismatch(value, "map"))
        return {name: convert(zero if item is None else item) for name, item in value.items()}

    return decode


def text(value: Any) -> str:
    if type(value) is not str:
        raise WrongBody(mismatch(value, "string"))
    return value


def integer(value: Any) -> int:
    if type(value) is not int or not SMALLEST <= value <= LARGEST:
        raise WrongBody(mismatch(value, "int"))
    return value


def unsigned(value: Any) -> int:
    """A number that fits into 64 bits without a sign."""
    if integer(value) < 0:
        raise WrongBody(mismatch(value, "uint64"))
    return int(value)


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise WrongBody(mismatch(value, "float64"))
    return float(value)


def boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise WrongBody(mismatch(value, "bool"))
    return value


def base64_bytes(value: Any) -> bytes | None:
    """Bytes of a base64 text. Go skips line ends in it and nothing else."""
    given = text(value).replace("\n", "").replace("\r", "")
    try:
        return binascii.a2b_base64(given.encode("ascii"), strict_mode=True) if given else b""
    except (binascii.Error, UnicodeEncodeError) as error:
        raise WrongBody("illegal base64 data") from error


def _duration(value: Any) -> int:
    if type(value) is str:
        return parse_duration(value) if value else 0
    return int(value) if type(value) in (int, float) else 0  # other types are passed over, as by the peers


def duration(value: Any) -> int:
    """Nanoseconds of a text or a number."""
    return _duration(value)


def _anything(value: Any) -> Any:
    return value


_SCALARS: dict[Any, Convert] = {str: text, int: integer, float: _number, bool: boolean, bytes: base64_bytes, Any: _anything}
