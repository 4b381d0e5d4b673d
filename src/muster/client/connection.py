"""One keep-alive connection to an agent, over TCP, TLS or a Unix socket."""

import http.client
import os
import select
import socket
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

from muster.client.errors import InvalidSetting
from muster.client.settings import Address, Settings, file_problem

DIAL_TIMEOUT = 30.0  # seconds; as Consul's client
Body = bytes | IO[bytes] | None


class Connection(http.client.HTTPConnection):
    """An HTTP/1.1 connection that knows all three ways to an agent."""

    def __init__(self, address: Address, context: ssl.SSLContext | None, server_name: str) -> None:
        super().__init__(address.host or "localhost", address.port or (443 if context else 80))
        self._address = address
        self._context = context
        self._server_name = server_name or address.host
        self.used = False

    def connect(self) -> None:
        """Opens the socket; plain `OSError`s tell what went wrong."""
        if self._address.socket_path is not None:
            opened: socket.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                opened.connect(self._address.socket_path)
            except OSError:
                opened.close()
                raise
        else:
            opened = socket.create_connection((self.host, self.port), DIAL_TIMEOUT)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            try:
                opened = self._context.wrap_socket(opened, server_hostname=self._server_name)
            except OSError:
                opened.close()
                raise
        opened.settimeout(None)
        self.sock = opened

    def is_stale(self) -> bool:
        """True if the agent has closed an idle connection, or sent what nobody asked for."""
        opened = self.sock
        if opened is None:
            return False
        poll = select.poll()
        poll.register(opened.fileno(), select.POLLIN)
        return bool(poll.poll(0))


def tls_context(settings: Settings, scheme: str) -> ssl.SSLContext | None:
    """The TLS settings, checked even when plain HTTP is spoken, as Consul's client does; None for plain HTTP."""
    named = settings.ca_file or settings.ca_path or settings.client_cert or settings.client_key
    if scheme != "https" and not named:
        return None
    context = ssl.create_default_context()
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.ca_file:
        _load("Error loading CA File: ", settings.ca_file, lambda: context.load_verify_locations(cafile=settings.ca_file))
    elif settings.ca_path:
        _load_directory(context, settings.ca_path)
    if settings.client_cert or settings.client_key:
        if not (settings.client_cert and settings.client_key):
            raise InvalidSetting("both client cert and client key must be provided")
        _load("", settings.client_cert, lambda: context.load_cert_chain(settings.client_cert, settings.client_key))
    return context if scheme == "https" else None


def _load(prefix: str, path: str, load: Callable[[], object]) -> None:
    try:
        load()
    except OSError as error:  # ssl.SSLError is one
        raise InvalidSetting(prefix + file_problem(path, error)) from error


def _load_directory(context: ssl.SSLContext, path: str) -> None:
    """Every file of the directory is read as a bundle; OpenSSL alone would want hashed names."""
    try:
        files = sorted(Path(path).iterdir())
    except OSError as error:
        raise InvalidSetting(f"Error loading CA Path: {file_problem(path, error)}") from error
    for file in files:
        _load("Error loading CA Path: ", str(file), partial(context.load_verify_locations, cafile=file))


def cause(error: Exception, address: Address) -> str:
    """What went wrong with the connection, in the words of Go's network library, which scripts match on."""
    where = "unix " + address.socket_path if address.socket_path is not None else f"tcp {address.authority}"
    match error:
        case ssl.SSLCertVerificationError():
            return f"x509: {error.verify_message}"
        case ssl.SSLError():
            plain = error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
            return "http: server gave HTTP response to HTTPS client" if plain else f"tls: {error.reason or error}"
        case socket.gaierror():
            return f"dial tcp: lookup {address.host}: no such host"
        case http.client.RemoteDisconnected():
            return "EOF"
        case TimeoutError():
            return f"dial {where}: i/o timeout"
        case ConnectionResetError() | BrokenPipeError():
            return f"{os.strerror(error.errno).lower()}" if error.errno else "EOF"
        case http.client.IncompleteRead():
            return "unexpected EOF"
        case http.client.HTTPException():
            return "net/http: HTTP/1.x transport connection broken: malformed HTTP response"
        case OSError() if error.errno:
            return f"dial {where}: connect: {os.strerror(error.errno).lower()}"
    return str(error)
