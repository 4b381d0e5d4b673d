"""Builds the web page before a wheel or an archive of the sources is made from a checkout; what is installed then needs no Node."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):
    """An archive of the sources holds the built page and not its sources, so a wheel made from it takes what is there."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        builder = Path(self.root) / "scripts" / "build-page"
        if version != "editable" and builder.exists() and (Path(self.root) / "ui" / "package.json").exists():
            subprocess.run([sys.executable, str(builder)], check=True)
