import base64
import random

import pytest

from muster.gossip.effects import KeyringChanged, QueryAnswered, QueryEnded
from muster.gossip.key_operations import KeyCommand, KeyOperation
from muster.gossip.keyring import Keyring
from muster.gossip.serf import Serf
from muster.gossip.settings import LAN
from muster.wire.gossip import User
from muster.wire.gossip_codec import decode_message
from muster.wire.serf import KeyRequest, KeyResponse, Query
from muster.wire.serf_codec import decode_serf, encode_serf

HERE = (b"\x0a\0\0\1", 7946)
ASKER = (b"\x0a\0\0\x63", 7946)
A, B = b"a" * 16, b"b" * 16


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def serf(*keys: bytes) -> Serf:
    return Serf(0.0, "me", HERE, {}, LAN, random.Random(1), keyring=Keyring(keys) if keys else None)


def asked(me: Serf, command: str, payload: bytes) -> tuple[KeyResponse, bool]:
    """What a member answers, and whether its host is told to save the keyring."""
    query = Query(time=5, identity=7, address=ASKER[0], port=ASKER[1], source_node="n", timeout=10**10, name=command, payload=payload)
    effects = me.receive(1.0, ASKER, User(payload=encode_serf(query)))
    (send,) = [effect for effect in effects if effect != KeyringChanged()]
    message = decode_serf(decode_message(send.messages[0]).payload)
    answer = decode_serf(message.payload)
    assert isinstance(answer, KeyResponse)
    return answer, KeyringChanged() in effects


def request(key: bytes) -> bytes:
    return encode_serf(KeyRequest(key=key))


@pytest.mark.parametrize(
    ("command", "key", "message", "keys", "is_changed"),
    [
        pytest.param("_serf_install-key", b"c" * 32, "", (A, B, b"c" * 32), True, id="install"),
        pytest.param("_serf_install-key", B, "", (A, B), False, id="install again"),
        pytest.param("_serf_install-key", b"short", "key size must be 16, 24 or 32 bytes", (A, B), False, id="install no key"),
        pytest.param("_serf_use-key", B, "", (B, A), True, id="use"),
        pytest.param("_serf_use-key", b"c" * 16, "Requested key is not in the keyring", (A, B), False, id="use a stranger"),
        pytest.param("_serf_remove-key", B, "", (A,), True, id="remove"),
        pytest.param("_serf_remove-key", b"c" * 16, "", (A, B), False, id="remove a stranger"),
        pytest.param("_serf_remove-key", A, "Removing the primary key is not allowed", (A, B), False, id="remove the primary one"),
    ],
)
def test_a_member_does_as_the_query_says(command, key, message, keys, is_changed):
    me = serf(A, B)
    answer, told = asked(me, command, request(key))
    assert (answer.result, answer.message, told) == (not message, message, is_changed)
    assert me.keyring.keys == keys


def test_a_member_lists_its_keys():
    answer, told = asked(serf(A, B), "_serf_list-keys", request(b""))
    assert answer == KeyResponse(result=True, keys=[text(A), text(B)], primary_key=text(A))
    assert not told


@pytest.mark.parametrize(
    ("command", "message"),
    [
        pytest.param("_serf_list-keys", "Keyring is empty (encryption not enabled)", id="list"),
        pytest.param("_serf_install-key", "No keyring to modify (encryption not enabled)", id="install"),
        pytest.param("_serf_use-key", "No keyring to modify (encryption not enabled)", id="use"),
        pytest.param("_serf_remove-key", "No keyring to modify (encryption not enabled)", id="remove"),
    ],
)
def test_a_member_without_encryption_says_so(command, message):
    assert asked(serf(), command, request(A)) == (KeyResponse(result=False, message=message), False)


@pytest.mark.parametrize("payload", [b"", b"\x07", b"\x07\xc1", b"\x08\x80", b"\xff\x80"])
def test_a_request_that_cannot_be_read_is_answered_with_failure(payload):
    assert asked(serf(A), "_serf_use-key", payload) == (KeyResponse(result=False), False)


def test_a_long_list_of_keys_is_cut_to_what_an_answer_holds():
    keys = [bytes([number]) * 32 for number in range(1, 41)]
    answer, _ = asked(serf(*keys), "_serf_list-keys", request(b""))
    shown = len(answer.keys)
    assert 15 <= shown <= 22
    assert answer.result
    assert answer.keys == [text(key) for key in keys[:shown]]
    assert answer.message == f"truncated key list response, showing first {shown} of 40 keys"


def answered(operation: KeyOperation, node: str, response: KeyResponse) -> bool:
    return operation.observe(QueryAnswered(operation.ticket, node, encode_serf(response)))


def test_an_operation_counts_who_holds_which_key():
    operation = KeyOperation(3, 2)
    assert not answered(operation, "a", KeyResponse(result=True, keys=["k1", "k2"], primary_key="k1"))
    assert answered(operation, "b", KeyResponse(result=True, keys=["k1"], primary_key="k1"))
    assert (operation.keys, operation.primary_keys, operation.messages) == ({"k1": 2, "k2": 1}, {"k1": 2}, {})
    assert operation.failure == ""


def test_an_operation_that_members_refuse_has_failed():
    operation = KeyOperation(3, 3)
    answered(operation, "a", KeyResponse(result=True))
    answered(operation, "b", KeyResponse(result=False, message="no"))
    assert answered(operation, "c", KeyResponse(result=True, message="cut short"))
    assert operation.messages == {"b": "no", "c": "cut short"}
    assert (operation.response_count, operation.error_count) == (3, 1)
    assert operation.failure == "1/3 nodes reported failure"


def test_members_that_do_not_answer_are_a_failure():
    operation = KeyOperation(3, 2)
    answered(operation, "a", KeyResponse(result=True))
    assert not operation.is_over
    assert operation.observe(QueryEnded(3))
    assert operation.failure == "1/2 nodes reported success"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        pytest.param(b"", "Invalid key query response type: []", id="nothing"),
        pytest.param(b"\x05\x80", "Invalid key query response type: [5 128]", id="another message"),
        pytest.param(b"\x08\xc1", "Failed to decode key query response: [8 193]", id="no message"),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_failure(payload, message):
    operation = KeyOperation(3, 1)
    assert operation.observe(QueryAnswered(3, "a", payload))
    assert (operation.messages, operation.failure) == ({"a": message}, "1/1 nodes reported failure")


def test_answers_to_other_queries_do_not_count():
    operation = KeyOperation(3, 1)
    assert not operation.observe(QueryAnswered(4, "a", encode_serf(KeyResponse(result=True))))
    assert not operation.observe(QueryEnded(4))


def test_a_member_alone_is_done_at_once():
    me = serf(A)
    operation, effects = me.key_operation(1.0, KeyCommand.INSTALL, B)
    assert [operation.observe(effect) for effect in effects][-1]
    assert KeyringChanged() in effects
    assert (operation.failure, operation.node_count, me.keyring.keys) == ("", 1, (A, B))
