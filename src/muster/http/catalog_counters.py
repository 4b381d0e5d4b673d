"""How often what of the catalog was asked for, and answered, under the peers' names: `client.api.catalog_nodes`, `client.api.success.…`."""

from asyncio import Future
from functools import partial
from typing import Any

from muster.http.messages import Outcome, Pending, Request
from muster.http.routing import Context, Handler


def counted(name: str, handler: Handler) -> Handler:
    """The handler, counted."""
    asked, answered = f"client.api.{name}", f"client.api.success.{name}"

    def count(request: Request, context: Context) -> Outcome:
        agent = context.agent
        metrics = getattr(agent, "metrics", None)
        if metrics is None:
            return handler(request, context)
        labels = (("node", agent.node_name),)
        metrics.increment(asked, 1, labels)
        outcome = handler(request, context)
        future = outcome.future if isinstance(outcome, Pending) else outcome
        if isinstance(future, Future):
            future.add_done_callback(partial(_count_answer, metrics, answered, labels))
        else:
            metrics.increment(answered, 1, labels)
        return outcome

    return count


def _count_answer(metrics: Any, name: str, labels: Any, future: "Future[Any]") -> None:
    if not future.cancelled() and future.exception() is None:
        metrics.increment(name, 1, labels)
