"""Records straight to the bytes of the msgpack wire, without maps in between: what every write is encoded with.

`packer(type)(record)` gives the same bytes as `msgpack.pack(encoder(type)(record))` in a third of the time. The function of a type is
made from its fields: the names are constants, and a record inside it that is as it was made (most of a service is) is one, too.
"""

import typing
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec

from muster.wire.msgpack import pack
from muster.wire.records import encode_expression, fields_of, is_record, without_none

Pack = Callable[[Any], bytes]

FEW = frozenset(("Datacenter", "Op", "Verb", "Status"))
"""Fields, all of them texts, that hold few different ones."""
SHORT = 64  # characters
REMEMBERED = 256

_NIL = b"\xc0"
_SHORT = [bytes((0xA0 + length,)) for length in range(32)]
_SMALL = [bytes((number,)) for number in range(128)]


def raw(content: str | bytes) -> bytes:
    """A text or bytes behind their length."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")
    length = len(data)
    if length < 32:
        return _SHORT[length] + data
    return (b"\xda" + length.to_bytes(2, "big") if length < 65536 else b"\xdb" + length.to_bytes(4, "big")) + data


class _FewTexts(dict[str, bytes]):
    """The bytes of texts that come again and again, such as the name of the datacenter."""

    def __missing__(self, text: str) -> bytes:
        if len(self) >= REMEMBERED:
            self.clear()
        packed = raw(text)
        if len(text) <= SHORT:
            self[text] = packed
        return packed


@cache
def packer(record_type: type[msgspec.Struct], lead: bytes = b"") -> Pack:
    """A function made for the type: one display of pieces, which are joined. `lead` comes before them."""
    fields = sorted(fields_of(record_type))
    names: dict[str, Any] = {"raw": raw, "pack": pack, "small": _SMALL, "nil": _NIL, "few": _FewTexts()}
    constant = lead + pack(dict.fromkeys(range(len(fields))))[: 1 if len(fields) < 16 else 3]
    parts = []
    for wire, attribute, annotation in fields:
        constant += raw(wire)
        piece = f"few[r.{attribute}]" if wire in FEW else _expression(f"r.{attribute}", annotation, names)
        parts.append(f"{constant!r}, {piece}")
        constant = b""
    made: Pack = eval(f"lambda r: b''.join(({', '.join(parts)}))", names)
    return made


def _expression(value: str, annotation: Any, names: dict[str, Any]) -> str:
    """Python source of the bytes of `value`."""
    annotation, optional = without_none(annotation)
    made = _of_type(value, annotation, names)
    return f"nil if {value} is None else {made}" if optional else made


def _of_type(value: str, annotation: Any, names: dict[str, Any]) -> str:
    if annotation is str or annotation is bytes:
        return f"raw({value}) if {value} else b'\\xa0'"
    if annotation is int:
        return f"small[{value}] if 0 <= {value} < 128 else pack({value})"
    if annotation is bool:
        return f"b'\\xc3' if {value} else b'\\xc2'"
    if is_record(annotation):
        return _of_record(value, annotation, names)
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is list and is_record(arguments[0]):
        name = f"n{len(names)}"
        names[name] = _list_packer(packer(arguments[0]))
        return f"{name}({value})"
    return f"pack({encode_expression(value, annotation, names)})"


def _of_record(value: str, annotation: type[msgspec.Struct], names: dict[str, Any]) -> str:
    name = f"n{len(names)}"
    names[name] = packer(annotation)
    made = f"{name}({value})"
    if annotation.__struct_defaults__ and len(annotation.__struct_defaults__) == len(annotation.__struct_fields__):
        default = annotation()
        names[f"{name}_default"], names[f"{name}_bytes"] = default, names[name](default)
        made = f"{name}_bytes if {value} == {name}_default else {made}"
    return made


def _list_packer(pack_item: Pack) -> Callable[[Sequence[Any]], bytes]:
    def packed(items: Sequence[Any]) -> bytes:
        return _list_head(len(items)) + b"".join([pack_item(item) for item in items])

    return packed


def _list_head(count: int) -> bytes:
    if count < 16:
        return bytes((0x90 + count,))
    return b"\xdc" + count.to_bytes(2, "big") if count < 65536 else b"\xdd" + count.to_bytes(4, "big")
