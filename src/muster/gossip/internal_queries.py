"""Queries that a member answers by itself, without its host: names that begin with `_serf_`.

Source: reference of the gossip wire, section 3; texts as the peers say them; the answer to a conflict as Serf 0.10.1 gives it.
"""

from collections.abc import Callable

from msgspec import Struct

from muster.gossip.effects import Member, MemberStatus
from muster.gossip.key_operations import KeyCommand
from muster.gossip.keyring import Keyring
from muster.model.errors import DecodeError, Rejected
from muster.wire.msgpack import pack
from muster.wire.serf import KeyRequest, KeyResponse
from muster.wire.serf_codec import CONFLICT_RESPONSE, decode_serf, encode_serf

PREFIX = "_serf_"
CONFLICT = "_serf_conflict"

_STATUS_NUMBERS = {MemberStatus.ALIVE: 1, MemberStatus.LEAVING: 2, MemberStatus.LEFT: 3, MemberStatus.FAILED: 4}

Fits = Callable[[bytes], bool]


class InternalAnswer(Struct, frozen=True):
    """What a member answers, if anything, and whether its keyring changed."""

    payload: bytes | None = None
    keyring_changed: bool = False


SILENCE = InternalAnswer()


def answer(name: str, payload: bytes, keyring: Keyring | None, fits: Fits) -> InternalAnswer:
    """The answer to an internal query but that about a conflict. `fits` tells whether a payload is small enough for an answer."""
    match name:
        case KeyCommand.LIST:
            return InternalAnswer(_key_list(keyring, fits))
        case KeyCommand.INSTALL | KeyCommand.USE | KeyCommand.REMOVE:
            return _change_of_keys(KeyCommand(name), payload, keyring)
        case _:
            return SILENCE


def conflict_answer(member: Member | None) -> bytes:
    """Whom we know under a name that two hosts claim."""
    return bytes([CONFLICT_RESPONSE]) + pack(None if member is None else _described(member))


def _described(member: Member) -> dict[str, object]:
    address, port = member.endpoint
    versions = member.versions.ljust(6, b"\0")
    return {
        "Addr": address,
        "DelegateCur": versions[5],
        "DelegateMax": versions[4],
        "DelegateMin": versions[3],
        "Name": member.name,
        "Port": port,
        "ProtocolCur": versions[2],
        "ProtocolMax": versions[1],
        "ProtocolMin": versions[0],
        "Status": _STATUS_NUMBERS[member.status],
        "Tags": member.tags,
    }


def _change_of_keys(command: KeyCommand, payload: bytes, keyring: Keyring | None) -> InternalAnswer:
    key = _requested_key(payload)
    if key is None:
        return _said(KeyResponse(result=False))
    if keyring is None:
        return _said(KeyResponse(result=False, message="No keyring to modify (encryption not enabled)"))
    try:
        changed = _carry_out(command, key, keyring)
    except Rejected as refusal:
        return _said(KeyResponse(result=False, message=str(refusal)))
    return _said(KeyResponse(result=True), changed)


def _carry_out(command: KeyCommand, key: bytes, keyring: Keyring) -> bool:
    """Whether the keyring is another one afterwards."""
    match command:
        case KeyCommand.INSTALL:
            return keyring.install(key)
        case KeyCommand.USE:
            return keyring.use(key)
        case _:
            return keyring.remove(key)


def _requested_key(payload: bytes) -> bytes | None:
    """The key that a query is about; None if it cannot be read."""
    try:
        request = decode_serf(payload)
    except DecodeError:
        return None
    return request.key if isinstance(request, KeyRequest) else None


def _key_list(keyring: Keyring | None, fits: Fits) -> bytes:
    """All keys, or as many as one answer holds."""
    if keyring is None:
        return encode_serf(KeyResponse(result=False, message="Keyring is empty (encryption not enabled)"))
    keys, primary = keyring.to_base64(), keyring.to_base64()[0]
    whole = encode_serf(KeyResponse(result=True, keys=keys, primary_key=primary))
    count = len(keys)
    while not fits(whole) and count > 0:
        count -= 1
        message = f"truncated key list response, showing first {count} of {len(keys)} keys"
        whole = encode_serf(KeyResponse(result=True, message=message, keys=keys[:count], primary_key=primary))
    return whole


def _said(response: KeyResponse, keyring_changed: bool = False) -> InternalAnswer:
    return InternalAnswer(encode_serf(response), keyring_changed)
