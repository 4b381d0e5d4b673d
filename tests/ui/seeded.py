"""A cluster for the pages to show: 7 nodes, 30 services in all states, keys, sessions, a query, coordinates. Over the HTTP API, so on any server."""

import json
import urllib.error
import urllib.request
from typing import Any

NODES = [f"host-{number}" for number in range(1, 8)]
SERVICES = [
    "api", "auth", "billing", "cache", "cart", "catalog-search", "checkout", "clickstream", "config-sync", "elastic", "email", "frontend",
    "gateway", "grafana", "inventory", "kafka", "loki", "mailer", "metrics", "notifications", "orders", "payments", "postgres", "prometheus",
    "recommendations", "redis", "reports", "scheduler", "shipping", "web",
]  # fmt: skip
FAILING = {
    "payments": ("critical", "Get http://10.0.0.3:8080/health: dial tcp 10.0.0.3:8080: connect: connection refused"),
    "kafka": ("critical", "broker 2 is not in the in-sync set\npartition orders-3 is under-replicated"),
    "reports": ("warning", "HTTP GET http://10.0.0.5:8080/health: 429 Too Many Requests Output: slow down"),
    "email": ("warning", "queue is 4,812 long, more than 1,000"),
}
KEYS = {
    "app/config.json": '{\n  "replicas": 3,\n  "log_level": "info"\n}\n',
    "app/feature/new-checkout": "true",
    "app/feature/dark-mode": "false",
    "app/limits.yaml": "requests:\n  per_second: 50\n  burst: 100\n",
    "app/nginx.hcl": 'upstream "web" {\n  port = 80\n}\n',
    "deploy/current": "2026.11.3",
    "deploy/history/2026.11.2": "rolled back",
    "locks/leader": "host-1",
    "README": "What is kept where: app/ is read by the services, deploy/ by the pipeline.",
}


class Api:
    """The HTTP API at a URL such as http://127.0.0.1:8500, with a token if need be."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url
        self.token = token

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON that came back; bytes and texts are sent as they are. Raises urllib.error.HTTPError."""
        data = body if isinstance(body, bytes) or body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"X-Consul-Token": self.token} if self.token else {}, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text.strip() else None

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def put(self, path: str, body: Any = b"") -> Any:
        return self.call("PUT", path, body)

    def register(self, node: str, service: str = "", *, status: str = "passing", output: str = "", **fields: Any) -> None:
        """Registers a node, or an instance with one check, in the catalog."""
        body: dict[str, Any] = {
            "Node": node,
            "Address": f"10.0.0.{NODES.index(node) + 1 if node in NODES else 99}",
            "SkipNodeUpdate": node in NODES,
        }
        if service:
            identifier = fields.pop("ID", f"{service}-{node}")
            body["Service"] = {"ID": identifier, "Service": service, "Port": 8080, **fields}
            check = {"Node": node, "CheckID": f"service:{identifier}", "Name": f"{service} health", "Status": status, "Output": output}
            body["Check"] = check | {"ServiceID": identifier}
        else:
            body |= fields
        self.put("/v1/catalog/register", body)


def seed(url: str, token: str = "") -> Api:
    """Fills an empty server; returns its API."""
    api = Api(url, token)
    for number, node in enumerate(NODES):
        status, output = ("critical", "Agent not live or unreachable") if node == "host-7" else ("passing", "Agent alive and reachable")
        api.put(
            "/v1/catalog/register",
            {
                "Node": node,
                "ID": f"aaaaaaaa-bbbb-cccc-dddd-00000000000{number + 1}",
                "Address": f"10.0.0.{number + 1}",
                "NodeMeta": {"rack": f"r{number % 3 + 1}", "external-node": "true", "external-probe": "true"},
                "Check": {"Node": node, "CheckID": "probe", "Name": "Probe from outside", "Status": status, "Output": output},
            },
        )
    for number, service in enumerate(SERVICES):
        status, output = FAILING.get(service, ("passing", "HTTP GET http://10.0.0.1:8080/health: 200 OK Output: ok"))
        for place in range(1 + number % 4):
            node = NODES[(number + place) % 6]
            bad = place == 0
            tags = ["v2", "http"] if number % 2 else ["primary"] if place == 0 else ["replica"]
            meta = {"version": "2.4.1"} | ({"external-source": "kubernetes"} if number % 5 == 0 else {})
            api.register(
                node, service, status=status if bad else "passing", output=output if bad else "200 OK", Tags=tags, Meta=meta, Address=f"10.0.1.{number}",
                TaggedAddresses={"lan": {"Address": f"10.0.1.{number}", "Port": 8080}, "wan": {"Address": f"192.0.2.{number}", "Port": 18080}},
            )  # fmt: skip
    api.put("/v1/catalog/register", {"Node": "host-6", "Address": "10.0.0.6", "Service": {"ID": "cron", "Service": "cron"}})
    for key, value in KEYS.items():
        api.put(f"/v1/kv/{key}", value)
    session = api.put(
        "/v1/session/create", {"Name": "leader-lock", "Node": "host-1", "Checks": ["probe"], "NodeChecks": ["probe"], "TTL": "600s"}
    )["ID"]
    api.put(f"/v1/kv/locks/leader?acquire={session}", "host-1")
    api.put("/v1/session/create", {"Name": "backup", "Node": "host-2", "Checks": ["probe"], "NodeChecks": ["probe"], "Behavior": "delete"})
    api.call("POST", "/v1/query", {"Name": "nearest-web", "Service": {"Service": "web", "OnlyPassing": True}, "DNS": {"TTL": "10s"}})
    api.put("/v1/event/fire/deploy", "2026.11.3")
    for number, node in enumerate(NODES[:6]):
        vector = [0.002 * ((number * 37) % 11) / 10 + (0.012 if number > 2 else 0.0), 0.001 * number, *[0.0] * 6]
        coordinate = {"Vec": vector, "Error": 0.2, "Adjustment": 0.0001, "Height": 0.0003}
        api.put("/v1/coordinate/update", {"Node": node, "Segment": "", "Coord": coordinate})
    return api
