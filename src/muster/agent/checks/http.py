"""HTTP checks: 2xx is passing, 429 warning, all else critical."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from muster.agent.checks.network import DialFailed, client_tls, dial_error
from muster.agent.checks.result import DEFAULT_OUTPUT_LIMIT, Result, critical, passing, text, warning

DEFAULT_TIMEOUT = 10.0  # seconds
TOO_MANY_REQUESTS = 429
ACCEPT = "text/plain, text/*, */*"
USER_AGENT = "Consul Health Check"  # the name that load balancers and access rules know


@dataclass(slots=True, frozen=True)
class HttpCheck:
    url: str
    method: str = "GET"
    header: Mapping[str, list[str]] = field(default_factory=dict)
    body: str = ""
    tls_skip_verify: bool = False
    timeout: float = DEFAULT_TIMEOUT
    output_limit: int = DEFAULT_OUTPUT_LIMIT

    async def run(self) -> Result:
        import aiohttp
        from multidict import CIMultiDict

        headers: CIMultiDict[str] = CIMultiDict([("User-Agent", USER_AGENT), ("Accept", ACCEPT)])
        for name, values in self.header.items():
            headers.popall(name, None)
            for value in values:
                headers.add(name, value)
        headers.setdefault("Connection", "close")
        method = self.method or "GET"
        secure = client_tls(self.tls_skip_verify) if self.url.lower().startswith("https") else True
        try:
            async with (
                asyncio.timeout(self.timeout),
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, ssl=secure)) as session,
                session.request(method, self.url, headers=headers, data=self.body.encode() or None, max_redirects=10) as response,
            ):
                body = await _beginning(response.content, self.output_limit)
                return _result(response.status, f"HTTP {method} {self.url}: {response.status} {response.reason} Output: {text(body)}")
        except TimeoutError:
            return critical(f'{method.title()} "{self.url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)')
        except aiohttp.ClientConnectorError as error:
            address = f"{error.host}:{error.port}"
            return critical(f'{method.title()} "{self.url}": {dial_error("tcp", address, error.os_error)}')
        except (aiohttp.ClientError, OSError, ValueError, DialFailed) as error:
            return critical(f'{method.title()} "{self.url}": {error}')


async def _beginning(content: "aiohttp.StreamReader", limit: int) -> bytes:  # type: ignore[name-defined]  # noqa: F821  # imported lazily
    """At most `limit` bytes of the body; the rest is never read."""
    parts = bytearray()
    while len(parts) < limit:
        part = await content.read(limit - len(parts))
        if not part:
            break
        parts += part
    return bytes(parts)


def _result(status: int, output: str) -> Result:
    if 200 <= status <= 299:
        return passing(output)
    return warning(output) if status == TOO_MANY_REQUESTS else critical(output)
