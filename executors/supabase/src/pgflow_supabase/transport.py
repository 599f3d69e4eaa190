"""Sends to addresses that a project may have, and to no others; never follows, never tries again."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Final

import httpx

__all__ = ["AddressRefused", "GuardedTransport"]

#: Where clouds answer with credentials, beside the link-local addresses.
_METADATA: Final = {
    ipaddress.ip_address(each) for each in ("100.100.100.200", "fd00:ec2::254", "192.0.0.192")
}


class AddressRefused(Exception):
    """The project's name leads to an address that no project has."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """Resolves the host, judges its addresses and connects to one of them: a second look-up could differ."""

    def __init__(self, capacity: int, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        limits = httpx.Limits(max_connections=capacity, max_keepalive_connections=capacity)
        self._inner = httpx.AsyncHTTPTransport(retries=0, limits=limits, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; its Host header and its TLS name stay those of the url."""
        host, url = request.url.host, request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        # Who writes an address, or localhost, means it; a name may lead anywhere.
        allow_private = self._allow_private or host == "localhost" or _is_address(host)
        addresses = await _resolve(host, port, allow_private=allow_private)
        failure: httpx.TransportError = httpx.ConnectError(f"{host} has no address", request=request)
        for address in addresses:
            request.url = url.copy_with(host=address)
            request.extensions = {**request.extensions, "sni_hostname": host}
            try:
                return await self._inner.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                # Nothing was sent: the next address may do.
                failure = error
        raise failure

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


async def _resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the addresses of a host; raises AddressRefused if one of them is out of bounds."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpx.ConnectError(f"{host} cannot be resolved: {error}") from error
    addresses = list(dict.fromkeys(str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found))
    for address in addresses:
        reached = ipaddress.ip_address(address)
        reached = getattr(reached, "ipv4_mapped", None) or reached
        if _is_refused(reached):
            raise AddressRefused(f"{host} leads to {address}, which is no address of a project")
        if not (allow_private or reached.is_global):
            raise AddressRefused(f"{host} leads to {address}, which only allow_private = true allows")
    return addresses


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA
