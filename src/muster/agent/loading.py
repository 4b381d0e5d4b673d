"""What the configuration files and the data directory say is run here: at the start, and again at a reload.

A reload is a difference: what its files did not touch keeps its object, its status and its deadline.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from muster.agent.definitions import CheckDefinition, ServiceDefinition, parse_check, parse_service
from muster.agent.persistence import SavedCheck, SavedService
from muster.agent.registrar import LOCAL, REMOTE, Registrar
from muster.model.catalog import CRITICAL
from muster.model.errors import ConfigurationError, MusterError, Rejected

logger = logging.getLogger("agent")

D = TypeVar("D")


class Loader:
    """Remembers what the files said last."""

    def __init__(self, registrar: Registrar) -> None:
        self.registrar = registrar
        self.services: dict[str, ServiceDefinition] = {}
        self.checks: dict[str, CheckDefinition] = {}

    def load(self, services: Iterable[tuple[Mapping[str, Any], str]], checks: Iterable[tuple[Mapping[str, Any], str]]) -> None:
        """Bring the host in line with definitions, each with the name of its file. `ConfigurationError` changes nothing."""
        wanted_services = {one.id or one.name: one for one in self._parsed(services, self._service, "service")}
        known = {*wanted_services, *(name for name, source in self.registrar.service_sources.items() if source == REMOTE)}
        wanted_checks = {one.identity(): one for one in self._parsed(checks, lambda fields: self._check(fields, known), "check")}
        self._drop_services(wanted_services)
        self._drop_checks(wanted_checks)
        for service_id, service in wanted_services.items():
            if self.services.get(service_id) != service or self.registrar.service_sources.get(service_id) != LOCAL:
                self._register(service, service_id)
        for check_id, check in wanted_checks.items():
            if self.checks.get(check_id) != check or self.registrar.check_sources.get(check_id) != LOCAL:
                self.registrar.register_check(check, LOCAL)
        self.services, self.checks = wanted_services, wanted_checks

    def _service(self, fields: Mapping[str, Any]) -> ServiceDefinition:
        service = parse_service(fields)
        for check in service.check_types():
            self.registrar.allow(check, LOCAL)
        return service

    def _check(self, fields: Mapping[str, Any], services: set[str]) -> CheckDefinition:
        check = parse_check(fields)
        self.registrar.allow(check, LOCAL)
        if check.service_id and check.service_id not in services:
            raise Rejected(f'ServiceID "{check.service_id}" does not exist')
        return check

    @staticmethod
    def _parsed(definitions: Iterable[tuple[Mapping[str, Any], str]], parse: Callable[[Mapping[str, Any]], D], what: str) -> list[D]:
        made = []
        for fields, source in definitions:
            try:
                made.append(parse(fields))
            except MusterError as error:
                name = fields.get("Name") or fields.get("ID") or fields.get("name") or ""
                raise ConfigurationError(f'{source}: {what} "{name}": {error}') from error
        return made

    def _register(self, service: ServiceDefinition, service_id: str) -> None:
        registrar = self.registrar
        changed = service_id in self.services
        if registrar.service_sources.get(service_id) == REMOTE and registrar.persistence is not None:
            registrar.persistence.forget_service(service_id)
        registrar.register_service(service, LOCAL, replace_checks=changed)

    def _drop_services(self, wanted: Mapping[str, ServiceDefinition]) -> None:
        for service_id in self.services:
            if service_id not in wanted and self.registrar.service_sources.get(service_id) == LOCAL:
                self.registrar.deregister_service(service_id)

    def _drop_checks(self, wanted: Mapping[str, CheckDefinition]) -> None:
        for check_id in self.checks:
            if check_id not in wanted and self.registrar.check_sources.get(check_id) == LOCAL:
                self.registrar.deregister_check(check_id)

    def restore(self) -> None:
        """Register again what the API had registered before the agent stopped; the files come first and win."""
        persistence = self.registrar.persistence
        if persistence is None:
            return
        for service in persistence.load_services():
            if service.service.id in self.services:
                logger.debug("service definition was overwritten by one from a file: service=%s", service.service.id)
                persistence.forget_service(service.service.id)
            else:
                self._restore_service(service)
        for check in persistence.load_checks():
            if self.registrar.check_sources.get(check.check.check_id) == LOCAL:
                persistence.forget_check(check.check.check_id)
            else:
                self._restore_check(check)

    def _restore_service(self, saved: SavedService) -> None:
        registrar = self.registrar
        registrar.local.add_service(saved.service, saved.token, saved.is_sidecar)
        registrar.service_sources[saved.service.id] = REMOTE
        logger.debug("restored service definition from file: service=%s", saved.service.id)

    def _restore_check(self, saved: SavedCheck) -> None:
        """It starts critical, unless its state was saved too: an unhealthy service must not slip into the pool."""
        check = msgspec.structs.replace(saved.check, node=self.registrar.local.node, status=CRITICAL)
        try:
            self.registrar.restore_check(check, saved.check_type, saved.token)
        except MusterError as error:
            logger.warning("Failed to restore check, it is forgotten: check=%s error=%s", check.check_id, error)
            persistence = self.registrar.persistence
            if persistence is not None:
                persistence.forget_check(check.check_id)
