"""Autopilot's settings: one record that the servers agree on.

Source: reference "FSM commands", section 1; answers of /v1/operator/autopilot/configuration.
"""

from msgspec.structs import replace

from muster.model.operator import AutopilotConfig
from muster.state.indexes import Indexes
from muster.state.watches import Watches, WatchSet

RECORD = ("table", "autopilot-config")


class Autopilot:
    """The settings, or none before the first leader wrote them. Their index is their ModifyIndex."""

    def __init__(self, indexes: Indexes, watches: Watches) -> None:
        self._journal = indexes.journal
        self._watches = watches
        self._config: AutopilotConfig | None = None

    def get(self, watch: WatchSet | None = None) -> tuple[int, AutopilotConfig | None]:
        """The settings."""
        if watch is not None:
            watch.append(RECORD)
        return (0, None) if self._config is None else (self._config.modify_index, self._config)

    def set(self, index: int, config: AutopilotConfig) -> bool:
        """Takes new settings."""
        old = self._config
        self.replace(replace(config, create_index=index if old is None else old.create_index, modify_index=index))
        self._journal.record(lambda: self.replace(old))
        self._watches.touch(RECORD)
        return True

    def check_and_set(self, index: int, config: AutopilotConfig) -> bool:
        """`set`, if the ModifyIndex of the settings is `config.modify_index`."""
        if self._config is None or self._config.modify_index != config.modify_index:
            return False
        return self.set(index, config)

    def replace(self, config: AutopilotConfig | None) -> None:
        """Takes exactly this record."""
        self._config = config
