"""Where phones reach this machine.

Nothing enters; the addresses of this machine's networks leave, the one of the default route first.
A Place says which of them to use, and how.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Reserved for documentation: connecting a datagram socket chooses a route, and sends nothing.
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
_SIOCGIFADDR = 0x8915


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a page is to be served. host: this address of this machine alone; None: all. port:
    this one; None: the usual one or the next that is free. plain: http, for USB and tunnels.
    public: the address of a tunnel, with its scheme and nothing behind its host."""

    host: str | None = None
    port: int | None = None
    plain: bool = False
    public: str | None = None

    @property
    def on_usb(self) -> bool:
        """Whether a phone may reach it by `adb reverse`."""
        return self.plain and not self.public and self.host is None


def lan_addresses() -> list[Address]:
    """Those that other machines may reach; none without a network."""
    found = [*_by_route(), *_by_interface(), *_by_name()]
    usable = [a for a in found if not (a.is_loopback or a.is_link_local or a.is_unspecified)]
    return list(dict.fromkeys(usable))


def host_names() -> list[str]:
    """The names under which this machine may be called, `localhost` first."""
    own = socket.gethostname().lower()
    names = ["localhost"]
    if own and own != "localhost" and _is_name(own):
        names += [own] if "." in own else [own, f"{own}.local"]
    return names


def _is_name(text: str) -> bool:
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    return len(text) <= 63 and set(text) <= allowed and not text.startswith("-")


def _by_route() -> list[Address]:
    found = []
    for family, elsewhere in _ELSEWHERE:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            found.append(ipaddress.ip_address(probe.getsockname()[0]))
    return found


def _by_interface() -> list[Address]:
    """Of all networks; on Linux alone."""
    try:
        import fcntl
    except ImportError:
        return []
    found: list[Address] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
                found.append(ipaddress.IPv4Address(answer[20:24]))
    return found


def _by_name() -> list[Address]:
    found: list[Address] = []
    with contextlib.suppress(OSError, ValueError):
        for entry in socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM):
            found.append(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]))
    return found
