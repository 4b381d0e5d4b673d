"""From flags and files to a `Config`: order, defaults by role, and what makes it wrong as a whole."""

import pytest

from muster.agent.config.build import load_flags
from muster.agent.config.flags import AGENT_FLAGS
from muster.agent.config.table import all_keys
from muster.model.durations import MILLISECOND, SECOND
from muster.model.errors import ConfigurationError


def hcl(*texts: str, **flags: object) -> dict[str, object]:
    return {"dev": True, "hcl": list(texts), **flags}


def written(folder, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


def test_a_client_leaves_on_terminate_and_a_server_does_not(tmp_path):
    client = load_flags({"data-dir": str(tmp_path), "bind": "127.0.0.1"})
    server = load_flags({"data-dir": str(tmp_path), "bind": "127.0.0.1", "server": True})
    assert (client.leave_on_terminate, client.skip_leave_on_interrupt) == (True, False)
    assert (server.leave_on_terminate, server.skip_leave_on_interrupt) == (False, True)


def test_development_mode_is_a_fast_server_that_keeps_nothing():
    config = load_flags({"dev": True})
    assert (config.server, config.data_dir, config.ui, config.connect_enabled, config.ports.grpc) == (True, "", True, True, 8502)
    assert (config.bind_address, config.logging.level, config.performance.raft_multiplier) == ("127.0.0.1", "DEBUG", 1)
    assert config.gossip_lan.probe_interval == 100 * MILLISECOND


def test_defaults_are_those_of_the_peers(tmp_path):
    config = load_flags({"data-dir": str(tmp_path), "bind": "127.0.0.1"})
    assert (config.limits.http_max_connections_per_client, config.limits.kv_max_value_size) == (200, 524288)
    assert (config.ports.http, config.ports.https, config.ports.dns, config.ports.server) == (8500, -1, 8600, 8300)
    assert (config.raft.election_timeout, config.raft.leader_lease_timeout) == (5 * SECOND, 2500 * MILLISECOND)
    assert (config.gossip_wan.probe_timeout, config.gossip_wan.suspicion_multiplier) == (3 * SECOND, 6)
    assert (config.dns.udp_answer_limit, config.domain, config.check_output_max_size) == (3, "consul.", 4096)


def test_files_are_read_in_order_and_flags_win(tmp_path):
    written(tmp_path / "d", **{"b_json": '{"node_name": "b", "ports": {"http": 1}}', "a_hcl": 'node_name = "a"', "c_txt": "nonsense {"})
    (tmp_path / "last.hcl").write_text('datacenter = "last" ports { dns = 2 }')
    flags = {"dev": True, "config-file": [str(tmp_path / "d"), str(tmp_path / "last.hcl")]}
    config = load_flags(flags)
    assert (config.node_name, config.datacenter, config.ports.http, config.ports.dns) == ("b", "last", 1, 2)
    assert load_flags({**flags, "node": "flag", "http-port": 3}).node_name == "flag"


def test_lists_of_flags_come_first_and_pieces_of_hcl_last(tmp_path):
    (tmp_path / "a.hcl").write_text('recursors = ["2.2.2.2"] node_meta { a = "file" b = "file" }')
    config = load_flags(
        hcl('recursors = ["3.3.3.3"] node_meta { c = "hcl" }', **{"config-file": [str(tmp_path / "a.hcl")], "recursor": ["1.1.1.1"]})
    )
    assert config.recursors == ("1.1.1.1", "2.2.2.2", "3.3.3.3")
    assert config.node_meta == {"a": "file", "b": "file", "c": "hcl"}


def test_a_file_of_no_known_format_is_left_out_and_said(tmp_path):
    (tmp_path / "a.conf").write_text('node_name = "a"')
    flags = {"dev": True, "node": "n", "config-file": [str(tmp_path / "a.conf")]}
    assert load_flags(flags).warnings == (
        f"skipping file {tmp_path}/a.conf, extension must be .hcl or .json, or config format must be set",
    )
    assert load_flags({"dev": True, "config-format": "hcl", "config-file": [str(tmp_path / "a.conf")]}).node_name == "a"


def test_definitions_carry_the_names_of_the_api_and_their_file(tmp_path):
    (tmp_path / "s.hcl").write_text(
        """
        service {
          name = "web"
          check { id = "c" args = ["true"] interval = "10s" deregister_critical_service_after = "1m" }
          connect { sidecar_service { proxy { upstreams { destination_name = "db" local_bind_port = 1 } } } }
        }
        services { name = "b" tagged_addresses { lan { address = "1.1.1.1" port = 2 } } meta { A = "b" } }
        check { id = "lone" name = "lone" ttl = "5s" ServiceID = "web" }
        """
    )
    config = load_flags({"dev": True, "config-file": [str(tmp_path / "s.hcl")]})
    second, first = config.services
    assert second.fields == {"Name": "b", "TaggedAddresses": {"lan": {"Address": "1.1.1.1", "Port": 2}}, "Meta": {"A": "b"}}
    assert first.fields["Check"] == {
        "CheckID": "c",
        "Args": ["true"],
        "Interval": 10 * SECOND,
        "DeregisterCriticalServiceAfter": 60 * SECOND,
    }
    assert first.fields["Connect"] == {"SidecarService": {"Proxy": {"Upstreams": [{"DestinationName": "db", "LocalBindPort": 1}]}}}
    assert first.source == str(tmp_path / "s.hcl")
    assert config.checks[0].fields == {"ID": "lone", "Name": "lone", "TTL": 5 * SECOND, "ServiceID": "web"}


def test_watches_keep_their_lists():
    watch = 'watches { type = "key" key = "a" args = ["x"] http_handler_config { path = "http://x" header { a = ["b"] } } }'
    assert load_flags(hcl(watch)).watches == (
        {"type": "key", "key": "a", "args": ["x"], "http_handler_config": {"path": "http://x", "header": {"a": ["b"]}}},
    )


WRONG = [
    pytest.param('datacenter = "a b"', "datacenter cannot be 'a b'", id="datacenter"),
    pytest.param("bootstrap_expect = 1", "'bootstrap_expect > 0' not allowed in dev mode", id="bootstrap_expect in dev mode"),
    pytest.param("performance { raft_multiplier = 11 }", "performance.raft_multiplier cannot be 11. Must be between 1 and 10", id="range"),
    pytest.param("dns_config { udp_answer_limit = -1 }", "dns_config.udp_answer_limit cannot be -1", id="answer limit"),
    pytest.param("dns_config { a_record_limit = -1 }", "dns_config.a_record_limit cannot be -1", id="record limit"),
    pytest.param("autopilot { max_trailing_logs = -1 }", "autopilot.max_trailing_logs cannot be -1", id="trailing logs"),
    pytest.param("check_output_max_size = 0", "check_output_max_size must be positive", id="output size"),
    pytest.param("ports { http = 70000 }", "ports.http: invalid port: 70000", id="port"),
    pytest.param("ports { http = 8600 }", "HTTP address 127.0.0.1:8600 already configured for DNS", id="same port"),
    pytest.param("ports { serf_wan = 8301 }", "Serf Advertise WAN address 127.0.0.1:8301 already configured for Serf Advertise LAN", id="serf"),
    pytest.param('client_addr = "foo"', "client_addr", id="client_addr"),
    pytest.param('bind_addr = "1.2.3.4.5"', "bind_addr", id="bind_addr"),
    pytest.param('bind_addr = "{{ GetFoo }}"', "the template", id="template"),
    pytest.param('advertise_addr = "0.0.0.0"', "Advertise address cannot be 0.0.0.0, :: or [::]", id="advertise_addr"),
    pytest.param('advertise_addr_wan = "0.0.0.0"', "Advertise WAN address cannot be 0.0.0.0, :: or [::]", id="advertise_addr_wan"),
    pytest.param('node_meta { "consul-x" = "1" }', "Key prefix 'consul-' is reserved for internal use", id="reserved meta"),
    pytest.param('node_meta { "a b" = "1" }', "Key contains invalid characters", id="meta key"),
    pytest.param('node_id = "x"', "node_id: 'x' is no UUID", id="node_id"),
    pytest.param('tls_min_version = "tls14"', "tls_min_version: value tls14 not supported", id="tls_min_version"),
    pytest.param('recursors = ["unix:///a"]', "recursors: DNS Recursors cannot be unix sockets", id="recursors"),
    pytest.param('ui_content_path = "x y"', "ui-content-path can only contain alphanumeric, -, _, or /.", id="ui_content_path"),
    pytest.param('http_config { allow_write_http_from = ["foo"] }', "http_config.allow_write_http_from: 'foo' is no network", id="network"),
    pytest.param('connect { ca_provider = "vault" }', "vault is not a valid CA provider", id="ca_provider"),
    pytest.param('config_entries { bootstrap { kind = "x" } }', "config_entries.bootstrap[0]: invalid config entry kind: x", id="entry kind"),
    pytest.param('retry_join = ["provider=aws tag_key=x"]', "asks a cloud provider for addresses", id="cloud"),
    pytest.param('verify_outgoing = true', "verify_outgoing = True cannot be honoured", id="security"),
    pytest.param("cache { entry_fetch_rate = 0 }", "cache.entry_fetch_rate must be strictly positive", id="cache"),
    pytest.param("ports { https = 8501 }", "HTTPS needs cert_file and key_file", id="https"),
    pytest.param('log_level = "loud"', "log_level cannot be 'LOUD'", id="log_level"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_cannot_run_is_refused_by_name(text, message, tmp_path):
    (tmp_path / "x.hcl").write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load_flags({"dev": True, "config-file": [str(tmp_path / "x.hcl")]})
    assert message in str(raised.value)
    assert (
        f"is set in {tmp_path}/x.hcl)" in str(raised.value)
        or "already configured" in message
        or "bootstrap" in message
        or "HTTPS" in message
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param({}, "data_dir cannot be empty", id="no data_dir"),
        pytest.param(
            {"data-dir": "/d", "bind": "127.0.0.1", "bootstrap": True}, "'bootstrap = true' requires 'server = true'", id="client"
        ),
        pytest.param({"data-dir": "/etc/passwd", "bind": "127.0.0.1"}, 'data_dir "/etc/passwd" is not a directory', id="a file"),
        pytest.param({"dev": True, "config-file": ["/nope"]}, "config: Open failed on /nope. open /nope: no such file", id="no file"),
        pytest.param({"dev": True, "config-format": "yaml"}, "-config-format must be either 'hcl' or 'json'", id="format"),
        pytest.param({"dev": True, "hcl": ["a {"]}, "failed to parse flags-0.hcl: At 1:4:", id="half a document"),
        pytest.param({"dev": True, "hcl": ["{" * 5000]}, "failed to parse flags-0.hcl: At 1:", id="a deep document"),
    ],
)
def test_what_cannot_start_at_all(flags, message):
    with pytest.raises(ConfigurationError) as raised:
        load_flags(flags)
    assert message in str(raised.value)


def test_all_faults_of_a_file_are_listed_at_once():
    with pytest.raises(ConfigurationError) as raised:
        load_flags(hcl('ports { htp = 1 } node_nmae = "x" server = "yes" bootstrap_expect = 1.5'))
    text = str(raised.value)
    assert text.startswith("failed to parse flags-0.hcl: 4 error(s) decoding:")
    assert '* invalid config key ports.htp; the nearest is "http"' in text
    assert '* invalid config key node_nmae; the nearest is "node_name"' in text
    assert "* 'server' expected type 'bool', got unconvertible type 'string': \"yes\" should be true or false" in text


def test_doubtful_values_are_warned_of_in_the_peers_words(tmp_path):
    config = load_flags({"data-dir": str(tmp_path), "bind": "127.0.0.1", "server": True, "bootstrap": True, "node": "a b"})
    assert config.warnings == (
        'Node name "a b" will not be discoverable via DNS due to invalid characters. '
        "Valid characters include all alpha-numerics and dashes.",
        "bootstrap = true: do not enable unless necessary",
    )


def test_every_flag_is_a_setting_of_the_table():
    paths = {path for path, _ in all_keys()}
    assert [flag.name for flag in AGENT_FLAGS if flag.path and flag.path not in paths] == []
    assert {flag.name for flag in AGENT_FLAGS if not flag.path} == {"config-dir", "config-file", "config-format", "dev", "hcl"}
    assert len(AGENT_FLAGS) == 65
