"""Random sequences of right and wrong requests, each made from a seed alone.

A sequence keeps to few names, so that its requests meet: what one writes another reads, moves, locks or deletes. About a third
of the requests are wrong in some way: a type, a missing or unknown field, a bad number, a broken document, an unknown name, a
wrong method. Sequences of kind `agent` speak to the local agent only, the others to the catalog only: what anti-entropy carries
from one to the other arrives at no fixed moment.
"""

import json
import random
import urllib.parse

import conform

STEPS = 270
KEYS = ["a", "a/b", "a/b/c", "a/d", "b", "b/x", "lock/1", "lock/2", "é/ü", "with space", "z/"]
NODES = ["n1", "n2", "n3", "N1", "absent"]
SERVICES = ["web", "db", "WEB", "cache", "absent"]
CHECKS = ["c1", "c2", "service:web", "absent"]
STATUSES = ["passing", "warning", "critical"]
TAGS = ["v1", "v2", "primary"]
SESSIONS = [f"s{i}" for i in range(6)]
QUERIES = [f"q{i}" for i in range(4)]
INDEXES = [f"i{i}" for i in range(4)]
NOBODY = "00000000-0000-4000-8000-00000000dead"
BROKEN_BODIES = [
    "{",
    "nonsense",
    "[]",
    "[1]",
    "null",
    '"text"',
    "{}",
    '{"Node": 5}',
    '{"ID": {}}',
    "[" * 40,
    "",
    "true",
    "12",
    '{"a":}',
    "\x00",
]
FILTERS = [
    'Node == "n1"', 'Node != "n2"', 'Node matches "^n"', "Node in n1", 'Meta.zone == "a"', '"zone" in Meta', "Meta is empty",
    "ServiceTags contains v1", '"v1" in ServiceTags', "ServicePort == 80", "ServicePort == abc", "Service.Port == 80",
    "Service.Tags contains v1", 'Checks.Status == "passing"', "Node.Meta.zone == a", 'Status == "critical"', "Name == c1", "not Node == n1",
    "(Node == n1 or Node == n2) and not Node == n3", "Port == 80", "Tags is not empty", "Absent == 1", "(", "Node ==", "Node matches \"(\"", "and",
    "ServiceName == web", "ServiceID == web1", "CheckID in (", "ServiceMeta.version == `1`", "Weights.Passing == 1", "Service == web",
]  # fmt: skip


