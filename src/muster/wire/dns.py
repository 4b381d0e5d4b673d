"""DNS messages: our own encoder and decoder, made for answering many small questions fast.

A message is a 12-byte header (id, flags, four counts, all big-endian u16), then questions, answers, authority and additional
records. A name is a chain of labels (length byte, then that many bytes) that ends in a zero byte or in a pointer (two bytes,
the upper two bits set) to an earlier name. Compression follows what the peers' library does, since the size of a message decides
how many answers fit: the names of all records are remembered, those inside the data of SRV records are not shortened.

Source: RFC 1035 section 4, RFC 2782 (SRV), RFC 6891 (EDNS).
"""

import struct
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from muster.model.errors import DecodeError

TYPE_A = 1
TYPE_NS = 2
TYPE_CNAME = 5
TYPE_SOA = 6
TYPE_PTR = 12
TYPE_TXT = 16
TYPE_AAAA = 28
TYPE_SRV = 33
TYPE_OPT = 41
TYPE_AXFR = 252
TYPE_ANY = 255
CLASS_IN = 1

NO_ERROR = 0
FORMAT_ERROR = 1
SERVER_FAILURE = 2
NAME_ERROR = 3
NOT_IMPLEMENTED = 4
REFUSED = 5

FLAG_RESPONSE = 0x8000
FLAG_AUTHORITATIVE = 0x0400
FLAG_TRUNCATED = 0x0200
FLAG_RECURSION_DESIRED = 0x0100
FLAG_RECURSION_AVAILABLE = 0x0080
OPCODE_MASK = 0x7800

PLAIN_UDP_SIZE = 512  # bytes that every asker takes
LARGEST_POINTER = 0x3FFF
LONGEST_NAME = 255  # bytes on the wire
LONGEST_LABEL = 63
OPTION_CLIENT_SUBNET = 8

_HEADER = struct.Struct(">HHHHHH")
_RECORD = struct.Struct(">HHIH")


class Question(Struct, frozen=True, gc=False):
    """What is asked. `name` keeps the asker's case, has its labels escaped like `a\\.b`, and ends in a dot."""

    name: str
    type: int
    kind: int = CLASS_IN


class Record(Struct, frozen=True, gc=False):
    """One resource record; `data` by type: an address text, a name, SRV/SOA tuples, a tuple of TXT texts, or bytes."""

    name: str
    type: int
    ttl: int
    data: "RecordData"


class ServiceData(Struct, frozen=True, gc=False):
    """The data of an SRV record."""

    priority: int
    weight: int
    port: int
    target: str


class AuthorityData(Struct, frozen=True, gc=False):
    """The data of a SOA record; times in seconds."""

    primary: str
    mailbox: str
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int


RecordData = str | bytes | tuple[str, ...] | ServiceData | AuthorityData


class ExtendedOptions(Struct, frozen=True, gc=False):
    """The OPT record: the size the sender takes by UDP, and the client's subnet as (family, source bits, address text)."""

    udp_size: int
    subnet: tuple[int, int, str] | None = None


class Message(Struct, gc=False, kw_only=True):
    """A whole message. `flags` is the second word of the header, response code included."""

    id: int
    flags: int
    questions: list[Question]
    answers: list[Record] = []
    authority: list[Record] = []
    additional: list[Record] = []
    options: ExtendedOptions | None = None


# ------------------------------------------------------------------ decoding


def decode(data: bytes) -> Message:
    """The message that `data` is; `DecodeError` if it is none."""
    try:
        return _decode(data)
    except (struct.error, IndexError, ValueError) as error:
        raise DecodeError(f"dns message: {error}") from error


def _decode(data: bytes) -> Message:
    number, flags, questions, *counts = _HEADER.unpack_from(data)
    message = Message(id=number, flags=flags, questions=[])
    offset = _HEADER.size
    for _ in range(questions):
        name, offset = decode_name(data, offset)
        kind, family = struct.unpack_from(">HH", data, offset)
        offset += 4
        message.questions.append(Question(name, kind, family))
    sections: list[list[Record]] = [[], [], []]
    for section, count in zip(sections, counts):
        for _ in range(count):
            offset = _decode_record(data, offset, section, message)
    message.answers, message.authority, message.additional = sections
    return message


