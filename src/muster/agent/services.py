"""What this host says it runs: services and checks, and which of it the catalog already knows.

Pure: time and chance are handed in. Records are frozen, so "is it still what was sent" is one comparison of identity.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from muster.model.catalog import CRITICAL, HealthCheck, NodeService
from muster.model.clock import Clock
from muster.model.errors import Rejected


@dataclass(slots=True)
class ServiceEntry:
    """A service; `deleted` stays until the catalog has forgotten it too. `is_sidecar`: it came with another service."""

    service: NodeService
    token: str = ""
    in_sync: bool = False
    deleted: bool = False
    is_sidecar: bool = False


@dataclass(slots=True)
class CheckEntry:
    """A check. `critical_since` and `deferred_until` are monotonic seconds, None where they do not apply."""

    check: HealthCheck
    token: str = ""
    in_sync: bool = False
    deleted: bool = False
    critical_since: float | None = None
    deferred_until: float | None = None
    deregister_after: float = 0.0


def _nothing() -> None:
    """Nobody listens."""


@dataclass(slots=True)
class LocalState:
    """Services and checks of this host by id.

    `changed` is called after anything that the catalog or an alias check may have to learn; `output_deferral` (seconds) is
    how long a new output with the same status may wait before it is written to the catalog, 0 for not at all.
    """

    node: str
    clock: Clock
    random: random.Random
    output_deferral: float = 0.0
    discard_output: bool = False
    changed: Callable[[], None] = _nothing
    service_entries: dict[str, ServiceEntry] = field(default_factory=dict)
    check_entries: dict[str, CheckEntry] = field(default_factory=dict)
    unsynced_services: dict[str, None] = field(default_factory=dict)
    unsynced_checks: dict[str, None] = field(default_factory=dict)
    deferred: dict[str, None] = field(default_factory=dict)
    checks_of_service: dict[str, dict[str, None]] = field(default_factory=dict)
    node_info_in_sync: bool = False
    generation: int = 0
    """Grows with every change; cached answers and alias checks compare it."""

    def services(self) -> dict[str, NodeService]:
        """The services that are not removed, in the order of their registration."""
        return {name: entry.service for name, entry in self.service_entries.items() if not entry.deleted}

    def checks(self) -> dict[str, HealthCheck]:
        """The checks that are not removed."""
        return {name: entry.check for name, entry in self.check_entries.items() if not entry.deleted}

    def service(self, service_id: str) -> NodeService | None:
        entry = self.service_entries.get(service_id)
        return entry.service if entry is not None and not entry.deleted else None

    def check(self, check_id: str) -> HealthCheck | None:
        entry = self.check_entries.get(check_id)
        return entry.check if entry is not None and not entry.deleted else None

    def service_checks(self, service_id: str) -> Iterator[HealthCheck]:
        """The checks of a service; of the node for an empty id."""
        for check_id in self.checks_of_service.get(service_id, ()):
            entry = self.check_entries[check_id]
            if not entry.deleted:
                yield entry.check

    def add_service(self, service: NodeService, token: str = "", is_sidecar: bool = False) -> None:
        """Add or replace; an equal one is left alone."""
        old = self.service_entries.get(service.id)
        if old is not None and not old.deleted and old.service == service and old.token == token:
            return
        self.service_entries[service.id] = ServiceEntry(service, token, is_sidecar=is_sidecar)
        self.unsynced_services[service.id] = None
        self.note_change()

    def remove_service(self, service_id: str) -> bool:
        """Forget it and its checks; False if it is not here."""
        entry = self.service_entries.get(service_id)
        if entry is None or entry.deleted:
            return False
        for check_id in list(self.checks_of_service.get(service_id, ())):
            self.remove_check(check_id)
        entry.deleted, entry.in_sync = True, False
        self.unsynced_services[service_id] = None
        self.note_change()
        return True

    def add_check(self, check: HealthCheck, token: str = "", deregister_after: float = 0.0) -> HealthCheck:
        """Add or replace, and return what is kept; `Rejected` if its service is not here."""
        if check.service_id:
            service = self.service(check.service_id)
            if service is None:
                raise Rejected(f'ServiceID "{check.service_id}" does not exist')
            check = msgspec.structs.replace(check, service_name=service.service, service_tags=service.tags)
        if self.discard_output:
            check = msgspec.structs.replace(check, output="")
        old = self.check_entries.get(check.check_id)
        if old is not None and not old.deleted and old.check == check and old.token == token:
            old.deregister_after = deregister_after
            return check
        if old is not None:
            self._unlink(old.check)
        since = self.clock.monotonic() if check.status == CRITICAL else None
        if old is not None and not old.deleted and check.status == CRITICAL and old.critical_since is not None:
            since = old.critical_since
        self.check_entries[check.check_id] = CheckEntry(check, token, critical_since=since, deregister_after=deregister_after)
        self.checks_of_service.setdefault(check.service_id, {})[check.check_id] = None
        self.deferred.pop(check.check_id, None)
        self.unsynced_checks[check.check_id] = None
        self.note_change()
        return check

    def remove_check(self, check_id: str) -> bool:
        """Forget it; False if it is not here."""
        entry = self.check_entries.get(check_id)
        if entry is None or entry.deleted:
            return False
        entry.deleted, entry.in_sync = True, False
        self.deferred.pop(check_id, None)
        self.unsynced_checks[check_id] = None
        self.note_change()
        return True

    def update_check(self, check_id: str, status: str, output: str) -> bool:
        """A result of the check; False if it changes nothing.

        An output that changes while the status stays is written to the catalog only after the deferral, between half
        and one and a half times `output_deferral`: chatty checks would fill the log.
        """
        entry = self.check_entries.get(check_id)
        if entry is None or entry.deleted:
            return False
        if self.discard_output:
            output = ""
        if status != CRITICAL:
            entry.critical_since = None
        elif entry.critical_since is None:
            entry.critical_since = self.clock.monotonic()
        old = entry.check
        if old.status == status and old.output == output:
            return False
        entry.check = msgspec.structs.replace(old, status=status, output=output)
        if old.status == status and self.output_deferral > 0:
            self._defer(check_id, entry)
            return True
        self._unsync_check(check_id, entry)
        self.note_change()
        return True

    def _defer(self, check_id: str, entry: CheckEntry) -> None:
        if entry.in_sync and entry.deferred_until is None:
            wait = self.output_deferral / 2 + self.random.random() * self.output_deferral
            entry.deferred_until = self.clock.monotonic() + wait
            self.deferred[check_id] = None
        self.generation += 1

    def _unsync_check(self, check_id: str, entry: CheckEntry) -> None:
        entry.in_sync, entry.deferred_until = False, None
        self.deferred.pop(check_id, None)
        self.unsynced_checks[check_id] = None

    def release_deferred(self, now: float) -> bool:
        """Outputs whose deferral is over become due; True if there are any."""
        due = [check_id for check_id in self.deferred if (self.check_entries[check_id].deferred_until or 0.0) <= now]
        for check_id in due:
            self._unsync_check(check_id, self.check_entries[check_id])
        if due:
            self.note_change()
        return bool(due)

    def next_deferral(self) -> float | None:
        """When the first deferred output becomes due."""
        times = [entry.deferred_until for entry in map(self.check_entries.__getitem__, self.deferred) if entry.deferred_until is not None]
        return min(times, default=None)

    def critical_too_long(self, now: float) -> list[str]:
        """Ids of services with a check that was critical for longer than its owner allows."""
        due: dict[str, None] = {}
        for entry in self.check_entries.values():
            since, service_id = entry.critical_since, entry.check.service_id
            if (
                entry.deregister_after > 0
                and since is not None
                and not entry.deleted
                and service_id
                and now - since > entry.deregister_after
            ):
                due[service_id] = None
        return list(due)

    def drop_service(self, service_id: str) -> None:
        """The catalog has forgotten a removed service, and its checks with it."""
        entry = self.service_entries.get(service_id)
        if entry is not None and entry.deleted:
            del self.service_entries[service_id]
            self.unsynced_services.pop(service_id, None)
            for check_id in list(self.checks_of_service.get(service_id, ())):
                self.drop_check(check_id)

    def drop_check(self, check_id: str) -> None:
        """The catalog has forgotten a removed check."""
        entry = self.check_entries.get(check_id)
        if entry is not None and entry.deleted:
            del self.check_entries[check_id]
            self.unsynced_checks.pop(check_id, None)
            self._unlink(entry.check)

    def _unlink(self, check: HealthCheck) -> None:
        of_service = self.checks_of_service.get(check.service_id)
        if of_service is not None:
            of_service.pop(check.check_id, None)
            if not of_service:
                del self.checks_of_service[check.service_id]

    def note_change(self) -> None:
        self.generation += 1
        self.changed()
