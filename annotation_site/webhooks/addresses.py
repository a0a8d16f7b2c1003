"""Where the site may send to: addresses that anyone could reach, and networks that a setting allows.

An admin of a project chooses where; without this, they could have the site ask its own network for them.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

TUNNELS = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]
"""Addresses with another one inside (NAT64, 6to4, Teredo), which may be anyone's."""


class AddressRefused(ValueError):
    """Nothing is sent there; the message may be shown."""


def check_url(url: str) -> None:
    """Refuse an address by what it says; where its name leads is checked when something is sent.

    Raises
    ------
    AddressRefused
    """
    if not (url.isascii() and url.isprintable() and " " not in url and "\\" not in url):
        raise AddressRefused("The address has characters that no address has.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise AddressRefused("That is no address.") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and settings.WEBHOOK_HTTP):
        raise AddressRefused("The address begins with https://.")
    if not host or port == 0:
        raise AddressRefused("The address has no host.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise AddressRefused("Leave names, passwords and # out of the address.")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return
    if not is_allowed(literal):
        raise AddressRefused(f"{host} is in a private network: see WEBHOOK_NETWORKS in the settings.")


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host that may be connected to, to be used as they are: a name may change its mind.

    Raises
    ------
    AddressRefused
        When there is none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"{host} has no address ({error}).") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [text for text in addresses if is_allowed(ipaddress.ip_address(text.partition("%")[0]))]
    if not allowed:
        raise AddressRefused(f"{host} leads into a private network: see WEBHOOK_NETWORKS in the settings.")
    return allowed


def is_allowed(address: Address) -> bool:
    """Whether the site may connect to an address."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return is_allowed(address.ipv4_mapped)
    if any(address in ipaddress.ip_network(network) for network in settings.WEBHOOK_NETWORKS):
        return True
    tunnelled = any(address in network for network in TUNNELS)
    return address.is_global and not address.is_multicast and not tunnelled
