"""The node's id over restarts."""

import random
import stat
from pathlib import Path

import pytest

from muster.agent.config.config import Config
from muster.agent.identity import catalog_identity, node_id
from muster.model.errors import ConfigurationError

GIVEN = "11111111-2222-3333-4444-555555555555"


def test_an_id_is_made_once_and_kept_with_mode_0600(tmp_path: Path) -> None:
    config = Config(node_name="n1", data_dir=str(tmp_path))
    first = node_id(config, random.Random(1))
    assert node_id(config, random.Random(2)) == first
    assert (tmp_path / "node-id").read_text() == first
    assert stat.S_IMODE((tmp_path / "node-id").stat().st_mode) == 0o600


def test_a_configured_id_wins_and_is_kept(tmp_path: Path) -> None:
    node_id(Config(node_name="n1", data_dir=str(tmp_path)), random.Random(1))
    assert node_id(Config(node_name="n1", data_dir=str(tmp_path), node_id=GIVEN), random.Random(1)) == GIVEN
    assert (tmp_path / "node-id").read_text() == GIVEN


@pytest.mark.parametrize("text", ["", "nonsense", GIVEN[:-1]])
def test_an_id_that_is_none_stops_the_start_and_names_its_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "node-id").write_text(text)
    with pytest.raises(ConfigurationError, match=r"node-id.*is no UUID"):
        node_id(Config(node_name="n1", data_dir=str(tmp_path)), random.Random(1))


def test_in_development_nothing_is_written(tmp_path: Path) -> None:
    node_id(Config(node_name="n1", data_dir=str(tmp_path), dev=True), random.Random(1))
    assert list(tmp_path.iterdir()) == []


def test_the_catalog_is_to_hold_both_addresses_and_the_segment() -> None:
    identity = catalog_identity(
        Config(node_name="n1", advertise_address="10.0.0.1", advertise_address_wan="fe80::1", node_meta={"a": "b"}), GIVEN
    )
    assert identity.tagged_addresses == {"lan": "10.0.0.1", "lan_ipv4": "10.0.0.1", "wan": "fe80::1", "wan_ipv6": "fe80::1"}
    assert identity.meta == {"a": "b", "consul-network-segment": ""}
