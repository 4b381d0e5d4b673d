"""index.html as it is sent: with the settings that the page starts from, and with addresses below the configured path."""

import json
from collections.abc import Mapping
from typing import Any

from muster import __version__
from muster.agent.config.config import Config

CONTENT_PATH = b"{{.ContentPath}}"
"""What index.html has before the addresses of its files, as the peers' pages have it: so the peers serve these files too."""
SETTINGS = b'<script type="application/json" id="muster-settings"></script>'
"""What index.html has where the settings belong. It is data: the policy for scripts does not concern it."""
FEATURES = ("muster/health/history", "muster/stream")
"""Endpoints below /v1/ that the page does without where they are missing."""


def settings(config: Config, is_server: bool) -> dict[str, Any]:
    """What the page is told about the agent that serves it. Nothing here is secret."""
    return {
        "local_datacenter": config.datacenter,
        "primary_datacenter": config.primary_datacenter,
        "acls_enabled": False,
        "version": __version__,
        "content_path": config.ui_content_path,
        "dashboard_url_templates": {},
        "metrics_provider": "",
        "features": list(FEATURES) if is_server else [],
    }


def render(index: bytes, block: Mapping[str, Any], content_path: str) -> bytes:
    """index.html with the settings in their place, and its files below `content_path`."""
    text = json.dumps(block, separators=(",", ":"), sort_keys=True)
    harmless = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return index.replace(CONTENT_PATH, content_path.encode()).replace(SETTINGS, SETTINGS.replace(b"></", b">" + harmless.encode() + b"</"))


POLICY = "default-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
"""The content security policy: everything from here, nothing inline, in nobody's frame."""
