"""The one table of routes."""

from muster.http import kv
from muster.http.limits import VALUE_LIMIT
from muster.http.routing import Route

ROUTES = [
    Route("GET", "/v1/kv/{key}", kv.read),
    Route("PUT", "/v1/kv/{key}", kv.write, VALUE_LIMIT),
    Route("DELETE", "/v1/kv/{key}", kv.delete),
]
