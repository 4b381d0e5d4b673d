"""The mesh part of an instance, as the HTTP API shows it; almost always empty."""

from typing import Any

from muster.model.catalog import ConnectProxyConfig, ExposePath, ServiceConnect, Upstream

Json = dict[str, Any]
_EMPTY_PROXY: Json = {"MeshGateway": {}, "Expose": {}}
_NO_PROXY = ConnectProxyConfig()
_NO_CONNECT = ServiceConnect()
_NOTHING: Json = {}


def proxy(one: ConnectProxyConfig) -> Json:
    """What a proxy stands in front of; fields that are empty are left out."""
    if one is _NO_PROXY or one == _NO_PROXY:
        return _EMPTY_PROXY
    shown = _filled(
        DestinationServiceName=one.destination_service_name,
        DestinationServiceID=one.destination_service_id,
        LocalServiceAddress=one.local_service_address,
        LocalServicePort=one.local_service_port,
        Config=one.config,
        Upstreams=[upstream(each) for each in one.upstreams] if one.upstreams else None,
    )
    shown["MeshGateway"] = _filled(Mode=one.mesh_gateway.mode)
    shown["Expose"] = _filled(Checks=one.expose.checks, Paths=[expose_path(path) for path in one.expose.paths or ()])
    return shown


def upstream(one: Upstream) -> Json:
    """A service that a proxy leads to."""
    shown: Json = {"DestinationType": one.destination_type, "DestinationName": one.destination_name, "Datacenter": one.datacenter}
    shown |= _filled(DestinationNamespace=one.destination_namespace, LocalBindAddress=one.local_bind_address)
    shown["LocalBindPort"] = one.local_bind_port
    shown |= _filled(Config=one.config)
    shown["MeshGateway"] = _filled(Mode=one.mesh_gateway.mode)
    return shown


def expose_path(one: ExposePath) -> Json:
    """A path that the proxy lets through."""
    return _filled(
        ListenerPort=one.listener_port,
        Path=one.path,
        LocalPathPort=one.local_path_port,
        Protocol=one.protocol,
        ParsedFromCheck=one.parsed_from_check,
    )


def connect(one: ServiceConnect) -> Json:
    """Whether the instance speaks the mesh's protocol itself."""
    if one is _NO_CONNECT or one == _NO_CONNECT:
        return _NOTHING
    return _filled(Native=one.native, SidecarService=one.sidecar_service)


def _filled(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value}
