"""From the configuration to bound sockets, TLS and the settings of the edge."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from muster.agent.config.config import Config
from muster.agent.config.sections import Tls, UnixSockets
from muster.http.settings import Settings, networks
from muster.model.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl

UNIX = "unix://"


def settings_of(config: Config) -> Settings:
    """What the edge needs of the configuration."""
    return Settings(
        datacenter=config.datacenter,
        node_name=config.node_name,
        pretty=config.dev,
        kv_max_value_size=config.limits.kv_max_value_size,
        txn_max_req_len=config.limits.transaction_max_request_length,
        connections_per_client=config.limits.http_max_connections_per_client,
        block_endpoints=config.http.block_endpoints,
        write_networks=networks(config.http.allow_write_http_from),
        response_headers=config.http.response_headers,
        translate_wan_addresses=config.translate_wan_addresses,
        unprintable_paths=config.disable_http_unprintable_char_filter,
        coordinates=not config.disable_coordinates,
        discovery_max_stale=config.discovery_max_stale,
        use_cache=config.http.use_cache,
        is_server=config.server,
    )


def bind(config: Config, hosts: tuple[str, ...], port: int) -> Iterator[tuple[socket.socket, str]]:
    """A bound socket for each address, with its path if it is a Unix socket."""
    for host in hosts:
        if host.startswith(UNIX):
            path = host[len(UNIX) :]
            yield _bind_unix(path, config.unix_sockets), path
        elif port >= 0:
            yield _bind_tcp(host, port), ""


def _bind_tcp(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from error
    return listening


def _bind_unix(path: str, owner: UnixSockets) -> socket.socket:
    remove_socket_file(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(path)
        if owner.mode:
            Path(path).chmod(int(owner.mode, 8))
        if owner.user or owner.group:
            os.chown(path, _number("user", owner.user), _number("group", owner.group))
    except (OSError, ValueError) as error:
        listening.close()
        raise ConfigurationError(f"unix_sockets: cannot open {path}: {error}") from error
    except ConfigurationError:
        listening.close()
        raise
    return listening


def _number(kind: str, name: str) -> int:
    """The id of a user or group given by name or number; -1, which changes nothing, for an empty name."""
    import grp
    import pwd

    if not name:
        return -1
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid if kind == "user" else grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise ConfigurationError(f"unix_sockets.{kind}: there is no {kind} {name!r}") from error


def remove_socket_file(path: str) -> None:
    """Removes a socket that an earlier run left; anything else of that name stays."""
    try:
        if Path(path).is_socket():
            Path(path).unlink()
    except FileNotFoundError:
        return  # somebody was faster


def tls_context(tls: Tls) -> "ssl.SSLContext":
    """The server side of HTTPS; `ConfigurationError` names the file that does not serve."""
    import ssl

    if not tls.cert_file or not tls.key_file:
        raise ConfigurationError("ports.https needs cert_file and key_file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    versions = {"tls10": ssl.TLSVersion.TLSv1, "tls11": ssl.TLSVersion.TLSv1_1, "tls12": ssl.TLSVersion.TLSv1_2}
    context.minimum_version = versions.get(tls.minimum_version, ssl.TLSVersion.TLSv1_2)
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file)
        if tls.ca_file or tls.ca_path:
            context.load_verify_locations(tls.ca_file or None, tls.ca_path or None)
    except OSError as error:
        raise ConfigurationError(f"HTTPS: cannot use {tls.cert_file}, {tls.key_file} or {tls.ca_file or tls.ca_path}: {error}") from error
    if tls.verify_incoming_https:
        context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"])
    return context
