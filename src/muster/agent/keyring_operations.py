"""The keys of gossip's encryption, looked at and changed at every member of both pools, in lock-step.

Source: the peers' answers of `/v1/operator/keyring`, in the recorded scenarios of that name.
"""

from msgspec import Struct, field

from muster.agent.config.config import Config
from muster.agent.definitions import all_errors
from muster.agent.pools import Pools
from muster.model.base64_text import InvalidBase64, decode
from muster.model.errors import MusterError, Rejected
from muster.transport.gossip_pool import GossipPool
from muster.transport.pool_queries import KeyReport

LARGEST_RELAY_FACTOR = 5


class KeyringAnswer(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """What one pool said: how many members have each key, and how many use each."""

    wan: bool = field(name="WAN")
    datacenter: str = field(name="Datacenter")
    segment: str = field(name="Segment", default="")
    messages: dict[str, str] = field(name="Messages", default_factory=dict)
    keys: dict[str, int] = field(name="Keys", default_factory=dict)
    primary_keys: dict[str, int] = field(name="PrimaryKeys", default_factory=dict)
    members: int = field(name="NumNodes", default=0)


class KeyringFailed(MusterError):
    """Not every member did as it was told; the text names pools and members."""


async def carry_out(
    config: Config, pools: Pools, operation: str, key: str = "", relay_factor: int = 0, local_only: bool = False
) -> list[KeyringAnswer]:
    """`install`, `use`, `remove` or `list`, first in the WAN pool, then in the LAN pool. `KeyringFailed` if any member failed.

    `local_only` leaves the WAN pool out; it is for `list` alone.
    """
    if not config.server:
        raise Rejected("keyring operations must run against a server node")
    answers: list[KeyringAnswer] = []
    faults: list[str] = []
    for wan in (True, False):
        pool = pools.wan if wan else pools.lan
        if pool is None or (wan and local_only):
            continue
        where = "WAN" if wan else f"{config.datacenter} (LAN)"
        try:
            report = await _ask(pool, operation, key, relay_factor)
        except MusterError as error:
            faults.append(f"{where} error: {error}")
            continue
        faults += _faults(report, where)
        answers.append(
            KeyringAnswer(
                wan=wan,
                datacenter=config.datacenter,
                messages=report.messages,
                keys=dict(sorted(report.keys.items())),
                primary_keys=dict(sorted(report.primary.items())),
                members=report.members,
            )
        )
    if faults:
        raise KeyringFailed(all_errors(faults))
    return answers


async def _ask(pool: GossipPool, operation: str, key: str, relay_factor: int) -> KeyReport:
    if operation != "list":
        try:
            decode(key.encode("utf-8", "surrogateescape"))
        except InvalidBase64 as error:
            raise Rejected(str(error)) from error
    return await pool.key_operation(operation, key, relay_factor)


def _faults(report: KeyReport, where: str) -> list[str]:
    if not report.error:
        return []
    return [f"{where} error: {report.error}", *(f"{member}: {message}" for member, message in report.messages.items())]
