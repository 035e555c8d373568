"""The client's address: behind trusted proxies, and shortened. Pure."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

_KEPT_BITS = {4: 24, 6: 48}  # of an address: what is left names some hundreds of households


def networks(text: str) -> tuple[Network, ...]:
    """Return networks in CIDR form, separated by commas. Raises ValueError."""
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def client_address(peer: str | None, forwarded: str, trusted: tuple[Network, ...]) -> str | None:
    """Return who sent a request: the nearest address that is none of our proxies.

    `forwarded` is X-Forwarded-For, which each proxy extends on the right. It is read only if the peer is one
    of the trusted: anybody else may write into it what he likes.
    """
    if not trusted:
        return peer
    address = peer
    for each in (peer or "", *reversed(forwarded.split(","))):
        found = _parsed(each)
        if found is None:
            break
        address = str(found)
        if not any(found in network for network in trusted):
            break
    return address


@lru_cache(maxsize=4_096)
def truncated(text: str) -> str | None:
    """Return the network of an address: 24 bits of IPv4, 48 of IPv6; None for what is no address."""
    found = _parsed(text)
    if found is None:
        return None
    return str(ip_network((found, _KEPT_BITS[found.version]), strict=False).network_address)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
