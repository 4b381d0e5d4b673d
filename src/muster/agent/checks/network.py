"""Connecting, with errors in the words that operators know from Go programs."""

import asyncio
import errno
import socket
import ssl
from typing import NoReturn


class DialFailed(OSError):
    """A connection could not be made; the message says to where and why."""


def split_address(address: str, default_port: int | None = None) -> tuple[str, int]:
    """Host and port of `host:port`, brackets of IPv6 addresses taken off. `DialFailed` if there is no port."""
    host, colon, port = address.rpartition(":")
    if not colon or "]" in port or (":" in host and not host.startswith("[")):
        if default_port is not None:
            return address.strip("[]"), default_port
        raise DialFailed(f"dial tcp: address {address}: missing port in address")
    if not port.isdecimal() or int(port) > 65535:
        raise DialFailed(f"dial tcp: lookup tcp/{port}: Servname not supported for ai_socktype")
    return host.strip("[]") or "localhost", int(port)


def dial_error(network: str, address: str, error: BaseException) -> str:
    """The text of a failed connection."""
    if isinstance(error, DialFailed):
        return str(error)
    if isinstance(error, socket.gaierror):
        return f"dial {network}: lookup {address.rpartition(':')[0]}: no such host"
    if isinstance(error, TimeoutError):
        return f"dial {network} {address}: i/o timeout"
    if isinstance(error, ssl.SSLError):
        return f"x509: {error.reason or error}"
    return f"dial {network} {address}: connect: {reason(error)}"


def reason(error: BaseException) -> str:
    """The operating system's words for an error, in lower case."""
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number in errno.errorcode:
        import os

        return os.strerror(number).lower()
    if isinstance(error, OSError) and "Connect call failed" in str(error):
        return "connection refused"
    return str(error) or type(error).__name__


async def connect(
    address: str, limit: float, tls: ssl.SSLContext | None = None, server_name: str | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TCP connection (in TLS if a context is given) within `limit` seconds; `DialFailed` with its text."""
    host, port = split_address(address)
    try:
        async with asyncio.timeout(limit):
            return await asyncio.open_connection(host, port, ssl=tls, server_hostname=(server_name or host) if tls else None)
    except OSError as error:
        _fail(address, error)


def _fail(address: str, error: OSError) -> NoReturn:
    raise DialFailed(dial_error("tcp", address, error)) from error


def client_tls(skip_verify: bool, protocols: list[str] | None = None) -> ssl.SSLContext:
    """A context for checks; without verification if the owner of the check wants it so."""
    context = ssl.create_default_context()
    if skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    return context
