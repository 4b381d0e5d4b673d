"""Registers and removes services and checks: the local state, the running checks and the files, kept together.

`source` says who wanted it: `local` for configuration files, `remote` for the API. Only the latter is written to the data
directory; the files are read again anyway.
"""

import logging
from dataclasses import dataclass
from typing import Any

import msgspec

from muster.agent import maintenance
from muster.agent.checks.probes import ProbeSettings, interval, probe
from muster.agent.checks.result import Result, head
from muster.agent.checks.runner import CheckRunner
from muster.agent.checks.thresholds import Thresholds
from muster.agent.checks.ttl import TtlCheck
from muster.agent.definitions import CheckDefinition, CheckType, ServiceDefinition, lone_check, service_check
from muster.agent.persistence import Persistence, SavedState
from muster.agent.services import LocalState
from muster.agent.sidecar import sidecar_of
from muster.model.catalog import CRITICAL, NODE_MAINTENANCE, HealthCheck
from muster.model.durations import seconds
from muster.model.errors import BadRequest, NotFound, Rejected, StorageFailed

logger = logging.getLogger("agent")

LOCAL, REMOTE = "local", "remote"
STATE_KEPT = 24 * 3600  # seconds; how long the last status of a check that is run here counts after a restart
SCRIPTS_DISABLED = {
    REMOTE: "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true",
    LOCAL: "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or 'enable_local_script_checks' to true",
}


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """`deregister_minimum` is in seconds, `output_limit` in bytes."""

    remote_scripts: bool = False
    local_scripts: bool = False
    output_limit: int = 4096
    deregister_minimum: float = 60.0
    sidecar_ports: range = range(21000, 21256)


