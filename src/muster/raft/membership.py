"""Who takes part: the configuration, its changes and its encoding as a log entry."""

from typing import Any, Final

import msgpack
import msgspec

from muster.model.errors import DecodeError, Rejected

VOTER: Final = 0
NONVOTER: Final = 1
STAGING: Final = 2  # read as a non-voter; never written by this protocol version


class Member(msgspec.Struct, frozen=True):
    """One server of the configuration: its id (a node's UUID) and its advertised "ip:port"."""

    identity: str
    address: str
    suffrage: int = VOTER


class Configuration(msgspec.Struct, frozen=True):
    """All servers, in the order in which they were added. Ids and addresses are unique; at least one votes."""

    members: tuple[Member, ...] = ()

    def member(self, identity: str) -> Member | None:
        """The server with this id."""
        return next((member for member in self.members if member.identity == identity), None)

    def voters(self) -> list[str]:
        """The ids of those whose acknowledgement counts."""
        return [member.identity for member in self.members if member.suffrage == VOTER]

    def is_voter(self, identity: str) -> bool:
        """Whether the server with this id votes."""
        member = self.member(identity)
        return member is not None and member.suffrage == VOTER

    def with_voter(self, identity: str, address: str) -> "Configuration":
        """Adds a voter, promotes a non-voter, or gives a voter a new address."""
        return self._with(Member(identity, address, VOTER))

    def with_nonvoter(self, identity: str, address: str) -> "Configuration":
        """Adds a non-voter; a known server keeps its suffrage and gets the address."""
        known = self.member(identity)
        return self._with(Member(identity, address, known.suffrage if known else NONVOTER))

    def without(self, identity: str) -> "Configuration":
        """Removes a server; the last voter cannot go."""
        return Configuration(tuple(member for member in self.members if member.identity != identity)).checked()

    def checked(self) -> "Configuration":
        """Itself. Raises Rejected for doubled ids or addresses, or if nobody votes."""
        for kind, values in (("ID", [m.identity for m in self.members]), ("address", [m.address for m in self.members])):
            if len(set(values)) != len(values):
                raise Rejected(f"found duplicate {kind} in configuration: {', '.join(values)}")
        if not self.voters():
            raise Rejected("need at least one voter in configuration")
        return self

    def _with(self, changed: Member) -> "Configuration":
        if self.member(changed.identity) is None:
            return Configuration((*self.members, changed)).checked()
        return Configuration(tuple(changed if m.identity == changed.identity else m for m in self.members)).checked()

    def encode(self) -> bytes:
        """The data of a configuration entry: msgpack {Servers: [{Address, ID, Suffrage}]}, old-spec strings."""
        servers = [{"Address": m.address, "ID": m.identity, "Suffrage": m.suffrage} for m in self.members]
        return bytes(msgpack.packb({"Servers": servers}, use_bin_type=False, unicode_errors="surrogateescape"))


def decode_configuration(data: bytes) -> Configuration:
    """The reverse of `Configuration.encode`. Raises DecodeError."""
    try:
        content: Any = msgpack.unpackb(data, raw=False, unicode_errors="surrogateescape")
        servers = content["Servers"] or []
        return Configuration(tuple(_member(server) for server in servers))
    except (ValueError, TypeError, KeyError, AttributeError, msgpack.exceptions.UnpackException) as error:
        raise DecodeError(f"Raft configuration entry: {error!r}") from error


def _member(server: dict[str, Any]) -> Member:
    identity, address, suffrage = server["ID"], server["Address"], server.get("Suffrage", VOTER)
    if not (isinstance(identity, str) and isinstance(address, str) and suffrage in (VOTER, NONVOTER, STAGING)):
        raise ValueError(server)
    return Member(identity, address, suffrage)


class ConfigurationHistory:
    """The configuration that counts, which is the log's last, and what it falls back to if entries are replaced."""

    def __init__(self, committed: Configuration, committed_index: int) -> None:
        self.committed, self.committed_index = committed, committed_index
        self._pending: list[tuple[int, Configuration]] = []

    @property
    def latest(self) -> Configuration:
        """The configuration that counts."""
        return self._pending[-1][1] if self._pending else self.committed

    @property
    def latest_index(self) -> int:
        """The index of its entry."""
        return self._pending[-1][0] if self._pending else self.committed_index

    def appended(self, configuration: Configuration, index: int) -> None:
        """The log holds a configuration at `index`, behind all others."""
        assert index > self.latest_index or (index, configuration) == (self.latest_index, self.latest)
        if index > self.latest_index:
            self._pending.append((index, configuration))

    def truncated(self, index: int) -> None:
        """The entries from `index` on are replaced."""
        while self._pending and self._pending[-1][0] >= index:
            self._pending.pop()

    def committed_up_to(self, index: int) -> None:
        """The entries up to `index` are committed."""
        while self._pending and self._pending[0][0] <= index:
            self.committed_index, self.committed = self._pending.pop(0)

    def replaced(self, configuration: Configuration, index: int) -> None:
        """A snapshot brought a committed one, and nothing is behind it."""
        self.committed, self.committed_index = configuration, index
        self._pending.clear()
