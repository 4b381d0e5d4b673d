"""Settings that the servers agree on: Autopilot's, and config entries."""

from typing import Any

from msgspec import Struct, field


class AutopilotConfig(Struct, frozen=True, gc=False, kw_only=True):
    """How the leader looks after the set of servers. Durations are nanoseconds."""

    cleanup_dead_servers: bool = field(name="CleanupDeadServers", default=True)
    last_contact_threshold: int = field(name="LastContactThreshold", default=200_000_000)
    max_trailing_logs: int = field(name="MaxTrailingLogs", default=250)
    min_quorum: int = field(name="MinQuorum", default=0)
    server_stabilization_time: int = field(name="ServerStabilizationTime", default=10_000_000_000)
    redundancy_zone_tag: str = field(name="RedundancyZoneTag", default="")
    disable_upgrade_migration: bool = field(name="DisableUpgradeMigration", default=False)
    upgrade_version_tag: str = field(name="UpgradeVersionTag", default="")
    create_index: int = field(name="CreateIndex", default=0)
    modify_index: int = field(name="ModifyIndex", default=0)


class ConfigEntry(Struct, frozen=True, gc=False, kw_only=True):
    """One config entry. `fields` holds everything else of it under Go's names, as it stands on the wire."""

    kind: str
    name: str
    fields: dict[str, Any]
    create_index: int = 0
    modify_index: int = 0
