"""Sessions: leases on which locks hang."""

from msgspec import Struct, field

RELEASE = "release"
DELETE = "delete"
MAXIMUM_LOCK_DELAY = 60_000_000_000  # ns
MAXIMUM_TTL = 24 * 3600 * 1_000_000_000  # ns
DEFAULT_LOCK_DELAY = 15_000_000_000  # ns
TTL_MULTIPLIER = 2
"""A session ends when it was not renewed for twice its TTL: clocks and networks get that much grace."""


class ServiceCheckRef(Struct, frozen=True, gc=False, kw_only=True):
    id: str = field(name="ID", default="")
    namespace: str = field(name="Namespace", default="")


class Session(Struct, frozen=True, gc=False, kw_only=True):
    """A lease of a node. `lock_delay` is in nanoseconds, `ttl` a duration text or empty.

    `checks` is the field of releases before 1.7; those of `node_checks` and it together end the session when critical.
    """

    id: str = field(name="ID", default="")
    name: str = field(name="Name", default="")
    node: str = field(name="Node", default="")
    lock_delay: int = field(name="LockDelay", default=0)
    behavior: str = field(name="Behavior", default="")
    ttl: str = field(name="TTL", default="")
    node_checks: list[str] | None = field(name="NodeChecks", default=None)
    service_checks: list[ServiceCheckRef] | None = field(name="ServiceChecks", default=None)
    checks: list[str] | None = field(name="Checks", default=None)
    create_index: int = field(name="CreateIndex", default=0)
    modify_index: int = field(name="ModifyIndex", default=0)
