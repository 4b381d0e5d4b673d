"""Transactions: up to 64 operations, all or none."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from muster.client.base import Endpoints, decode


class TransactionError(Struct, frozen=True, kw_only=True):
    """Why an operation (by its place in the list) made the transaction fail."""

    op_index: int = field(name="OpIndex", default=0)
    what: str = field(name="What", default="")


class TransactionResult(Struct, frozen=True, kw_only=True):
    """The results of the operations that give one, or the errors of those that failed."""

    results: list[dict[str, Any]] | None = field(name="Results", default=None)
    errors: list[TransactionError] | None = field(name="Errors", default=None)

    @property
    def committed(self) -> bool:
        return not self.errors


class Transactions(Endpoints):
    """Runs transactions."""

    def apply(self, operations: Sequence[Mapping[str, Any]]) -> TransactionResult:
        """Runs operations written under the API's names, such as `{"KV": {"Verb": "set", "Key": "a", "Value": "YQ=="}}`.

        A transaction that was rolled back is an answer with errors, not an exception.
        """
        response = self._transport.request("PUT", "txn", (), msgspec.json.encode(operations))
        return decode(response.body if response.status == 409 else response.require_ok().body, TransactionResult)
