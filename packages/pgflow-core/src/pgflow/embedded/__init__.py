"""A PostgreSQL server of PGFlow's own, for first runs, development and tests. Never for production data."""

from pgflow.embedded.binaries import Version, find_binaries
from pgflow.embedded.errors import (
    BinariesMissing,
    EmbeddedError,
    NotOurFolder,
    OtherVersion,
    PortTaken,
    ServerFailed,
    ServerTimeout,
)
from pgflow.embedded.server import THROWAWAY_SETTINGS, EmbeddedServer

__all__ = [
    "THROWAWAY_SETTINGS",
    "BinariesMissing",
    "EmbeddedError",
    "EmbeddedServer",
    "NotOurFolder",
    "OtherVersion",
    "PortTaken",
    "ServerFailed",
    "ServerTimeout",
    "Version",
    "find_binaries",
]
