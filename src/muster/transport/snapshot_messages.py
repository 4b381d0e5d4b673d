"""What is said before an archive travels on the server port: the question and its answer, one map each.

Source: reference of the RPC wire, section 7.
"""

from typing import BinaryIO

from msgspec import Struct, field

from muster.model.errors import DecodeError
from muster.wire.msgpack import pack, unpack
from muster.wire.records import encoder, from_wire
from muster.wire.replies import Reply

SAVE, RESTORE = 0, 1
LARGEST_HEAD = 64 * 1024  # bytes of a question or an answer


class SnapshotQuestion(Struct, frozen=True, kw_only=True):
    """`operation` is SAVE or RESTORE; behind a RESTORE follow the archive's bytes and the end of the sender's half."""

    allow_stale: bool = field(name="AllowStale", default=False)
    datacenter: str = field(name="Datacenter", default="")
    operation: int = field(name="Op", default=SAVE)
    token: str = field(name="Token", default="")


class SnapshotAnswer(Struct, frozen=True, kw_only=True):
    """Behind the answer to a SAVE follow the archive's bytes, unless `error` says why not. `last_contact` in nanoseconds."""

    consistency_level: str = field(name="ConsistencyLevel", default="")
    error: str = field(name="Error", default="")
    index: int = field(name="Index", default=0)
    known_leader: bool = field(name="KnownLeader", default=False)
    last_contact: int = field(name="LastContact", default=0)


class RestoreRequest(Struct, frozen=True, gc=False, kw_only=True):
    """What the method Snapshot.Restore takes: the archive, in memory or to be read from a file."""

    archive: bytes | BinaryIO
    datacenter: str = ""
    token: str = ""


def encode_question(question: SnapshotQuestion) -> bytes:
    """The map alone, without the byte that begins the connection."""
    return pack(encoder(SnapshotQuestion)(question))


def encode_answer(answer: SnapshotAnswer) -> bytes:
    return pack(encoder(SnapshotAnswer)(answer))


def decode_question(data: bytes) -> SnapshotQuestion:
    """`DecodeError` if it is none."""
    return from_wire(SnapshotQuestion, unpack(data))


def decode_answer(data: bytes) -> SnapshotAnswer:
    """`DecodeError` if it is none."""
    answer = from_wire(SnapshotAnswer, unpack(data))
    if answer.index < 0 or answer.last_contact < 0:
        raise DecodeError("negative index or contact in the answer to a snapshot request")
    return answer


def answer_of(reply: Reply) -> SnapshotAnswer:
    """The answer that precedes a saved archive."""
    return SnapshotAnswer(
        consistency_level=reply.consistency_level, index=reply.index, known_leader=reply.known_leader, last_contact=reply.last_contact
    )
