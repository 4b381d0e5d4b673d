"""Muster: service discovery, health checking, configuration and coordination, wire-compatible with Consul."""

__version__ = "0.1.0"
CONSUL_VERSION = "1.8.7"
"""The release of Consul whose behaviour every wire and answer follows."""
