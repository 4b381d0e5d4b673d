"""What the DNS edge needs to know of the configuration, in seconds and lower-case names."""

from msgspec import Struct, field

from muster.agent.config.config import Config
from muster.model.durations import SECOND, seconds


class AuthoritySettings(Struct, frozen=True, kw_only=True):
    """The times of the SOA record, in seconds."""

    refresh: int = 3600
    retry: int = 600
    expire: int = 86400
    minimum_ttl: int = 0


class DnsSettings(Struct, frozen=True, kw_only=True):
    """`dns_config` and what belongs to it. Times are seconds."""

    domain: str = "consul."
    alternative_domain: str = ""
    datacenter: str = "dc1"
    node_name: str = ""
    recursors: tuple[str, ...] = ()
    recursor_timeout: float = 2.0
    allow_stale: bool = True
    only_passing: bool = False
    node_ttl: int = 0
    service_ttl: dict[str, int] = field(default_factory=dict)
    """By service name; a name that ends in `*` stands for all names with that beginning."""
    udp_answer_limit: int = 3
    record_limit: int = 0
    """The most A, AAAA or ANY records in an answer; 0 is no limit."""
    enable_truncate: bool = False
    disable_compression: bool = False
    node_meta_texts: bool = True
    translate_wan_addresses: bool = False
    max_stale: int = 87600 * 3600 * SECOND
    """Nanoseconds since a server last heard of the leader, after which its answer is not taken."""
    use_cache: bool = False
    cache_max_age: int = 0
    authority: AuthoritySettings = field(default_factory=AuthoritySettings)

    @property
    def domains(self) -> tuple[str, ...]:
        return (self.domain, self.alternative_domain) if self.alternative_domain else (self.domain,)

    def ttl_of_service(self, name: str) -> int:
        """The time to live of a service's records: its own setting, or that of the longest matching beginning."""
        settings = self.service_ttl
        if not settings:
            return 0
        if name in settings:
            return settings[name]
        beginnings = [key for key in settings if key.endswith("*") and name.startswith(key[:-1])]
        return settings[max(beginnings, key=len)] if beginnings else 0


def settings_of(config: Config) -> DnsSettings:
    """What the agent's configuration says of DNS."""
    own = config.dns
    return DnsSettings(
        domain=config.domain.lower().rstrip(".") + ".",
        alternative_domain=config.alt_domain.lower().rstrip(".") + "." if config.alt_domain else "",
        datacenter=config.datacenter,
        node_name=config.node_name,
        recursors=config.recursors,
        recursor_timeout=seconds(own.recursor_timeout),
        allow_stale=own.allow_stale,
        only_passing=own.only_passing,
        node_ttl=own.node_ttl // SECOND,
        service_ttl={name: ttl // SECOND for name, ttl in own.service_ttl.items()},
        udp_answer_limit=own.udp_answer_limit,
        record_limit=own.a_record_limit,
        enable_truncate=own.enable_truncate,
        disable_compression=own.disable_compression,
        node_meta_texts=own.node_meta_txt,
        translate_wan_addresses=config.translate_wan_addresses,
        max_stale=own.max_stale,
        use_cache=own.use_cache,
        cache_max_age=own.cache_max_age,
        authority=AuthoritySettings(refresh=own.soa.refresh, retry=own.soa.retry, expire=own.soa.expire, minimum_ttl=own.soa.minimum_ttl),
    )
