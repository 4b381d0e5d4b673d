"""The web page below its path, by default /ui/: files, and index.html wherever no file is, since the page has addresses of its own."""

from pathlib import Path
from typing import Any

from muster.agent.config.config import Config
from muster.http.messages import TEXT, Request, Response
from muster.http.routing import Context
from muster.http.writing import GZIP_LINE
from muster.ui.files import BUILT, INDEX, File, Files, make_file
from muster.ui.page import POLICY, render, settings

NOT_BUILT = (
    b"The web page is not built here: `make page` in a checkout builds it (it needs Node 20.19 or later); "
    b"an installed Muster brings it along.\n"
)
_OWN_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
FOREVER = b"Cache-Control: public, max-age=31536000, immutable\r\n"
ASK_AGAIN = b"Cache-Control: no-cache\r\n"


class Page:
    """The page of one agent."""

    def __init__(self, config: Config, agent: Any) -> None:
        self.path = config.ui_content_path
        self._bare = self.path.rstrip("/")
        self._config = config
        self._agent = agent
        self._files = Files(Path(config.ui_dir) if config.ui_dir else BUILT)
        self._rendered: tuple[str, File] | None = None

    def takes(self, path: str) -> bool:
        """Whether a path is the page's, however odd: what follows the page's own path may be a key with any characters."""
        return path.startswith(self.path) and not path.startswith("/v1/")

    def lacks_slash(self, path: str) -> bool:
        """Whether a path is the page's but for its last slash."""
        return path == self._bare and path != self.path

    def answer(self, request: Request, context: Context) -> Response:
        """A file, or index.html."""
        name = request.path[len(self.path) :]
        file = self._files.find(name) if name and name != INDEX else None
        if file is None:
            file = self._index()
        if file is None:
            return Response(404, TEXT, NOT_BUILT)
        headers = _headers(context.settings.response_headers) + (FOREVER if file.is_forever else ASK_AGAIN)
        headers += b"Content-Type: %b\r\nETag: %b\r\n" % (file.media_type.encode(), file.etag.encode())
        if file.etag in request.header(b"if-none-match"):
            return Response(304, headers, encoded=True)
        if file.packed and request.accepts_gzip:
            return Response(200, headers + GZIP_LINE, file.packed, encoded=True)
        return Response(200, headers, file.content, encoded=True)

    def _index(self) -> File | None:
        source = self._files.find(INDEX)
        if source is None:
            return None
        if self._rendered is None or self._rendered[0] != source.etag:
            block = settings(self._config, getattr(self._agent.server, "changes", None) is not None)
            self._rendered = source.etag, make_file(INDEX, render(source.content, block, self.path))
        return self._rendered[1]


def _headers(configured: dict[str, str]) -> bytes:
    """The page's own headers; those that the configuration gives win."""
    taken = {name.lower() for name in configured}
    headers = {name: value for name, value in _OWN_HEADERS.items() if name.lower() not in taken} | configured
    lines = "".join(f"{name}: {value}\r\n" for name, value in sorted(headers.items()))
    return lines.encode("latin-1", "replace") + b"Vary: Accept-Encoding\r\n"