class Sequence:
    """The steps of one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.kind = "agent" if seed % 4 == 0 else "catalog"
        self.name = f"random-{seed}"
        self.number = 0

    def scenario(self) -> conform.Scenario:
        makers = AGENT if self.kind == "agent" else CATALOG
        begin = [step for maker in BEGINNINGS[self.kind] for step in maker(self)]
        steps = begin
        while len(steps) < STEPS:
            maker = self.chance.choice(makers)
            step = maker(self)
            if self.chance.random() < 0.22:
                step = self.damaged(step)
            steps.append(step)
        return conform.Scenario(self.name, *steps)

    # ---- choices

    def one(self, values):
        return self.chance.choice(values)

    def fresh(self) -> int:
        """A number of its own, which tells apart what differs by random ids alone: lists are sorted by all but these."""
        self.number += 1
        return self.number

    def key(self) -> str:
        return urllib.parse.quote(self.one(KEYS))

    def rarely(self, likelihood=0.2) -> bool:
        return self.chance.random() < likelihood

    def session(self) -> str:
        return "${%s}" % self.one(SESSIONS) if not self.rarely(0.15) else self.one([NOBODY, "short", ""])

    def query(self) -> str:
        return "${%s}" % self.one(QUERIES) if not self.rarely(0.2) else self.one([NOBODY, "short", "find-web", "named"])

    def index(self) -> str:
        return "${%s}" % self.one(INDEXES) if not self.rarely(0.4) else self.one(["0", "1", "99999", "x", "-1", ""])

    def options(self, *more: str) -> str:
        """A query string of some of these options, and sometimes of others."""
        chosen = [option for option in more if self.rarely(0.35)]
        if self.rarely(0.1):
            chosen.append(self.one(["stale", "consistent", "pretty", "dc=dc1", "dc=nowhere", "token=x", "index=0", "index=x", "wait=x",
                                    "stale&consistent", "wait=1s", "max_stale=x", "%zz", "a=%41", "cached"]))  # fmt: skip
        return "?" + "&".join(chosen) if chosen else ""

    def filter(self) -> str:
        return "filter=" + urllib.parse.quote_plus(self.one(FILTERS))

    def damaged(self, step: dict) -> dict:
        """The request, wrong in one way."""
        step = dict(step)
        for name in ("save", "until"):
            step.pop(name, None)
        way = self.chance.randrange(6)
        body = step["body"]
        if way == 0:
            step["method"] = self.one([m for m in ("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS") if m != step["method"]])
        elif way == 1 and isinstance(body, (dict, list)):
            step["body"] = self.one(BROKEN_BODIES)
        elif way == 2 and isinstance(body, dict) and body:
            step["body"] = self.with_wrong_field(body)
        elif way == 3:
            join = "&" if "?" in step["path"] else "?"
            step["path"] += join + self.one(["index=-1", "index=abc", "wait=abc&index=1", "stale&consistent", "dc=nowhere", "%zz", "cas=x",
                                             "flags=x", "near=absent", "filter=(", "passing=maybe", "node-meta=x", "acquire=x&release=y"])  # fmt: skip
        elif way == 4 and "/" in step["path"][4:]:
            path, _, options = step["path"].partition("?")
            step["path"] = path.rsplit("/", 1)[0] + self.one(["/", "", "/absent", "/%20", "/a%2Fb"]) + ("?" + options if options else "")
        elif isinstance(body, dict) and body:
            field = self.one(sorted(body))
            step["body"] = {name: value for name, value in body.items() if name != field}
        return step

    def with_wrong_field(self, body: dict) -> dict:
        changed = dict(body)
        field = self.one(sorted(changed))
        if isinstance(changed[field], dict) and changed[field] and self.rarely(0.5):
            changed[field] = self.with_wrong_field(changed[field])
        else:
            changed[field] = self.one([None, 5, -1, "", "text", [], ["x"], {}, {"x": 1}, True, 1.5, "10s"])
        return changed


def get(path, **options):
    return conform.call("GET", path, **options)


def put(path, body=None, **options):
    return conform.call("PUT", path, body, **options)


# ---------------------------------------------------------------- key/value store, sessions, transactions


def kv_put(s):
    return put(f"/v1/kv/{s.key()}" + s.options(f"flags={s.one([0, 42, 2**63, -1])}", f"cas={s.index()}"), s.one(["one", "two", "", "<&>"]))


def kv_lock(s):
    verb = s.one(["acquire", "acquire", "release"])
    return put(f"/v1/kv/{s.key()}?{verb}={s.session()}", "held")


def kv_get(s):
    options = s.options("raw", "stale", "consistent")
    return get(f"/v1/kv/{s.key()}{options}", save={s.one(INDEXES): "0.ModifyIndex"})


def kv_list(s):
    prefix = s.one(["", "a", "a/", "b", "lock", "nothing"])
    return get(f"/v1/kv/{prefix}?{s.one(['recurse', 'keys', 'keys&separator=/', 'keys&separator=b', 'recurse&raw'])}")


def kv_delete(s):
    return conform.call("DELETE", f"/v1/kv/{s.key()}{s.options('recurse', f'cas={s.index()}')}")


def session_create(s):
    body = {"LockDelay": s.one(["0s", "0s", "0s", 0, "1ns"])}
    body["Name"] = f"session {s.fresh()}"
    if s.rarely(0.3):
        body["Behavior"] = s.one(["release", "delete", "explode"])
    if s.rarely(0.3):
        body["TTL"] = s.one(["1h", "30m", "", "5s", "25h", "x", "-1s"])
    if s.rarely(0.2):
        body["Node"] = s.one(NODES)
    if s.rarely(0.2):
        body[s.one(["Checks", "NodeChecks"])] = s.one([[], ["serfHealth"], ["absent"], None])
    return put("/v1/session/create" + s.options(), body, save={s.one(SESSIONS): "ID"})


def session_info(s):
    return get(f"/v1/session/info/{s.session()}{s.options()}")


def session_renew(s):
    return put(f"/v1/session/renew/{s.session()}{s.options()}")


def session_destroy(s):
    return put(f"/v1/session/destroy/{s.session()}{s.options()}")


def session_list(s):
    return get(s.one(["/v1/session/list", "/v1/session/node/conform-node", "/v1/session/node/n1"]) + s.options(), unordered=[""])


def transaction(s):
    ops = [s.one(TXN_OPERATIONS)(s) for _ in range(s.chance.randrange(1, 5))]
    return {**put("/v1/txn" + s.options(), json.dumps(ops)), "ignore": ["Results.*.KV.Value"] if s.rarely(0) else []}


def txn_kv(s):
    verb = s.one(["set", "get", "get-tree", "delete", "delete-tree", "check-not-exists", "cas", "check-index", "delete-cas", "lock", "unlock",
                  "check-session", "teleport"])  # fmt: skip
    operation = {"Verb": verb, "Key": s.one([*KEYS, ""])}
    if verb in ("set", "cas", "lock", "unlock") or s.rarely(0.1):
        operation["Value"] = s.one(["b25l", "dHdv", "", "not base64!"] if s.rarely(0.2) else ["b25l", "dHdv"])
    if s.rarely(0.2):
        operation["Flags"] = s.one([0, 7, -1])
    if verb in ("cas", "check-index", "delete-cas"):
        operation["Index"] = s.one([0, 1, 99999])
    if verb in ("lock", "unlock", "check-session"):
        operation["Session"] = s.session()
    return {"KV": operation}


def txn_catalog(s):
    verb = s.one(["set", "get", "delete", "cas", "delete-cas", "odd"])
    kind = s.one(["Node", "Service", "Check"])
    if kind == "Node":
        return {"Node": {"Verb": verb, "Node": {"Node": s.one(NODES), "Address": "10.1.0.1", "Meta": {"zone": s.one("ab")}}}}
    if kind == "Service":
        return {
            "Service": {
                "Verb": verb,
                "Node": s.one(NODES),
                "Service": {"ID": f"{s.one(SERVICES)}1", "Service": s.one(SERVICES), "Port": 80},
            }
        }
    return {"Check": {"Verb": verb, "Check": {"Node": s.one(NODES), "CheckID": s.one(CHECKS), "Name": "c", "Status": s.one(STATUSES)}}}


TXN_OPERATIONS = [txn_kv, txn_kv, txn_kv, txn_catalog]

# ---------------------------------------------------------------- catalog, health, coordinates


def register(s):
    node = s.one(NODES[:4])
    body = {"Node": node, "Address": f"10.0.0.{s.one([1, 2, 3])}"}
    if s.rarely(0.3):
        body["NodeMeta"] = s.one([{"zone": "a"}, {"zone": "b"}, {}, None])
    if s.rarely(0.15):
        body["TaggedAddresses"] = {"lan": "10.0.0.1", "wan": "198.51.100.1"}
    if s.rarely(0.1):
        body["ID"] = s.one(["40e4a748-2192-161a-0510-9bf59fe950b5", "40e4a748-2192-161a-0510-9bf59fe950b6", "not-a-uuid", ""])
    if s.rarely(0.7):
        name = s.one(SERVICES[:4])
        body["Service"] = {
            "ID": f"{name}{s.one([1, 2])}",
            "Service": name,
            "Port": s.one([80, 81, 0]),
            "Tags": s.one([None, [], TAGS[:1], TAGS]),
        }
        if s.rarely(0.3):
            body["Service"]["Address"] = s.one(["10.9.9.9", "", "host.example"])
        if s.rarely(0.2):
            body["Service"]["Weights"] = {"Passing": s.one([1, 10, -1]), "Warning": 1}
        if s.rarely(0.2):
            body["Service"]["Meta"] = s.one([{"version": "1"}, {}, None])
    if s.rarely(0.5):
        check = {"CheckID": s.one(CHECKS[:3]), "Name": "c", "Status": s.one([*STATUSES, "", "odd"]), "Output": s.one(["", "out"])}
        if "Service" in body and s.rarely(0.6):
            check["ServiceID"] = body["Service"]["ID"]
        elif s.rarely(0.2):
            check["ServiceID"] = "absent"
        body.update({"Check": check} if s.rarely(0.6) else {"Checks": [check]})
    if s.rarely(0.1):
        body["SkipNodeUpdate"] = True
    return put("/v1/catalog/register" + s.options(), body)


def deregister(s):
    body = {"Node": s.one(NODES)}
    if s.rarely(0.6):
        body[s.one(["ServiceID", "CheckID"])] = s.one([*CHECKS, "web1", "db1", "cache2"])
    return put("/v1/catalog/deregister" + s.options(), body)


def catalog_nodes(s):
    return get("/v1/catalog/nodes" + s.options(s.filter(), "node-meta=zone:a", "near=n1"))


def catalog_services(s):
    return get("/v1/catalog/services" + s.options("node-meta=zone:a"), unordered=["*"])


def catalog_service(s):
    return get(f"/v1/catalog/service/{s.one(SERVICES)}" + s.options(s.filter(), f"tag={s.one(TAGS)}", "node-meta=zone:a", "near=n2"))


def catalog_node(s):
    return get(f"/v1/catalog/{s.one(['node', 'node-services'])}/{s.one(NODES[:5])}" + s.options(s.filter()))


def health_service(s):
    return get(
        f"/v1/health/service/{s.one(SERVICES)}" + s.options(s.filter(), f"tag={s.one(TAGS)}", "passing", "passing=0", "node-meta=zone:a")
    )


def health_node(s):
    return get(f"/v1/health/node/{s.one(NODES)}" + s.options(s.filter()))


def health_checks(s):
    return get(f"/v1/health/checks/{s.one(SERVICES)}" + s.options(s.filter(), "node-meta=zone:b"))


def health_state(s):
    return get(f"/v1/health/state/{s.one([*STATUSES, 'any', 'odd'])}" + s.options(s.filter(), "node-meta=zone:a"), unordered=[""])


def coordinate_node(s):
    return get(f"/v1/coordinate/node/{s.one(NODES[:3])}" + s.options())


def event_fire(s):
    return put(
        f"/v1/event/fire/{s.one(['deploy', 'restart'])}" + s.options("node=conform", "service=web", "tag=v1"), s.one(["payload", ""])
    )


def status(s):
    return get(s.one(["/v1/status/leader", "/v1/status/peers", "/v1/catalog/datacenters"]))


# ---------------------------------------------------------------- prepared queries, config entries, operator


def query_body(s):
    body = {"Name": s.one(["", "named", "other", "find-"]), "Service": {"Service": s.one(SERVICES)}}
    if s.rarely(0.3):
        body["Service"]["OnlyPassing"] = s.one([True, False])
    if s.rarely(0.3):
        body["Service"]["Tags"] = s.one([["v1"], ["!v1"], [], None])
    if s.rarely(0.2):
        body["Service"]["Failover"] = {"NearestN": s.one([0, 1, -1]), "Datacenters": s.one([None, [], ["dc2"]])}
    if s.rarely(0.2):
        body["Service"][s.one(["NodeMeta", "ServiceMeta"])] = {"zone": "a"}
    if s.rarely(0.2):
        body["DNS"] = {"TTL": s.one(["", "x", "-1s"])}
    else:
        body["DNS"] = {"TTL": f"{s.fresh()}s"}
    if s.rarely(0.2):
        body["Template"] = {"Type": s.one(["name_prefix_match", "odd"]), "Regexp": s.one(["", "^find-(.*)$", "("])}
        body["Service"]["Service"] = s.one(["${match(1)}", "${name.suffix}", "${absent}", "web"])
    if s.rarely(0.15):
        body["Session"] = s.session()
    return body


def query_create(s):
    return conform.call("POST", "/v1/query" + s.options(), query_body(s), save={s.one(QUERIES): "ID"})


def query_update(s):
    return put(f"/v1/query/{s.query()}", query_body(s))


def query_read(s):
    return get(f"/v1/query/{s.query()}{s.options()}")


def query_list(s):
    return get("/v1/query" + s.options(), unordered=[""])


def query_execute(s):
    return get(f"/v1/query/{s.query()}/{s.one(['execute', 'execute', 'explain'])}" + s.options("limit=0", "near=n1"), unordered=["Nodes"])


def query_delete(s):
    return conform.call("DELETE", f"/v1/query/{s.query()}{s.options()}")


def config_put(s):
    kind = s.one(["service-defaults", "proxy-defaults", "service-defaults", "absent"])
    body = {"Kind": kind, "Name": "global" if kind == "proxy-defaults" else s.one(["web", "db", ""])}
    if kind == "service-defaults":
        body["Protocol"] = s.one(["http", "tcp", "", "grpc"])
    elif s.rarely(0.5):
        body["Config"] = {"a": s.one([1, "x", [1]])}
    return put("/v1/config" + s.options("cas=0", "cas=1"), body)


def config_get(s):
    kind = s.one(["service-defaults", "proxy-defaults", "service-resolver", "absent"])
    return get(f"/v1/config/{kind}{s.one(['', '/web', '/global', '/absent'])}" + s.options(), unordered=[""])


def config_delete(s):
    return conform.call(
        "DELETE", f"/v1/config/{s.one(['service-defaults/web', 'service-defaults/db', 'proxy-defaults/global', 'absent/x'])}"
    )


def autopilot(s):
    if s.rarely(0.5):
        return get("/v1/operator/autopilot/configuration" + s.options())
    body = {
        "CleanupDeadServers": s.one([True, False]),
        "LastContactThreshold": s.one(["200ms", "1s", "x", 5]),
        "MaxTrailingLogs": s.one([250, 500]),
    }
    return put("/v1/operator/autopilot/configuration" + s.options("cas=0"), body)


# ---------------------------------------------------------------- the local agent

IDS = ["web", "web2", "db"]
AGENT_CHECKS = ["beat", "service:web", "service:web:1", "service:web:2", "service:web2", "absent"]


def agent_service_register(s):
    name = s.one(["web", "db"])
    body = {"Name": name, "Port": s.one([80, 0, 81])}
    if s.rarely(0.6):
        body["ID"] = s.one(IDS)
    if s.rarely(0.3):
        body["Tags"] = s.one([[], TAGS[:1], None])
    if s.rarely(0.2):
        body["Meta"] = s.one([{"version": "1"}, {"bad key": "x"}, {}, None])
    if s.rarely(0.2):
        body["Weights"] = {"Passing": s.one([1, 10, -5]), "Warning": 1}
    if s.rarely(0.2):
        body["Address"] = s.one(["10.0.0.9", "0.0.0.0", ""])
    if s.rarely(0.4):
        body["Check"] = agent_check(s)
    elif s.rarely(0.3):
        body["Checks"] = [agent_check(s) for _ in range(s.chance.randrange(3))]
    return put("/v1/agent/service/register" + s.options("replace-existing-checks=true"), body)


def agent_check(s):
    check = {"TTL": s.one(["1h", "30m", "x", "0s", ""]) if s.rarely(0.3) else "1h"}
    if s.rarely(0.3):
        check["Status"] = s.one([*STATUSES, "odd", ""])
    if s.rarely(0.2):
        check["Name"] = "named"
    if s.rarely(0.2):
        check["Notes"] = "notes"
    if s.rarely(0.1):
        check.update(s.one([{"Interval": "10s"}, {"HTTP": "http://127.0.0.1:1/", "Interval": "1h"}, {"TCP": "127.0.0.1:1"}]))
    return check


def agent_service_deregister(s):
    return put(f"/v1/agent/service/deregister/{s.one([*IDS, 'absent'])}")


def agent_services(s):
    return get("/v1/agent/services" + s.options("filter=" + urllib.parse.quote_plus(s.one(["Service == web", "Port == 80", '"v1" in Tags', "Absent == 1"]))),
               ignore=["*.ContentHash"])  # fmt: skip


def agent_service(s):
    return get(f"/v1/agent/service/{s.one([*IDS, 'absent'])}", ignore=["ContentHash"])


def agent_check_register(s):
    body = {"Name": s.one(["beat", "beat", ""]), **agent_check(s)}
    if s.rarely(0.3):
        body["ServiceID"] = s.one([*IDS, "absent"])
    if s.rarely(0.2):
        body["ID"] = s.one(["beat", "other"])
    return put("/v1/agent/check/register", body)


def agent_check_deregister(s):
    return put(f"/v1/agent/check/deregister/{s.one(AGENT_CHECKS)}")


def agent_check_state(s):
    return put(f"/v1/agent/check/{s.one(['pass', 'warn', 'fail'])}/{s.one(AGENT_CHECKS)}" + s.options("note=hello"))


def agent_check_update(s):
    return put(f"/v1/agent/check/update/{s.one(AGENT_CHECKS)}", {"Status": s.one([*STATUSES, "odd", ""]), "Output": s.one(["", "out"])})


def agent_checks(s):
    return get("/v1/agent/checks" + s.options("filter=" + urllib.parse.quote_plus(s.one(["Status == passing", "Name == beat", "ServiceID is empty", "("]))),
               ignore=["*.Output"])  # fmt: skip


def agent_health(s):
    by, name = s.one([("id", s.one([*IDS, "absent"])), ("name", s.one(["web", "db", "absent"]))])
    return get(f"/v1/agent/health/service/{by}/{name}" + s.options("format=text"), unordered=["", "Checks", "*.Checks"],
               ignore=["Service.ContentHash", "*.Service.ContentHash", "Checks.*.Output", "*.Checks.*.Output"])  # fmt: skip


def agent_maintenance(s):
    where = s.one(["/v1/agent/maintenance", f"/v1/agent/service/maintenance/{s.one([*IDS, 'absent'])}"])
    return put(f"{where}?enable={s.one(['true', 'false', 'perhaps', '1', '0'])}" + s.one(["", "&reason=why", "&reason="]))


def agent_members(s):
    return get("/v1/agent/members" + s.options("wan"), ignore=["*.Tags.*"])


CATALOG = [
    kv_put, kv_put, kv_lock, kv_get, kv_list, kv_delete, session_create, session_info, session_renew, session_destroy, session_list,
    transaction, transaction, register, register, register, deregister, catalog_nodes, catalog_services, catalog_service, catalog_node,
    health_service, health_service, health_node, health_checks, health_state, coordinate_node, event_fire, status, query_create, query_update,
    query_read, query_list, query_execute, query_execute, query_delete, config_put, config_get, config_delete, autopilot,
]  # fmt: skip
AGENT = [
    agent_service_register, agent_service_register, agent_service_deregister, agent_services, agent_service, agent_check_register,
    agent_check_deregister, agent_check_state, agent_check_update, agent_checks, agent_health, agent_maintenance, agent_members,
]  # fmt: skip


def _sessions(s):
    return [put("/v1/session/create", {"LockDelay": "0s", "Name": f"session {s.fresh()}"}, save={name: "ID"}) for name in SESSIONS[:3]]


def _instances(s):
    return [put("/v1/catalog/register", {"Node": node, "Address": f"10.0.0.{number}", "NodeMeta": {"zone": "ab"[number % 2]},
                                         "Service": {"ID": f"web{number}", "Service": "web", "Port": 80, "Tags": TAGS[:number]},
                                         "Check": {"CheckID": "service:web", "Name": "c", "ServiceID": f"web{number}", "Status": STATUSES[number - 1]}})
            for number, node in enumerate(NODES[:3], 1)]  # fmt: skip


BEGINNINGS = {"catalog": [_sessions, _instances], "agent": []}
