"""Services and checks as their owners write them, and what is refused, in the words of the peer."""

import pytest

from muster.agent.decoding import read_json
from muster.agent.definitions import parse_check, parse_service
from muster.model.catalog import ServiceAddress, Weights
from muster.model.errors import BadRequest, MusterError, Rejected

DECODE = "Request decode failed: "

BAD_SERVICES = [
    pytest.param(b"{}", "Missing service name", id="nothing"),
    pytest.param(b"{", f"{DECODE}unexpected EOF", id="half a body"),
    pytest.param(b"", f"{DECODE}EOF", id="no body"),
    pytest.param(b'{"Name":"a","Unknown":1}', f'{DECODE}json: unknown field "Unknown"', id="an unknown field"),
    pytest.param(
        b'{"Name":"a","Port":"http"}', f"{DECODE}json: cannot unmarshal string into Go struct field .Port of type int", id="port is text"
    ),
    pytest.param(
        b'{"Name":"a","Tags":"x"}', f"{DECODE}json: cannot unmarshal string into Go struct field .Tags of type []string", id="tags are text"
    ),
    pytest.param(
        b'{"Name":"a","Meta":{"k":1}}',
        f"{DECODE}json: cannot unmarshal number into Go struct field .Meta of type string",
        id="meta is a number",
    ),
    pytest.param(
        b'{"Name":"a","Checks":{}}',
        f"{DECODE}json: cannot unmarshal object into Go struct field .Checks of type structs.CheckTypes",
        id="checks are no list",
    ),
    pytest.param(b'{"Name":"a","Weights":{"Passing":-5}}', "Invalid Weights: Passing must be greater than 0", id="passing below 1"),
    pytest.param(
        b'{"Name":"a","Weights":{"Passing":1,"Warning":-1}}',
        "Invalid Weights: Warning must be greater or equal than 0",
        id="warning below 0",
    ),
    pytest.param(
        b'{"Name":"a","Weights":{"Passing":70000}}', "Invalid Weights: DNS Weight must be between 0 and 65535", id="weight over 16 bits"
    ),
    pytest.param(b'{"Name":"a","Address":"[::]"}', "Invalid service address", id="address of nowhere"),
    pytest.param(b'{"Name":"a","Check":{"Interval":"10s"}}', "Invalid check: TTL must be > 0 for TTL checks", id="a check of no kind"),
    pytest.param(b'{"Name":"a","Check":{"TTL":"later"}}', f'{DECODE}time: invalid duration "later"', id="no duration"),
    pytest.param(
        b'{"Name":"a","Check":{"HTTP":"http://x"}}', "Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks", id="no interval"
    ),
    pytest.param(
        b'{"Name":"a","Check":{"TTL":"1s","OutputMaxSize":-1}}', "Invalid check: MaxOutputMaxSize must be positive", id="output below 0"
    ),
    pytest.param(
        b'{"Name":"a","Check":{"TTL":"1s","Status":"odd"}}', "Status for checks must 'passing', 'warning', 'critical'", id="an odd status"
    ),
    pytest.param(
        b'{"Name":"a","Meta":{"bad key":"x"}}',
        "Invalid Service Meta: Couldn't load metadata pair ('bad key', 'x'): Key contains invalid characters",
        id="a bad key",
    ),
    pytest.param(
        b'{"Name":"a","Kind":"connect-proxy"}',
        "2 errors occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\t* Port must be set for a Connect proxy\n\n",
        id="a proxy of nothing",
    ),
]


@pytest.mark.parametrize(("body", "text"), BAD_SERVICES)
def test_a_service_that_makes_no_sense_is_refused_in_the_peers_words(body: bytes, text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_service(read_json(body))
    assert str(refused.value) == text


BAD_CHECKS = [
    pytest.param(b"{}", "Missing check name", id="nothing"),
    pytest.param(b'{"Name":"c"}', "Invalid check: TTL must be > 0 for TTL checks", id="no kind"),
    pytest.param(b'{"Name":"c","TTL":"1h","Status":"odd"}', "Bad check status", id="an odd status"),
    pytest.param(
        b'{"Name":"c","TTL":"1h","HTTP":"http://x","Interval":"1s"}',
        "Invalid check: Interval and TTL cannot both be specified",
        id="two kinds",
    ),
    pytest.param(b'{"Name":"c","CheckID":"x","TTL":"1h"}', f'{DECODE}json: unknown field "CheckID"', id="an id under the other name"),
    pytest.param(b'{"Name":"c","TTL":"1ss"}', f'{DECODE}time: unknown unit "ss" in duration "1ss"', id="an unknown unit"),
    pytest.param(b"[" * 100_000, f"{DECODE}json: exceeded max depth", id="nested too deeply"),
]


@pytest.mark.parametrize(("body", "text"), BAD_CHECKS)
def test_a_check_that_makes_no_sense_is_refused_in_the_peers_words(body: bytes, text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_check(read_json(body))
    assert str(refused.value) == text


def test_a_tagged_address_of_the_wrong_family_is_refused() -> None:
    with pytest.raises(Rejected, match='"lan_ipv4" must be a valid ipv4 address'):
        parse_service({"Name": "a", "TaggedAddresses": {"lan_ipv4": {"Address": "nope"}}})


def test_names_match_in_any_case_and_in_the_spelling_of_configuration_files() -> None:
    service = parse_service(
        {
            "name": "a",
            "ID": "x",
            "enable_tag_override": True,
            "tagged_addresses": {"lan": {"address": "1.2.3.4", "port": 3}},
            "check": {"ttl": "10s"},
        }
    )
    assert (service.id, service.enable_tag_override, service.check.ttl) == ("x", True, 10_000_000_000)
    assert service.tagged_addresses == {"lan": ServiceAddress(address="1.2.3.4", port=3)}


def test_durations_are_texts_or_nanoseconds_and_other_types_are_passed_over() -> None:
    assert parse_check({"Name": "c", "TTL": 1_500_000_000}).ttl == 1_500_000_000
    with pytest.raises(MusterError, match="TTL must be > 0"):
        parse_check({"Name": "c", "TTL": True})


@pytest.mark.parametrize(
    ("given", "family"),
    [pytest.param("1.2.3.4", "ipv4", id="IPv4"), pytest.param("fe80::1", "ipv6", id="IPv6"), pytest.param("web.example", "", id="a name")],
)
def test_a_numeric_address_fills_in_the_addresses_of_its_family(given: str, family: str) -> None:
    tagged = parse_service({"Name": "a", "Address": given, "Port": 5}).node_service().tagged_addresses
    expected = {tag: ServiceAddress(address=given, port=5) for tag in (f"lan_{family}", f"wan_{family}")} if family else None
    assert tagged == expected


def test_weights_are_one_by_default_and_a_part_that_is_not_given_is_zero() -> None:
    assert parse_service({"Name": "a"}).node_service().weights == Weights(passing=1, warning=1)
    assert parse_service({"Name": "a", "Weights": {"Passing": 3}}).node_service().weights == Weights(passing=3, warning=0)
