"""Where the agent is and how to speak to it, from arguments and from Consul's environment variables."""

import os
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from muster.client.errors import InvalidSetting

DEFAULT_ADDRESS = "127.0.0.1:8500"
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


class Address(NamedTuple):
    """Where requests go: a scheme (`http` or `https`), and either host and port, or the path of a Unix socket."""

    scheme: str
    host: str
    port: int | None
    socket_path: str | None = None

    @property
    def authority(self) -> str:
        """The host part of the URL, also sent as the Host header."""
        if self.socket_path is not None:
            return quote(self.socket_path, safe="")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Settings(NamedTuple):
    """Everything a client needs to know. Paths are those of PEM files; empty text means: not set."""

    address: str = DEFAULT_ADDRESS
    token: str = ""
    datacenter: str = ""
    stale: bool = False
    namespace: str = ""
    tls: bool = False
    verify: bool = True
    ca_file: str = ""
    ca_path: str = ""
    client_cert: str = ""
    client_key: str = ""
    server_name: str = ""
    credentials: str = ""
    """`user` or `user:password` for HTTP basic authentication (a proxy in front of the agent)."""


def from_environment(environment: Mapping[str, str] = os.environ, token_file: str = "") -> Settings:
    """The settings that Consul's `CONSUL_*` variables give; a token file named here wins over the variable's.

    A token in a file wins over CONSUL_HTTP_TOKEN. `InvalidSetting` names a variable or file that is no good.
    """
    get = environment.get
    token = get("CONSUL_HTTP_TOKEN", "")
    token_file = token_file or get("CONSUL_HTTP_TOKEN_FILE", "")
    if token_file:
        token = read_token(token_file) or token
    return Settings(
        address=get("CONSUL_HTTP_ADDR") or DEFAULT_ADDRESS,
        token=token,
        namespace=get("CONSUL_NAMESPACE", ""),
        tls=_boolean(environment, "CONSUL_HTTP_SSL", default=False),
        verify=_boolean(environment, "CONSUL_HTTP_SSL_VERIFY", default=True),
        ca_file=get("CONSUL_CACERT", ""),
        ca_path=get("CONSUL_CAPATH", ""),
        client_cert=get("CONSUL_CLIENT_CERT", ""),
        client_key=get("CONSUL_CLIENT_KEY", ""),
        server_name=get("CONSUL_TLS_SERVER_NAME", ""),
        credentials=get("CONSUL_HTTP_AUTH", ""),
    )


def _boolean(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    """A variable's truth in Go's spelling. One that is neither is passed over with the default, as Consul does."""
    value = environment.get(name, "")
    if value in _TRUE:
        return True
    return False if value in _FALSE else default


def read_token(path: str) -> str:
    """The token that a file holds, without white space around it."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"Error loading token file: {file_problem(path, error)}") from error


def file_problem(path: str, error: Exception) -> str:
    """What went wrong with a file, in Go's words: `open PATH: no such file or directory`."""
    reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
    return f"open {path}: {reason}"


def parse_address(text: str, *, tls: bool = False) -> Address:
    """`host:port`, `http://…`, `https://…` or `unix:///path` as an address; `InvalidSetting` for another scheme."""
    scheme = "https" if tls else "http"
    before, separator, rest = text.partition("://")
    if separator:
        if before == "unix":
            return Address("http", "", None, rest)
        if before not in ("http", "https"):
            raise InvalidSetting(f"Unknown protocol scheme: {before}")
        scheme, text = before, rest
    host, port = _split_port(text.partition("/")[0])
    return Address(scheme, host, port)


def _split_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = text.rpartition(":")
        if not host:
            host, port = text, ""
    if port and not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise InvalidSetting(f'invalid port "{port}" in address "{text}": it must be a number up to 65535')
    return host, int(port) if port else None