def _decode_record(data: bytes, offset: int, section: list[Record], message: Message) -> int:
    name, offset = decode_name(data, offset)
    kind, family, ttl, length = _RECORD.unpack_from(data, offset)
    offset += _RECORD.size
    end = offset + length
    if end > len(data):
        raise ValueError(f"a record's data ends at {end}, the message at {len(data)}")
    if kind == TYPE_OPT:
        message.options = ExtendedOptions(family, _subnet(data[offset:end]))
    else:
        section.append(Record(name, kind, ttl, _decode_data(data, offset, end, kind)))
    return int(end)


def _decode_data(data: bytes, offset: int, end: int, kind: int) -> RecordData:
    if kind == TYPE_A and end - offset == 4:
        return str(IPv4Address(data[offset:end]))
    if kind == TYPE_AAAA and end - offset == 16:
        return str(IPv6Address(data[offset:end]))
    if kind in (TYPE_CNAME, TYPE_NS, TYPE_PTR):
        return decode_name(data, offset)[0]
    if kind == TYPE_SRV:
        priority, weight, port = struct.unpack_from(">HHH", data, offset)
        return ServiceData(priority, weight, port, decode_name(data, offset + 6)[0])
    if kind == TYPE_SOA:
        primary, offset = decode_name(data, offset)
        mailbox, offset = decode_name(data, offset)
        return AuthorityData(primary, mailbox, *struct.unpack_from(">IIIII", data, offset))
    if kind == TYPE_TXT:
        return _texts(data[offset:end])
    return data[offset:end]


def _texts(data: bytes) -> tuple[str, ...]:
    texts, offset = [], 0
    while offset < len(data):
        length = data[offset]
        texts.append(data[offset + 1 : offset + 1 + length].decode("utf-8", "surrogateescape"))
        offset += 1 + length
    return tuple(texts)


def _subnet(data: bytes) -> tuple[int, int, str] | None:
    """The client subnet option of an OPT record's data (RFC 7871)."""
    offset = 0
    while offset + 4 <= len(data):
        code, length = struct.unpack_from(">HH", data, offset)
        body = data[offset + 4 : offset + 4 + length]
        if code == OPTION_CLIENT_SUBNET and len(body) >= 4:
            family, bits = struct.unpack_from(">HB", body)
            if family == 1:
                return family, bits, str(IPv4Address(body[4:8].ljust(4, b"\0")))
            if family == 2:
                return family, bits, str(IPv6Address(body[4:20].ljust(16, b"\0")))
        offset += 4 + length
    return None


def decode_name(data: bytes, offset: int) -> tuple[str, int]:
    """The name at `offset` and where what follows it begins. Pointers may only lead backwards, so no name is endless."""
    labels: list[str] = []
    after, limit, length = -1, offset, 0
    while True:
        size = data[offset]
        if size >= 0xC0:
            target = (size & 0x3F) << 8 | data[offset + 1]
            if after < 0:
                after = offset + 2
            if target >= limit:
                raise ValueError(f"the name's pointer at {offset} leads forward")
            offset = limit = target
            continue
        if size > LONGEST_LABEL:
            raise ValueError(f"the label at {offset} has a length byte of {size:#x}")
        offset += 1
        if size == 0:
            break
        length += size + 1
        if length >= LONGEST_NAME:
            raise ValueError("the name is longer than 255 bytes")
        if offset + size > len(data):
            raise ValueError("the name ends with the message")
        labels.append(_label_text(data[offset : offset + size]))
        offset += size
    return ".".join(labels) + ".", after if after >= 0 else offset


def _label_text(label: bytes) -> str:
    text = label.decode("utf-8", "surrogateescape")
    return text.replace("\\", "\\\\").replace(".", "\\.") if b"." in label or b"\\" in label else text


# ------------------------------------------------------------------ encoding


