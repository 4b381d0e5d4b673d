"""/v1/operator/keyring: the keys of gossip's encryption at every member of the pools."""

import asyncio
from functools import partial

from msgspec import Struct, field

from muster.agent.keyring_operations import LARGEST_RELAY_FACTOR, KeyringAnswer
from muster.http import bodies
from muster.http.answers import EMPTY, json_answer
from muster.http.messages import Outcome, Pending, Request, Response
from muster.http.operator import bad
from muster.http.routing import Context

OPERATIONS = {"POST": "install", "PUT": "use", "DELETE": "remove"}
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


class KeyBody(Struct, frozen=True, kw_only=True):
    """The key that the request is about, in base64."""

    key: str = field(name="Key", default="")


def keyring(request: Request, context: Context) -> Outcome:
    """GET lists the keys, POST installs one, PUT makes it the primary one, DELETE removes it."""
    operation = OPERATIONS.get(request.method, "list")
    key = bodies.decode(KeyBody, request.body, "Bad request: Request decode failed: ").key if operation != "list" else ""
    relay_factor, local_only = _relay_factor(request), _local_only(request)
    if local_only and operation != "list":
        raise bad("Invalid use of local-only: local-only can only be set for list requests")
    asked = asyncio.ensure_future(context.agent.keyring(operation, key, relay_factor, local_only))
    shown = partial(_answers, request=request, context=context) if operation == "list" else _done
    return Pending(asked, shown, ())


def _relay_factor(request: Request) -> int:
    text = request.query.first("relay-factor")
    if not text:
        return 0
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise bad(f'Error parsing relay factor: strconv.Atoi: parsing "{text}": invalid syntax')
    if text.startswith("-") or len(text) > 4 or int(text) > LARGEST_RELAY_FACTOR:
        raise bad(f"Invalid relay-factor: Relay factor must be in range: [0, {LARGEST_RELAY_FACTOR}]")
    return int(text)


def _local_only(request: Request) -> bool:
    text = request.query.first("local-only")
    if text and text not in _TRUE and text not in _FALSE:
        raise bad(f'Error parsing local-only: strconv.ParseBool: parsing "{text}": invalid syntax')
    return text in _TRUE


def _done(_answers: object) -> Response:
    return EMPTY


def _answers(answers: list[KeyringAnswer], request: Request, context: Context) -> Response:
    return json_answer([_shown(answer) for answer in answers], request, context)


def _shown(answer: KeyringAnswer) -> dict[str, object]:
    said: dict[str, object] = {"WAN": answer.wan, "Datacenter": answer.datacenter, "Segment": answer.segment}
    if answer.messages:
        said["Messages"] = answer.messages
    return {**said, "Keys": answer.keys, "PrimaryKeys": answer.primary_keys, "NumNodes": answer.members}
