"""What one configuration key is: a row of the table in `table.py`."""

from enum import Enum

import msgspec


class Kind(Enum):
    """The type of a key's value; the value of the member is what error texts and the page say would be right."""

    BOOL = "true or false"
    INT = "an integer"
    UINT = "an integer of 0 or more"
    FLOAT = "a number"
    STRING = "a text in quotes"
    DURATION = 'a duration in quotes such as "30s" or "1h30m"'
    STRINGS = "a list of texts"
    STRING_MAP = "a map of texts"
    DURATION_MAP = 'a map of durations such as "30s"'
    STRINGS_MAP = "a map of lists of texts"
    BLOCK = "a block"
    BLOCKS = "a list of blocks"
    BLOCK_MAP = "a map of blocks"
    ANY_MAP = "a map"
    ANY_MAPS = "a list of maps"


GO_TYPES = {Kind.BOOL: "bool", Kind.INT: "int", Kind.UINT: "uint", Kind.FLOAT: "float64", Kind.STRING: "string", Kind.DURATION: "string"}


class Status(Enum):
    """What Muster does with a key."""

    BUILT = "built"
    ACCEPTED = "accepted without effect"
    REFUSED = "refused"


class Key(msgspec.Struct, frozen=True):
    """One key. `shape` names the keys inside a block; `wire` is the key's name in the HTTP API, where it has one.

    `default` is text for the page. `note` says why a key has no effect, or why the start is refused; a refused key may
    be given with its off value (false, empty).
    """

    name: str
    kind: Kind
    default: str = ""
    status: Status = Status.BUILT
    reloadable: bool = False
    note: str = ""
    shape: str = ""
    wire: str = ""


Shape = tuple[Key, ...]