def split_name(name: str) -> list[bytes]:
    """The labels of a name with escapes, as bytes; `ValueError` if one does not fit the wire."""
    if name in (".", ""):
        return []
    text = name[:-1] if name.endswith(".") and not name.endswith("\\.") else name
    if "\\" in text:
        parts = [part.replace("\0", ".").replace("\1", "\\") for part in text.replace("\\\\", "\1").replace("\\.", "\0").split(".")]
    else:
        parts = text.split(".")
    labels = [part.encode("utf-8", "surrogateescape") for part in parts]
    if any(not 0 < len(label) <= LONGEST_LABEL for label in labels) or sum(map(len, labels)) + len(labels) >= LONGEST_NAME:
        raise ValueError(f"{name!r} is no name of the DNS")
    return labels


class Encoder:
    """Builds one message; remembers where each name stands, so that later ones can point at it."""

    def __init__(self, compress: bool = True) -> None:
        self.buffer = bytearray(_HEADER.size)
        self.compress = compress
        self._seen: dict[tuple[bytes, ...], int] = {}

    def name(self, name: str, shorten: bool = True) -> None:
        """Appends a name. With `shorten` false it is written out, yet later names may point at it."""
        labels = tuple(split_name(name))
        buffer = self.buffer
        for position in range(len(labels)):
            rest = labels[position:]
            known = self._seen.get(rest)
            if known is not None and self.compress and shorten:
                buffer += (0xC000 | known).to_bytes(2, "big")
                return
            if known is None and len(buffer) <= LARGEST_POINTER:
                self._seen[rest] = len(buffer)
            label = labels[position]
            buffer.append(len(label))
            buffer += label
        buffer.append(0)

    def question(self, question: Question) -> None:
        self.name(question.name)
        self.buffer += struct.pack(">HH", question.type, question.kind)

    def record(self, record: Record) -> None:
        self.name(record.name)
        self.buffer += _RECORD.pack(record.type, CLASS_IN, record.ttl, 0)
        begin = len(self.buffer)
        self._data(record)
        self.buffer[begin - 2 : begin] = (len(self.buffer) - begin).to_bytes(2, "big")

    def _data(self, record: Record) -> None:
        data = record.data
        if isinstance(data, ServiceData):
            self.buffer += struct.pack(">HHH", data.priority, data.weight, data.port & 0xFFFF)
            self.name(data.target, shorten=False)
        elif isinstance(data, AuthorityData):
            self.name(data.primary)
            self.name(data.mailbox)
            self.buffer += struct.pack(">IIIII", data.serial, data.refresh, data.retry, data.expire, data.minimum)
        elif isinstance(data, tuple):
            for text in data:
                raw = text.encode("utf-8", "surrogateescape")[:255]
                self.buffer.append(len(raw))
                self.buffer += raw
        elif isinstance(data, bytes):
            self.buffer += data
        elif record.type == TYPE_A:
            self.buffer += IPv4Address(data).packed
        elif record.type == TYPE_AAAA:
            self.buffer += IPv6Address(data).packed
        else:
            self.name(data)

    def options(self, options: ExtendedOptions) -> None:
        body = b""
        if options.subnet is not None:
            family, bits, text = options.subnet
            address = (IPv4Address(text) if family == 1 else IPv6Address(text)).packed
            subnet = struct.pack(">HBB", family, bits, 0) + address[: (bits + 7) // 8]
            body = struct.pack(">HH", OPTION_CLIENT_SUBNET, len(subnet)) + subnet
        self.buffer += b"\0" + _RECORD.pack(TYPE_OPT, options.udp_size, 0, len(body)) + body

    def finish(self, number: int, flags: int, counts: tuple[int, int, int, int]) -> bytes:
        _HEADER.pack_into(self.buffer, 0, number, flags, *counts)
        return bytes(self.buffer)


def encode(message: Message, compress: bool = True) -> bytes:
    """The bytes of a message."""
    encoder = Encoder(compress)
    for question in message.questions:
        encoder.question(question)
    for section in (message.answers, message.authority, message.additional):
        for record in section:
            encoder.record(record)
    if message.options is not None:
        encoder.options(message.options)
    extra = len(message.additional) + (message.options is not None)
    return encoder.finish(message.id, message.flags, (len(message.questions), len(message.answers), len(message.authority), extra))
