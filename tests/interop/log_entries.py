"""Random log entries as a leader writes them, of every kind that the API causes, tombstones' too, which only time causes there."""

import random
import uuid

from muster.model.catalog import HealthCheck, Node, NodeService, Weights
from muster.model.coordinates import Coordinate, NodeCoordinate
from muster.model.kv import KVEntry
from muster.model.operator import AutopilotConfig, ConfigEntry
from muster.model.queries import PreparedQuery, QueryService, QueryTemplate
from muster.model.sessions import Session
from muster.wire.commands import (
    AutopilotRequest,
    Command,
    ConfigEntryRequest,
    CoordinateBatch,
    DeregisterRequest,
    KVSRequest,
    PreparedQueryRequest,
    RegisterRequest,
    SessionRequest,
    TombstoneRequest,
    TxnCheckOp,
    TxnKVOp,
    TxnNodeOp,
    TxnOp,
    TxnRequest,
    TxnServiceOp,
)

KEYS = ["a", "a/b", "a/b/c", "a/d", "b", "b/x", "lock/1", "lock/2", "é/ü", "z/"]
NODES, SERVICES, CHECKS = ["n1", "n2", "n3"], ["web", "db", "cache"], ["c1", "c2", "service:web"]
STATUSES = ["passing", "warning", "critical"]
KV_OPS = ["set", "set", "set", "cas", "delete", "delete-cas", "delete-tree", "lock", "lock", "unlock", "teleport"]
TXN_VERBS = ["set", "cas", "delete", "delete-cas", "get", "get-tree", "lock", "unlock", "check-session", "check-index", "check-not-exists"]
CATALOG_VERBS = ["set", "get", "cas", "delete", "delete-cas"]


