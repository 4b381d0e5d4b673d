"""/v1/acl while access control is off: every question gets the same answer."""

from muster.http.messages import Outcome, Request
from muster.http.routing import Context
from muster.model.errors import AclDisabled


def disabled(request: Request, context: Context) -> Outcome:
    """All methods."""
    raise AclDisabled
