"""The flags of `muster agent`, and which setting each of them is."""

from typing import NamedTuple


class AgentFlag(NamedTuple):
    """`kind`: bool, int, text, duration or list; `path`: the setting of the same meaning, empty for what is none."""

    name: str
    kind: str
    path: str
    help: str


AGENT_FLAGS = [
    AgentFlag("advertise", "text", "advertise_addr", "The address that other agents reach this one at."),
    AgentFlag("advertise-wan", "text", "advertise_addr_wan", "The address that agents of other datacenters reach this one at."),
    AgentFlag(
        "allow-write-http-from",
        "list",
        "http_config.allow_write_http_from",
        "A network in CIDR form from which writes are allowed. Repeatable.",
    ),
    AgentFlag("alt-domain", "text", "alt_domain", "A second domain that DNS answers for."),
    AgentFlag("bind", "text", "bind_addr", "The address to listen on for other agents."),
    AgentFlag("bootstrap", "bool", "bootstrap", "Lets this server found a datacenter alone."),
    AgentFlag("bootstrap-expect", "int", "bootstrap_expect", "How many servers found the datacenter together."),
    AgentFlag("check_output_max_size", "int", "check_output_max_size", "The most bytes of a check's output that are kept."),
    AgentFlag("client", "text", "client_addr", "The addresses to listen on for HTTP and DNS."),
    AgentFlag("config-dir", "list", "", "A folder whose .json and .hcl files are read in the order of their names. Repeatable."),
    AgentFlag("config-file", "list", "", "A configuration file. Repeatable."),
    AgentFlag("config-format", "text", "", "The format of all configuration files: hcl or json."),
    AgentFlag("data-dir", "text", "data_dir", "Where the agent keeps its state."),
    AgentFlag("datacenter", "text", "datacenter", "The datacenter of this agent."),
    AgentFlag("default-query-time", "duration", "default_query_time", "How long a blocking query waits that names no time."),
    AgentFlag("dev", "bool", "", "Development mode: one server that keeps nothing on disk."),
    AgentFlag("disable-host-node-id", "bool", "disable_host_node_id", "Makes the node id by chance instead of from the host."),
    AgentFlag("disable-keyring-file", "bool", "disable_keyring_file", "Does not keep the keyring in a file."),
    AgentFlag("dns-port", "int", "ports.dns", "The port for DNS."),
    AgentFlag("domain", "text", "domain", "The domain that DNS answers for."),
    AgentFlag("enable-local-script-checks", "bool", "enable_local_script_checks", "Allows script checks from configuration files."),
    AgentFlag("enable-script-checks", "bool", "enable_script_checks", "Allows script checks, those registered by HTTP too."),
    AgentFlag("encrypt", "text", "encrypt", "The key that encrypts gossip."),
    AgentFlag("grpc-port", "int", "ports.grpc", "The port for gRPC."),
    AgentFlag("hcl", "list", "", "A piece of configuration in HCL. Repeatable."),
    AgentFlag("http-port", "int", "ports.http", "The port for HTTP."),
    AgentFlag("https-port", "int", "ports.https", "The port for HTTPS."),
    AgentFlag("join", "list", "start_join", "The address of an agent to join at the start. Repeatable."),
    AgentFlag("join-wan", "list", "start_join_wan", "The address of a server of another datacenter to join. Repeatable."),
    AgentFlag("log-file", "text", "log_file", "The file that log lines are written to as well."),
    AgentFlag("log-json", "bool", "log_json", "Writes log lines as JSON."),
    AgentFlag("log-level", "text", "log_level", "The least level that is logged: trace, debug, info, warn or err."),
    AgentFlag("log-rotate-bytes", "int", "log_rotate_bytes", "The size at which a new log file is begun."),
    AgentFlag("log-rotate-duration", "duration", "log_rotate_duration", "The age at which a new log file is begun."),
    AgentFlag("log-rotate-max-files", "int", "log_rotate_max_files", "How many old log files are kept."),
    AgentFlag("max-query-time", "duration", "max_query_time", "The longest that a blocking query may wait."),
    AgentFlag("node", "text", "node_name", "The name of this node."),
    AgentFlag("node-id", "text", "node_id", "The id of this node, a UUID."),
    AgentFlag("node-meta", "list", "node_meta", "A pair KEY:VALUE of this node's metadata. Repeatable."),
    AgentFlag("non-voting-server", "bool", "non_voting_server", "A server without a vote (enterprise)."),
    AgentFlag("pid-file", "text", "pid_file", "The file that holds the process id."),
    AgentFlag("primary-gateway", "list", "primary_gateways", "A mesh gateway of the primary datacenter. Repeatable."),
    AgentFlag("protocol", "int", "protocol", "The version of the gossip protocol."),
    AgentFlag("raft-protocol", "int", "raft_protocol", "The version of the Raft protocol."),
    AgentFlag("recursor", "list", "recursors", "A DNS server for names of other domains. Repeatable."),
    AgentFlag("rejoin", "bool", "rejoin_after_leave", "Joins again after a leave."),
    AgentFlag("retry-interval", "duration", "retry_interval", "The time between two attempts to join."),
    AgentFlag("retry-interval-wan", "duration", "retry_interval_wan", "The same for other datacenters."),
    AgentFlag("retry-join", "list", "retry_join", "The address of an agent to join, again and again until it works. Repeatable."),
    AgentFlag("retry-join-wan", "list", "retry_join_wan", "The same for servers of other datacenters. Repeatable."),
    AgentFlag("retry-max", "int", "retry_max", "How many attempts to join are made; 0 for no limit."),
    AgentFlag("retry-max-wan", "int", "retry_max_wan", "The same for other datacenters."),
    AgentFlag("segment", "text", "segment", "The network segment (enterprise)."),
    AgentFlag("serf-lan-allowed-cidrs", "list", "serf_lan_allowed_cidrs", "A network from which agents may join. Repeatable."),
    AgentFlag("serf-lan-bind", "text", "serf_lan", "The address for gossip within the datacenter."),
    AgentFlag("serf-lan-port", "int", "ports.serf_lan", "The port for gossip within the datacenter."),
    AgentFlag("serf-wan-allowed-cidrs", "list", "serf_wan_allowed_cidrs", "The same for other datacenters. Repeatable."),
    AgentFlag("serf-wan-bind", "text", "serf_wan", "The address for gossip between datacenters."),
    AgentFlag("serf-wan-port", "int", "ports.serf_wan", "The port for gossip between datacenters."),
    AgentFlag("server", "bool", "server", "This agent is a server."),
    AgentFlag("server-port", "int", "ports.server", "The port that servers speak to each other on."),
    AgentFlag("syslog", "bool", "enable_syslog", "Sends log lines to syslog as well."),
    AgentFlag("ui", "bool", "ui", "Serves the web page."),
    AgentFlag("ui-content-path", "text", "ui_content_path", "The path of the web page."),
    AgentFlag("ui-dir", "text", "ui_dir", "The folder of the web page's files."),
]
