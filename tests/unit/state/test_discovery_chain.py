"""Which changes of config entries are refused because the others do not fit; as Consul 1.8.7 answered, with its texts."""

import pytest

from muster.model.operator import ConfigEntry
from muster.state.store import Store
from muster.wire.commands import ConfigEntryRequest

ROUTING = 'discovery chain "web" uses a protocol "tcp" that does not permit advanced routing or splitting behavior'


def put(kind, name, **fields):
    return ConfigEntryRequest(op="upsert", entry=ConfigEntry(kind=kind, name=name, fields=fields))


def drop(kind, name):
    return ConfigEntryRequest(op="delete", entry=ConfigEntry(kind=kind, name=name, fields={}))


def speaks(name, protocol, **fields):
    return put("service-defaults", name, Protocol=protocol, **fields)


def proxies(protocol):
    return put("proxy-defaults", "global", Config={"protocol": protocol})


def router(name, *places):
    return put("service-router", name, Routes=[{"Match": None, "Destination": place} for place in places])


def splitter(name, *places):
    return put("service-splitter", name, Splits=[{"Weight": 100 / len(places), **place} for place in places])


def resolver(name, *subsets, **fields):
    return put("service-resolver", name, Subsets={subset: {"Filter": ""} for subset in subsets}, **fields)


def ingress(name, protocol, *services):
    return put("ingress-gateway", name, Listeners=[{"Port": 80, "Protocol": protocol, "Services": [{"Name": one} for one in services]}])


def to(service="", subset=""):
    return {"Service": service, "ServiceSubset": subset}


WEB, DB = speaks("web", "http"), speaks("db", "http")
SPLIT = [resolver("web", "v1"), WEB, DB, splitter("web", to(subset="v1"), to("db"))]
CASES = [
    # entries before, the change, the refusal
    pytest.param([], router("web"), ROUTING, id="a router of a service that speaks tcp"),
    pytest.param([], splitter("web", to()), ROUTING, id="a splitter of one"),
    pytest.param([WEB], router("web"), "", id="a router of a service that speaks http"),
    pytest.param([proxies("http")], router("web"), "", id="a router, and all proxies speak http"),
    pytest.param([proxies("http"), speaks("web", "")], router("web"), ROUTING, id="an empty protocol of its own is tcp"),
    pytest.param([WEB, router("web")], speaks("web", "tcp"), ROUTING, id="tcp for a routed service"),
    pytest.param([WEB, router("web")], drop("service-defaults", "web"), ROUTING, id="no protocol for a routed service"),
    pytest.param([WEB], splitter("web", to(subset="v9")), 'service "web" does not have a subset named "v9"', id="a subset that is not there"),
    pytest.param([WEB], splitter("web", to(), to("db")),
                 'discovery chain "web" uses inconsistent protocols; service "db" has "tcp" which is not "http"', id="two protocols"),
    pytest.param(SPLIT[:3], SPLIT[3], "", id="a split to a subset and to another service"),
    pytest.param(SPLIT, speaks("db", "grpc"),
                 'discovery chain "web" uses inconsistent protocols; service "db" has "grpc" which is not "http"', id="another protocol behind"),
    pytest.param(SPLIT, drop("service-resolver", "web"), 'service "web" does not have a subset named "v1"', id="a subset that is needed"),
    pytest.param([*SPLIT, proxies("http")], drop("service-defaults", "web"), "", id="the proxies' protocol takes its place"),
    pytest.param([*SPLIT, proxies("http"), drop("service-defaults", "web")], proxies("tcp"),
                 'discovery chain "web" uses inconsistent protocols; service "db" has "http" which is not "tcp"', id="the proxies' protocol is needed"),
    pytest.param([resolver("a", Redirect=to("b"))], resolver("b", Redirect=to("a")),
                 "detected circular resolver redirect: [a.default.dc1 -> b.default.dc1 -> a.default.dc1]", id="redirects in a circle"),
    pytest.param([WEB], resolver("c", Redirect=to("web")),
                 'discovery chain "c" uses inconsistent protocols; service "web" has "http" which is not "tcp"', id="a redirect to another protocol"),
    pytest.param([resolver("b", "v1")], resolver("a", Failover={"*": to("b", "v2")}), 'service "b" does not have a subset named "v2"',
                 id="a failover to a subset that is not there"),
    pytest.param([resolver("b", "v1")], resolver("a", Failover={"*": to("b", "v1")}), "", id="a failover to a subset"),
    pytest.param([WEB, DB, splitter("web", to("db"))], splitter("db", to("web")), "detected circular reference: ", id="splits in a circle"),
    pytest.param([speaks("web", "http", ExternalSNI="x")], resolver("web", "v1"),
                 'service "web" has an external SNI set; cannot define subsets for external services', id="subsets of a service outside"),
    pytest.param([ingress("gw", "tcp", "web")], put("terminating-gateway", "gw"),
                 'cannot create a "terminating-gateway" config entry with name "gw", a "ingress-gateway" config entry with that name already exists',
                 id="two gateways of one name"),
    pytest.param([WEB], ingress("gw", "tcp", "web"), 'service "web" has protocol "http", which does not match defined listener protocol "tcp"',
                 id="a listener of another protocol"),
    pytest.param([WEB, ingress("gw", "http", "web")], speaks("web", "tcp"),
                 'service "web" has protocol "tcp", which does not match defined listener protocol "http"', id="tcp behind a listener of http"),
    pytest.param([ingress("gw", "tcp", "web")], WEB, "", id="http behind a listener of tcp"),
    pytest.param([ingress("gw", "tcp", "web"), WEB], router("web"),
                 'service "web" has protocol "http", which does not match defined listener protocol "tcp"', id="a router behind a listener of tcp"),
    pytest.param([WEB, speaks("db", "tcp"), splitter("db", to("web"))], ingress("gw", "tcp", "db"),
                 'service "db" has protocol "http", which does not match defined listener protocol "tcp"', id="a listener of what a split leads to"),
    pytest.param([WEB], ingress("gw", "tcp", "*"), "", id="a listener for everything"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "change", "refusal"), CASES)
def test_a_change_that_does_not_fit_fails_and_leaves_all_as_it_was(before, change, refusal):
    store = Store()
    for index, command in enumerate(before, 1):
        result = store.apply(index, command).result
        assert not isinstance(result, Exception), result
    snapshot = b"".join(store.snapshot())
    result = store.apply(50, change).result
    assert (str(result) if isinstance(result, Exception) else "").startswith(refusal)
    assert isinstance(result, Exception) == bool(refusal)
    assert (b"".join(store.snapshot()) == snapshot) == bool(refusal)
