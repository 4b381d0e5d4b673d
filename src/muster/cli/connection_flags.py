"""The flags that all commands share which speak the HTTP API, and the settings that come of them."""

from typing import TYPE_CHECKING, Any

from muster.cli.flags import SWITCH, VALUE, Flag

if TYPE_CHECKING:
    from muster.cli.command import Invocation
    from muster.client.settings import Settings

CLIENT_FLAGS = (
    Flag("ca-file", VALUE, "A file of CA certificates (PEM) to check the agent's certificate with. Or: CONSUL_CACERT."),
    Flag("ca-path", VALUE, "A directory of CA certificates to check the agent's certificate with. Or: CONSUL_CAPATH."),
    Flag("client-cert", VALUE, "The certificate to show to an agent that has 'verify_incoming' set. Or: CONSUL_CLIENT_CERT."),
    Flag("client-key", VALUE, "The private key of the client certificate. Or: CONSUL_CLIENT_KEY."),
    Flag(
        "http-addr",
        VALUE,
        "Where the agent's HTTP API listens: an IP address or a name with a port, a URL, or unix:// with the path of a socket. "
        "Or: CONSUL_HTTP_ADDR. The default is http://127.0.0.1:8500; CONSUL_HTTP_SSL=true makes it HTTPS.",
        "address",
    ),
    Flag("tls-server-name", VALUE, "The name that the agent's certificate must have. Or: CONSUL_TLS_SERVER_NAME."),
    Flag("token", VALUE, "The ACL token of the requests. Or: CONSUL_HTTP_TOKEN. Without one the agent's own default token is used."),
    Flag("token-file", VALUE, "A file that holds the ACL token; it wins over -token and CONSUL_HTTP_TOKEN. Or: CONSUL_HTTP_TOKEN_FILE."),
)

SERVER_FLAGS = (
    Flag("datacenter", VALUE, "The datacenter to ask; by default that of the agent."),
    Flag("stale", SWITCH, "Let any server answer, not only the leader: quicker, and possibly behind. Only reads heed it."),
)

NAMESPACE = Flag("namespace", VALUE, "The namespace to ask (namespaces are an enterprise feature of Consul).", "default")


def settings(invocation: "Invocation") -> "Settings":
    """The environment's settings with those of the flags over them."""
    from muster.client.settings import from_environment

    command = invocation.command
    found = from_environment(token_file=invocation.text("token-file"))
    over: dict[str, Any] = {field: invocation.text(flag) for field, flag in _FIELDS if invocation.text(flag)}
    if invocation.text("token-file"):
        over.pop("token", None)
    if command.asks_servers:
        over["datacenter"] = invocation.text("datacenter")
        found = found._replace(stale=invocation.switch("stale"))
    if NAMESPACE in command.flags and invocation.text("namespace"):
        over["namespace"] = invocation.text("namespace")
    return found._replace(**over)


_FIELDS = (
    ("address", "http-addr"),
    ("token", "token"),
    ("ca_file", "ca-file"),
    ("ca_path", "ca-path"),
    ("client_cert", "client-cert"),
    ("client_key", "client-key"),
    ("server_name", "tls-server-name"),
)
