"""Where to listen: HOST:PORT, and a socket that is bound to it."""

from __future__ import annotations

import errno
import socket

from pgflow.errors import ConfigError

__all__ = ["bound_socket", "parse_address"]


def parse_address(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`, with an IPv6 address in brackets; raises ConfigError."""
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_split = bool(colon and bare) and (bare != host or ":" not in host)
    if not is_split or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(
            f"{text!r} is no address to listen on: write HOST:PORT, such as 127.0.0.1:8080, "
            "0.0.0.0:8080 for all interfaces, or [::1]:8080"
        )
    return bare, int(port)


def bound_socket(address: str) -> socket.socket:
    """Bind and listen; raises ConfigError, which says what is in the way."""
    host, port = parse_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise ConfigError(f"cannot listen on {address}: {host!r} is no address: {error.strerror}") from None
    try:
        listening = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ConfigError(f"cannot listen on {address}: {_mend(error)}") from None
    # Inherited by its connections.  asyncio sees to it for sockets of its own making only; without it the
    # second of the two writes of a response waits 40 ms for the client to acknowledge the first.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _mend(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is taken; stop what listens there, or choose another port (0 takes any free one)"
    if error.errno == errno.EACCES:
        return "this user may not; choose a port from 1024 on"
    if error.errno == errno.EADDRNOTAVAIL:
        return "no interface of this machine has that address; 0.0.0.0 stands for all"
    return f"{error.strerror}; choose another address"
