"""Where a page is served, and what leads to it.

What a person wants enters; what a Site listens on leaves, and the addresses for phones.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ..errors import CnnedgeError
from .addresses import Address, Place, host_names, lan_addresses
from .certificate import Certificate, certificate_for
from .server import Listening, Site

_PORTS = {True: 8080, False: 8443}
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Hosting:
    """What a place comes to. addresses: where phones reach it."""

    place: Place
    listening: Listening
    addresses: Sequence[Address]
    certificate: Certificate | None


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """What leads a phone to a page that is served. addresses: the best first, the secret in them.
    fingerprint: how the SHA-256 of our own certificate begins. port: on this machine."""

    addresses: tuple[str, ...]
    place: Place
    port: int
    fingerprint: str | None = None


# Shows an invitation; the context lasts for as long as the page is served.
Invite = Callable[[Invitation], AbstractContextManager[None]]


def hosting(place: Place) -> Hosting:
    """Raises CnnedgeError where no phone could reach this machine."""
    addresses = _addresses(place)
    names = host_names()
    certificate = None
    if not place.plain:
        loopback = [ipaddress.ip_address(a) for a in (LOOPBACK, "::1")]
        certificate = certificate_for(names, [*addresses, *loopback])
    return Hosting(
        place=place,
        addresses=addresses,
        certificate=certificate,
        listening=Listening(
            host=place.host or (LOOPBACK if place.plain else None),
            port=_PORTS[place.plain] if place.port is None else place.port,
            exact=place.port is not None,
            certificate=str(certificate.path) if certificate else None,
            hosts=[*names, LOOPBACK, "::1", *(str(a) for a in addresses)],
            public=place.public.partition("://")[2] if place.public else None,
        ),
    )


def invitation(site: Site, found: Hosting) -> Invitation:
    """What leads to a site that listens."""
    place = found.place
    scheme = "http" if place.plain else "https"
    bases = [f"{scheme}://{_in_url(a)}:{site.port}" for a in found.addresses]
    if place.plain:
        bases.insert(0, f"http://localhost:{site.port}")
    if place.public:
        bases.insert(0, place.public)
    return Invitation(
        addresses=tuple(f"{base}/{site.token}/" for base in bases),
        place=place,
        port=site.port,
        fingerprint=found.certificate.fingerprint[:29] if found.certificate else None,
    )


def _addresses(place: Place) -> list[Address]:
    if place.host is None:
        found = [] if place.plain else lan_addresses()
        if not found and not place.plain:
            raise CnnedgeError(
                "this machine is not in a network that a phone could join. Connect it to one, or "
                "plug the phone in and use --http (adb)"
            )
        return found
    try:
        given = ipaddress.ip_address(place.host)
    except ValueError:
        raise CnnedgeError(
            f"--host {place.host}: expected an address of this machine, such as 192.168.1.20"
        ) from None
    return lan_addresses() if given.is_unspecified else [given]


def _in_url(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)
