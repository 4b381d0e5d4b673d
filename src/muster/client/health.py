"""Health: checks, and the instances of services with theirs."""

from muster.client.base import Endpoints
from muster.client.queries import Answer, Query
from muster.client.records import HealthCheck, ServiceEntry


class Health(Endpoints):
    """Reads of checks. All of them can block."""

    def node(self, name: str, query: Query | None = None) -> Answer[list[HealthCheck]]:
        """The checks of a node and of its services."""
        return self._read_list(f"health/node/{name}", HealthCheck, query)

    def checks(self, service: str, query: Query | None = None) -> Answer[list[HealthCheck]]:
        """The checks of a service's instances."""
        return self._read_list(f"health/checks/{service}", HealthCheck, query)

    def service(
        self, name: str, tags: tuple[str, ...] = (), *, passing: bool = False, query: Query | None = None
    ) -> Answer[list[ServiceEntry]]:
        """The instances of a service that have all of the tags; with `passing` only those without a failing check."""
        parameters = [("tag", tag) for tag in tags] + ([("passing", "1")] if passing else [])
        return self._read_list(f"health/service/{name}", ServiceEntry, query, *parameters)

    def state(self, state: str, query: Query | None = None) -> Answer[list[HealthCheck]]:
        """The checks in a state: `passing`, `warning`, `critical` or `any`."""
        return self._read_list(f"health/state/{state}", HealthCheck, query)
