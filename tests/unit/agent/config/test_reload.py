"""What a reload may change, and what waits for a restart."""

import pytest

from muster.agent.config.build import load_flags
from muster.agent.config.reload import Reload, changes
from muster.model.errors import ConfigurationError


def config(text: str):
    return load_flags({"dev": True, "node": "n", "hcl": [text]})


@pytest.mark.parametrize(
    ("old", "new", "reload"),
    [
        pytest.param("", "", Reload((), ()), id="nothing"),
        pytest.param("", 'log_level = "warn"', Reload(("log_level",), ()), id="log level"),
        pytest.param("", 'service { name = "a" }', Reload(("services",), ()), id="a service more"),
        pytest.param('check { name = "a" ttl = "1s" }', 'check { name = "a" ttl = "2s" }', Reload(("checks",), ()), id="another check"),
        pytest.param(
            "", 'dns_config { node_ttl = "1s" soa { retry = 1 } }', Reload(("dns_config.node_ttl", "dns_config.soa.retry"), ()), id="DNS"
        ),
        pytest.param("ports { http = 1 }", "ports { http = 2 }", Reload((), ("ports.http",)), id="a port"),
        pytest.param(
            'datacenter = "a"', 'datacenter = "b" node_meta { a = "b" }', Reload(("node_meta",), ("datacenter",)), id="one of each"
        ),
        pytest.param("limits { http_max_conns_per_client = 5 }", "", Reload(("limits.http_max_conns_per_client",), ()), id="a key less"),
    ],
)
def test_a_reload_tells_what_changed(old, new, reload):
    assert changes(config(old), config(new)) == reload


def test_a_half_written_file_is_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"node_name": "a", "services": [{"name"')
    with pytest.raises(ConfigurationError, match=r"failed to parse .*a\.json"):
        load_flags({"dev": True, "config-file": [str(path)]})