class LogEntries:
    """Entries of one seed; `next(index)` is told which index the entry will have."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.sessions = [self._uuid() for _ in range(6)]
        self.queries = [self._uuid() for _ in range(4)]
        self._makers = [self._kv] * 6 + [self._transaction] * 3 + [self._register] * 4 + [self._deregister] * 2
        self._makers += (
            [self._session] * 3 + [self._query] * 2 + [self._config_entry] * 2 + [self._coordinates, self._autopilot, self._reap]
        )

    def next(self, index: int) -> Command:
        """One entry."""
        return self.chance.choice(self._makers)(index)

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128)))

    def _one(self, values: list):
        return self.chance.choice(values)

    def _expected(self, index: int) -> int:
        """An index that may be the right one: none, or one of the last few."""
        return self._one([0, 0, max(index - self.chance.randrange(1, 40), 0)])

    def _entry(self, index: int) -> KVEntry:
        value = self._one([b"one", b"two", b"", None])
        session = self._one(["", self._one(self.sessions)])
        flags = self._one([0, 0, 42])
        return KVEntry(key=self._one(KEYS), value=value, flags=flags, session=session, modify_index=self._expected(index))

    def _kv(self, index: int) -> Command:
        op = self._one(KV_OPS)
        entry = self._entry(index)
        if op == "delete-tree":
            entry = KVEntry(key=self._one(["a", "a/", "b", "lock", "nothing", "é"]))
        elif op in ("set", "cas"):
            entry = KVEntry(key=entry.key, value=entry.value, flags=entry.flags, modify_index=entry.modify_index if op == "cas" else 0)
        return KVSRequest(datacenter="dc1", op=op, entry=entry)

    def _node(self) -> Node:
        return Node(
            node=self._one(NODES), address=f"10.0.0.{self._one([1, 2, 3])}", datacenter="dc1", meta=self._one([None, {"zone": "a"}])
        )

    def _service(self) -> NodeService:
        name = self._one(SERVICES)
        return NodeService(
            id=f"{name}{self._one([1, 2])}", service=name, port=self._one([80, 81]), tags=self._one([None, ["v1"], ["v1", "v2"]]),
            meta=self._one([None, {"version": "1"}]), weights=Weights(passing=1, warning=1),
        )  # fmt: skip

    def _check(self, node: str, service_id: str = "") -> HealthCheck:
        return HealthCheck(
            node=node,
            check_id=self._one(CHECKS),
            name="c",
            status=self._one(STATUSES),
            output=self._one(["", "out"]),
            service_id=service_id,
        )

    def _register(self, _index: int) -> Command:
        node, service = self._node(), self._one([None, self._service()])
        checks = [self._check(node.node, self._one(["", service.id if service else "web1"])) for _ in range(self.chance.randrange(3))]
        return RegisterRequest(
            datacenter="dc1", node=node.node, address=node.address, node_meta=node.meta, service=service, checks=checks or None,
            skip_node_update=self._one([False, False, False, True]),
        )  # fmt: skip

    def _deregister(self, _index: int) -> Command:
        what = self._one([{"service_id": f"{self._one(SERVICES)}1"}, {"check_id": self._one(CHECKS)}, {"check_id": self._one(CHECKS)}, {}])
        return DeregisterRequest(datacenter="dc1", node=self._one(NODES), **what)

    def _session(self, _index: int) -> Command:
        if self.chance.random() < 0.35:
            return SessionRequest(datacenter="dc1", op="destroy", session=Session(id=self._one(self.sessions)))
        at = self.chance.randrange(len(self.sessions))
        self.sessions[at] = self._uuid()
        made = Session(
            id=self.sessions[at], node=self._one(NODES), behavior=self._one(["release", "delete"]), lock_delay=0,
            node_checks=self._one([[], [], ["c1"]]), ttl=self._one(["", "1h"]),
        )  # fmt: skip
        return SessionRequest(datacenter="dc1", op="create", session=made)

    def _query(self, _index: int) -> Command:
        service = QueryService(service=self._one(SERVICES), tags=self._one([None, ["v1"]]))
        template = self._one([QueryTemplate(), QueryTemplate(), QueryTemplate(type="name_prefix_match", regexp="^find-(.*)$")])
        session = self._one(["", "", self._one(self.sessions)])
        query = PreparedQuery(
            id=self._one(self.queries), name=self._one(["named", "find-"]), session=session, service=service, template=template
        )
        return PreparedQueryRequest(datacenter="dc1", op=self._one(["create", "create", "update", "delete"]), query=query)

    def _config_entry(self, index: int) -> Command:
        op = self._one(["upsert", "upsert", "upsert-cas", "delete"])
        expected = self._expected(index) if op == "upsert-cas" else 0
        kind, fields = self._one(
            [self._defaults, self._defaults, self._proxies, self._router, self._splitter, self._resolver, self._ingress]
        )()
        name = "global" if kind == "proxy-defaults" else self._one([*SERVICES, ""] if kind == "service-defaults" else SERVICES)
        entry = ConfigEntry(kind=kind, name=name, fields={**fields, "Meta": None}, modify_index=expected)
        return ConfigEntryRequest(datacenter="dc1", op=op, entry=entry)

    def _defaults(self) -> tuple[str, dict]:
        fields = {"Protocol": self._one(["http", "http", "http", "tcp", ""]), "ExternalSNI": self._one(["", "", "", "sni.example"])}
        return "service-defaults", {**fields, "MeshGateway": {"Mode": ""}, "Expose": {"Checks": False, "Paths": None}}

    def _proxies(self) -> tuple[str, dict]:
        config = self._one([None, {"protocol": "http"}, {"protocol": "tcp"}, {"a": 1.5}])
        return "proxy-defaults", {"Config": config, "MeshGateway": {"Mode": ""}, "Expose": {"Checks": False, "Paths": None}}

    def _place(self) -> dict:
        service, subset = self._one(["", *SERVICES]), self._one(["", "", "v1", "v2"])
        return {"Service": service, "ServiceSubset": subset, "Namespace": ""}

    def _router(self) -> tuple[str, dict]:
        rest = {"PrefixRewrite": "", "RequestTimeout": 0, "NumRetries": 0, "RetryOnConnectFailure": False, "RetryOnStatusCodes": None}
        match = {"PathExact": "", "PathPrefix": "/x", "PathRegex": "", "Header": None, "QueryParam": None, "Methods": None}
        routes = [
            {"Match": self._one([None, {"HTTP": match}]), "Destination": self._one([None, {**self._place(), **rest}])}
            for _ in range(self.chance.randrange(3))
        ]
        return "service-router", {"Routes": routes}

    def _splitter(self) -> tuple[str, dict]:
        count = self._one([1, 2])
        return "service-splitter", {"Splits": [{"Weight": 100.0 / count, **self._place()} for _ in range(count)]}

    def _resolver(self) -> tuple[str, dict]:
        subset = {"Filter": "", "OnlyPassing": False}
        subsets = self._one([None, {"v1": subset}, {"v1": subset, "v2": subset}])
        redirect = self._one([None, None, {**self._place(), "Datacenter": self._one(["", "", "dc2"])}])
        section = {**self._place(), "Datacenters": self._one([None, None, ["dc2", "dc3"]])}
        failover = self._one([None, None, {self._one(["*", "v1"]): section}])
        default = self._one(["", "", "v1"]) if subsets else ""
        rest = {"Subsets": subsets, "Redirect": redirect, "Failover": failover, "ConnectTimeout": 0}
        return "service-resolver", {"DefaultSubset": default, **rest}

    def _ingress(self) -> tuple[str, dict]:
        service = {"Name": self._one([*SERVICES, "*"]), "Hosts": None}
        listener = {"Port": 80, "Protocol": self._one(["http", "tcp"]), "Services": [service]}
        return self._one(["ingress-gateway"]), {"TLS": {"Enabled": False}, "Listeners": [listener]}

    def _coordinates(self, _index: int) -> Command:
        def update() -> NodeCoordinate:
            vector = [round(self.chance.uniform(-1, 1), 6) for _ in range(8)]
            coordinate = Coordinate(vec=vector, error=1.5, height=1e-5)
            return NodeCoordinate(node=self._one([*NODES, "absent"]), segment=self._one(["", "alpha"]), coord=coordinate)

        return CoordinateBatch(updates=[update() for _ in range(self.chance.randrange(1, 4))])

    def _autopilot(self, index: int) -> Command:
        config = AutopilotConfig(max_trailing_logs=self._one([250, 500]), modify_index=self._expected(index))
        return AutopilotRequest(datacenter="dc1", cas=self._one([True, False]), config=config)

    def _reap(self, index: int) -> Command:
        return TombstoneRequest(datacenter="dc1", reap_index=max(index - self.chance.randrange(1, 60), 1))

    def _transaction(self, index: int) -> Command:
        count = self.chance.randrange(1, 4)
        verbs = CATALOG_VERBS if count == 1 else CATALOG_VERBS[:3]  # see random_commands.ends_a_real_server
        return TxnRequest(datacenter="dc1", ops=[self._operation(index, verbs) for _ in range(count)])

    def _operation(self, index: int, verbs: list[str]) -> TxnOp:
        kind = self.chance.randrange(6)
        if kind == 0:
            return TxnOp(node=TxnNodeOp(verb=self._one(verbs), node=self._node()))
        if kind == 1:
            return TxnOp(service=TxnServiceOp(verb=self._one(verbs), node=self._one(NODES), service=self._service()))
        if kind == 2:
            return TxnOp(check=TxnCheckOp(verb=self._one(CATALOG_VERBS), check=self._check(self._one(NODES))))
        return TxnOp(kv=TxnKVOp(verb=self._one(TXN_VERBS), entry=self._entry(index)))
