"""Walks the table: every key takes its right value and refuses wrong ones, naming file, key, value and what is right."""

import json
from pathlib import Path

import pytest

from muster.agent.config.documents import parse
from muster.agent.config.keys import Key, Kind, Status
from muster.agent.config.page import configuration_page
from muster.agent.config.refusals import refuse_or_warn
from muster.agent.config.table import SHAPES, all_keys
from muster.model.errors import ConfigurationError

RIGHT = {
    Kind.BOOL: True,
    Kind.INT: 7,
    Kind.UINT: 7,
    Kind.FLOAT: 1.5,
    Kind.STRING: "x",
    Kind.DURATION: "90s",
    Kind.STRINGS: ["x"],
    Kind.STRING_MAP: {"a": "x"},
    Kind.DURATION_MAP: {"a": "90s"},
    Kind.STRINGS_MAP: {"a": ["x"]},
    Kind.BLOCK: {},
    Kind.BLOCKS: [{}],
    Kind.BLOCK_MAP: {"a": {}},
    Kind.ANY_MAP: {"a": 1},
    Kind.ANY_MAPS: [{"a": 1}],
}
READ = {Kind.DURATION: 90 * 10**9, Kind.DURATION_MAP: {"a": 90 * 10**9}}
WRONG = {
    Kind.BOOL: "true",
    Kind.INT: "7",
    Kind.UINT: -1,
    Kind.FLOAT: "1.5",
    Kind.STRING: 7,
    Kind.DURATION: "90",
    Kind.STRINGS: "x",
    Kind.STRING_MAP: {"a": 1},
    Kind.DURATION_MAP: {"a": "x"},
    Kind.STRINGS_MAP: {"a": "x"},
    Kind.BLOCK: 3,
    Kind.BLOCKS: 3,
    Kind.BLOCK_MAP: {"a": 3},
    Kind.ANY_MAP: 3,
    Kind.ANY_MAPS: [3],
}
PATHS = dict(all_keys())
EVERY_KEY = [pytest.param(path, key, id=path) for path, key in PATHS.items()]


def document(path: str, value: object) -> str:
    """A JSON document that sets one key; blocks on the way are lists or maps where the table says so."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        key = PATHS[".".join(parts[:end])]
        if end < len(parts):
            value = {Kind.BLOCKS: [value], Kind.BLOCK_MAP: {"m": value}}.get(key.kind, value)
        value = {parts[end - 1]: value}
    return json.dumps(value)


def read(path: str, value: object) -> object:
    found: object = parse(document(path, value), "x.json", "json")
    for part in path.split("."):
        while not (isinstance(found, dict) and part in found):
            found = found[0] if isinstance(found, list) else found["m"]
        found = found[part]
    return found


@pytest.mark.parametrize(("path", "key"), EVERY_KEY)
def test_a_right_value_is_taken(path: str, key: Key):
    assert read(path, RIGHT[key.kind]) == READ.get(key.kind, RIGHT[key.kind])


@pytest.mark.parametrize(("path", "key"), EVERY_KEY)
def test_a_wrong_type_is_refused_with_file_key_and_what_is_right(path: str, key: Key):
    with pytest.raises(ConfigurationError) as raised:
        parse(document(path, WRONG[key.kind]), "/etc/x.json", "json")
    text = str(raised.value)
    assert text.startswith("failed to parse /etc/x.json: ")
    assert key.name in text
    assert "should be" in text


@pytest.mark.parametrize("path", [pytest.param(path, id=path) for path, key in PATHS.items() if key.shape])
def test_a_key_that_no_block_knows_is_refused(path: str):
    kind = PATHS[path].kind
    inner = {"no_such_key": 1}
    value = {Kind.BLOCKS: [inner], Kind.BLOCK_MAP: {"m": inner}}.get(kind, inner)
    with pytest.raises(ConfigurationError, match=r"failed to parse x\.json: 1 error occurred:\n\t\* invalid config key .*no_such_key"):
        parse(document(path, value), "x.json", "json")


ON = {Kind.BOOL: True, Kind.STRING: "x", Kind.STRINGS: ["x"], Kind.BLOCKS: [{}]}
REFUSED = [pytest.param(path, key, id=path) for path, key in PATHS.items() if key.status is Status.REFUSED]


@pytest.mark.parametrize(("path", "key"), REFUSED)
def test_a_setting_that_would_be_ignored_stops_the_start(path: str, key: Key):
    tree = parse(document(path, ON[key.kind]), "x.json", "json")
    with pytest.raises(ConfigurationError) as raised:
        refuse_or_warn(tree)
    assert str(raised.value).startswith(f"config: {path} = ")
    assert key.note in str(raised.value)


@pytest.mark.parametrize(("path", "key"), REFUSED)
def test_its_off_value_does_not(path: str, key: Key):
    off = {Kind.BOOL: False, Kind.STRING: "", Kind.STRINGS: [], Kind.BLOCKS: []}[key.kind]
    refuse_or_warn(parse(document(path, off), "x.json", "json"))


@pytest.mark.parametrize(
    "path", ["verify_incoming", "verify_incoming_rpc", "verify_outgoing", "verify_server_hostname", "acl.enabled", "acl_datacenter",
             "auto_encrypt.tls", "auto_encrypt.allow_tls", "auto_config.enabled"],
)  # fmt: skip
def test_no_security_setting_is_ignored(path: str):
    assert PATHS[path].status is Status.REFUSED


def test_a_setting_without_effect_is_said_to_have_none():
    assert refuse_or_warn(parse('{"telemetry": {"statsite_address": "x"}}', "x", "json")) == [
        "telemetry.statsite_address has no effect: metrics are not sent to statsite"
    ]


def test_every_key_without_effect_says_why():
    assert [path for path, key in PATHS.items() if key.status is not Status.BUILT and not key.note] == []


def test_no_block_lists_a_key_twice():
    for shape, keys in SHAPES.items():
        assert len({key.name for key in keys}) == len(keys), shape


def test_every_key_of_a_definition_has_its_name_in_the_api():
    for path, key in PATHS.items():
        if path.split(".")[0] in ("service", "check"):
            assert key.wire or path in ("service", "check"), path


def test_the_page_of_keys_is_current():
    page = Path(__file__).parents[4] / "docs" / "configuration.md"
    assert page.read_text(encoding="utf-8") == configuration_page(), "run scripts/configuration-page"
