"""Who this node is: an id that survives restarts, and what the catalog holds of it."""

import hashlib
import logging
import os
import random
import uuid
from pathlib import Path

from muster.agent.config.config import Config
from muster.agent.differences import Identity
from muster.model.errors import ConfigurationError

logger = logging.getLogger("agent")

SEGMENT_META = "consul-network-segment"
HOST_ID = "/etc/machine-id"


def node_id(config: Config, chance: random.Random) -> str:
    """The configured id, the one in the data directory, or a new one, which is written there with mode 0600."""
    path = Path(config.data_dir) / "node-id" if config.data_dir and not config.dev else None
    if config.node_id:
        identity = _valid(config.node_id, "node_id")
    elif path is not None and path.exists():
        return _valid(path.read_text(encoding="utf-8", errors="replace"), str(path))
    else:
        identity = _new_id(config, chance)
    if path is not None:
        _write(path, identity)
    return identity


def _valid(text: str, source: str) -> str:
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError as error:
        raise ConfigurationError(f"{source}: {text.strip()[:64]!r} is no UUID; remove it to get a new node id") from error


def _new_id(config: Config, chance: random.Random) -> str:
    """By chance, or made of the host's own id so that a reinstalled host stays the same node."""
    if not config.disable_host_node_id:
        try:
            host = Path(HOST_ID).read_text(encoding="ascii").strip().lower()
            return str(uuid.UUID(bytes=hashlib.sha512(host.encode()).digest()[:16]))
        except (OSError, UnicodeDecodeError) as error:
            logger.debug("Couldn't get a unique ID from the host: error=%s", error)
    return str(uuid.UUID(int=chance.getrandbits(128)))


def _write(path: Path, identity: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name("node-id.tmp")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(identity)
    part.replace(path)


def catalog_identity(config: Config, identity: str) -> Identity:
    """What the catalog should hold of this node."""
    lan, wan = config.advertise_address, config.advertise_address_wan
    tagged = {"lan": lan, f"lan_{_family(lan)}": lan, "wan": wan, f"wan_{_family(wan)}": wan, **config.tagged_addresses}
    return Identity(
        datacenter=config.datacenter,
        node_id=identity,
        node=config.node_name,
        address=lan,
        tagged_addresses=dict(sorted(tagged.items())),
        meta=dict(sorted({SEGMENT_META: "", **config.node_meta}.items())),
        is_server=config.server,
    )


def _family(address: str) -> str:
    return "ipv6" if ":" in address else "ipv4"