class Registrar:
    """`sources` tells who registered a service (by its id) and a check (by its id)."""

    def __init__(self, local: LocalState, runner: CheckRunner, settings: CheckSettings, persistence: Persistence | None) -> None:
        self.local = local
        self.runner = runner
        self.settings = settings
        self.persistence = persistence
        self.check_types: dict[str, CheckType] = {}
        self.service_sources: dict[str, str] = {}
        self.check_sources: dict[str, str] = {}
        self.aliases: dict[str, CheckType] = {}

    def register_service(
        self, definition: ServiceDefinition, source: str, token: str = "", replace_checks: bool = False, is_sidecar: bool = False
    ) -> None:
        """A validated service with its checks and its sidecar; nothing is changed if any part is refused."""
        wants_sidecar = definition.sidecar() is not None
        sidecar = sidecar_of(definition, self.local.services(), self.settings.sidecar_ports) if wants_sidecar else None
        for check in [*definition.check_types(), *(sidecar.check_types() if sidecar else ())]:
            self.allow(check, source)
        token = definition.token or token
        service = definition.node_service()
        if is_sidecar:
            service = msgspec.structs.replace(service, locally_registered_as_sidecar=True)
        self.local.add_service(service, token, is_sidecar)
        self.service_sources[service.id] = source
        if source == REMOTE and self.persistence is not None:
            self.persistence.save_service(service, token, source, is_sidecar)
        kept = self._add_service_checks(definition, source, token)
        if replace_checks:
            for check in list(self.local.service_checks(service.id)):
                if check.check_id not in kept:
                    self.deregister_check(check.check_id)
        if sidecar is not None:
            self.register_service(sidecar, source, token, replace_checks, is_sidecar=True)

    def _add_service_checks(self, definition: ServiceDefinition, source: str, token: str) -> set[str]:
        service = definition.node_service()
        types = definition.check_types()
        kept = set()
        for number, check_type in enumerate(types, 1):
            check = service_check(self.local.node, service, check_type, number, len(types))
            self._add_check(check, check_type, source, token)
            kept.add(check.check_id)
        return kept

    def deregister_service(self, service_id: str) -> None:
        """Forget a service, its checks and its sidecar; an unknown id is no error."""
        if not service_id:
            raise Rejected("ServiceID missing")
        self._forget_service_file(service_id)
        if self.local.service(service_id) is None:
            logger.warning("Failed to deregister service: service=%s error=Service does not exist", service_id)
            return
        for check in list(self.local.service_checks(service_id)):
            self.deregister_check(check.check_id)
        self.local.remove_service(service_id)
        self.service_sources.pop(service_id, None)
        logger.debug("removed service: service=%s", service_id)
        sidecar = self.local.service_entries.get(f"{service_id}-sidecar-proxy")
        if sidecar is not None and sidecar.is_sidecar and not sidecar.deleted:
            self.deregister_service(sidecar.service.id)

    def register_check(self, definition: CheckDefinition, source: str, token: str = "") -> None:
        """A validated check of the node or of a service that is here."""
        check_type = definition.check_type()
        self.allow(check_type, source)
        self._add_check(
            lone_check(self.local.node, definition), msgspec.structs.replace(check_type, check_id=""), source, definition.token or token
        )

    def deregister_check(self, check_id: str) -> None:
        """Forget a check; an unknown id is no error."""
        if not check_id:
            raise Rejected("CheckID missing")
        self.runner.remove(check_id)
        self.aliases.pop(check_id, None)
        self.check_types.pop(check_id, None)
        self.check_sources.pop(check_id, None)
        if self.persistence is not None:
            self.persistence.forget_check(check_id)
        self.local.remove_check(check_id)

    def allow(self, check: CheckType, source: str) -> None:
        """`Rejected` if the check runs a program and this agent may not."""
        allowed = self.settings.remote_scripts if source == REMOTE else self.settings.local_scripts
        if check.script_args and not allowed:
            raise Rejected(SCRIPTS_DISABLED[source])

    def _add_check(self, check: HealthCheck, check_type: CheckType, source: str, token: str) -> None:
        """A check that was here before keeps its status: registering again must not make it flap."""
        before = self.local.check(check.check_id)
        state = self._saved_state(check.check_id) if before is None else None
        if before is not None:
            check = msgspec.structs.replace(check, status=before.status, output=before.output)
        elif state is not None:
            check = msgspec.structs.replace(check, status=state.status, output=state.output)
        after = seconds(check_type.deregister_critical_service_after)
        if after > 0:
            after = max(after, self.settings.deregister_minimum)
        check = self.local.add_check(check, token, after)
        unchanged = self.check_types.get(check.check_id) == check_type
        if not (unchanged and check_type.kind() != "ttl" and check.check_id in self.runner.jobs):
            self._run(check, check_type, state)
        self.check_types[check.check_id] = check_type
        self.check_sources[check.check_id] = source
        if source == REMOTE and self.persistence is not None:
            self.persistence.save_check(check, check_type, token, source)

    def _run(self, check: HealthCheck, check_type: CheckType, state: SavedState | None) -> None:
        check_id = check.check_id
        self.runner.remove(check_id)
        self.aliases.pop(check_id, None)
        kind = check_type.kind()
        if kind == "ttl":
            ttl = TtlCheck(seconds(check_type.ttl), check_type.output_max_size or self.settings.output_limit, check.output)
            self.runner.add_ttl(check_id, ttl, None if state is None else state.expires - self.local.clock.wall())
        elif kind == "alias":
            self.aliases[check_id] = check_type
            self.local.note_change()
        else:
            made = probe(check_type, ProbeSettings(self.settings.output_limit))
            if made is not None:
                thresholds = Thresholds(check_type.success_before_passing, check_type.failures_before_critical)
                self.runner.add(check_id, made, interval(check_type), thresholds)

    def restore_check(self, check: HealthCheck, check_type: CheckType, token: str) -> None:
        """A check of the data directory; `Rejected` if it may not run or its service is gone."""
        self.allow(check_type, REMOTE)
        self._add_check(check, check_type, REMOTE, token)

    def _saved_state(self, check_id: str) -> SavedState | None:
        """The last status before the agent stopped, if its time is not over."""
        if self.persistence is None:
            return None
        state = self.persistence.load_state(check_id)
        if state is not None and state.expires <= self.local.clock.wall():
            logger.debug("check state expired, not restoring: check=%s", check_id)
            self.persistence.forget_state(check_id)
            return None
        return state

    def result(self, check_id: str, result: Result) -> None:
        """A check that is run here found something. A new status is kept for the next start."""
        before = self.local.check(check_id)
        if before is None:
            return
        changed = before.status != result.status
        self.local.update_check(check_id, result.status, result.output)
        if changed:
            level = logging.WARNING if result.status == CRITICAL else logging.INFO
            logger.log(level, "Check is now %s: check=%s", result.status, check_id)
            if check_id in self.runner.jobs and self.persistence is not None and self.check_sources.get(check_id):
                self._save_state(check_id, result, STATE_KEPT)

    def report_ttl(self, check_id: str, status: str, output: str) -> None:
        """The owner of a TTL check reports; `Rejected` if there is none of this id."""
        ttl = self.runner.ttls.get(check_id)
        if ttl is None:
            raise Rejected(f'CheckID "{check_id}" does not have associated TTL')
        self.runner.reported(check_id, status, output)
        if self.persistence is not None:
            self._save_state(check_id, Result(status, head(output, ttl.output_limit)), ttl.ttl)

    def _save_state(self, check_id: str, result: Result, lifetime: float) -> None:
        assert self.persistence is not None
        expires = int(self.local.clock.wall() + lifetime)
        try:
            self.persistence.save_state(SavedState(check_id, result.status, result.output, expires))
        except StorageFailed as error:  # the check itself is well; only a restart would forget it
            logger.error("failed persisting state for check: check=%s error=%s", check_id, error)

    def set_node_maintenance(self, enable: bool, reason: str = "", token: str = "") -> None:
        """Take the whole node out of service, or back."""
        if enable and self.local.check(NODE_MAINTENANCE) is None:
            self._add_check(maintenance.node_check(self.local.node, reason), CheckType(), REMOTE, token)
            logger.info("Node entered maintenance mode")
        elif not enable and self.local.check(NODE_MAINTENANCE) is not None:
            self.deregister_check(NODE_MAINTENANCE)
            logger.info("Node left maintenance mode")

    def set_service_maintenance(self, service_id: str, enable: bool, reason: str = "", token: str = "") -> None:
        """Take a service out, or back; `NotFound` if it is not here."""
        service = self.local.service(service_id)
        if service is None:
            raise NotFound(f'No service registered with ID "{service_id}"')
        check_id = maintenance.service_check_id(service_id)
        if enable and self.local.check(check_id) is None:
            self._add_check(maintenance.service_check(self.local.node, service, reason), CheckType(), REMOTE, token)
            logger.info("Service entered maintenance mode: service=%s", service_id)
        elif not enable and self.local.check(check_id) is not None:
            self.deregister_check(check_id)
            logger.info("Service left maintenance mode: service=%s", service_id)

    def reap(self) -> None:
        """Remove services that were critical for longer than they allow."""
        for service_id in self.local.critical_too_long(self.local.clock.monotonic()):
            logger.info(
                "deregistered service with critical health due to exceeding health check's 'deregister_critical_service_after': service=%s",
                service_id,
            )
            self.deregister_service(service_id)

    def counts(self) -> dict[str, Any]:
        """What `/v1/agent/self` tells of it."""
        return {
            "check_monitors": str(sum(1 for check in self.check_types.values() if check.kind() == "script")),
            "check_ttls": str(len(self.runner.ttls)),
            "checks": str(len(self.local.checks())),
            "services": str(len(self.local.services())),
        }

    def _forget_service_file(self, service_id: str) -> None:
        if self.persistence is not None:
            self.persistence.forget_service(service_id)


def refused_unless_known(status: str) -> None:
    """`BadRequest` for a status that a TTL check cannot have."""
    if status not in ("passing", "warning", "critical"):
        raise BadRequest(f"Invalid check status: '{status}'")
