"""The rows of /v1/agent in the one table of routes."""

from muster.http import agent_checks, agent_node, agent_services
from muster.http.routing import Route

AGENT_ROUTES = [
    Route("GET", "/v1/agent/self", agent_node.describe),
    Route("GET", "/v1/agent/host", agent_node.host),
    Route("GET", "/v1/agent/members", agent_node.members),
    Route("GET", "/v1/agent/metrics", agent_node.metrics),
    Route("GET", "/v1/agent/monitor", agent_node.monitor),
    Route("PUT", "/v1/agent/reload", agent_node.reload),
    Route("PUT", "/v1/agent/maintenance", agent_node.maintenance),
    Route("PUT", "/v1/agent/join/{address}", agent_node.join),
    Route("PUT", "/v1/agent/leave", agent_node.leave),
    Route("PUT", "/v1/agent/force-leave/{node}", agent_node.force_leave),
    Route("PUT", "/v1/agent/token/{kind}", agent_node.set_token),
    Route("GET", "/v1/agent/services", agent_services.services),
    Route("GET", "/v1/agent/service/{id}", agent_services.service),
    Route("PUT", "/v1/agent/service/register", agent_services.register),
    Route("PUT", "/v1/agent/service/deregister/{id}", agent_services.deregister),
    Route("PUT", "/v1/agent/service/maintenance/{id}", agent_services.maintenance),
    Route("GET", "/v1/agent/health/service/id/{id}", agent_services.health_by_id),
    Route("GET", "/v1/agent/health/service/name/{name}", agent_services.health_by_name),
    Route("GET", "/v1/agent/checks", agent_checks.checks),
    Route("PUT", "/v1/agent/check/register", agent_checks.register),
    Route("PUT", "/v1/agent/check/deregister/{id}", agent_checks.deregister),
    Route("PUT", "/v1/agent/check/pass/{id}", agent_checks.succeed),
    Route("PUT", "/v1/agent/check/warn/{id}", agent_checks.warn),
    Route("PUT", "/v1/agent/check/fail/{id}", agent_checks.fail),
    Route("PUT", "/v1/agent/check/update/{id}", agent_checks.update),
]
