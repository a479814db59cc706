"""Why ssh did not get there, in one line, and what to do about it.

What ssh said on standard error enters; what was found and the remedy leave.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import DeviceError
from ...harmless import one_line


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where ssh goes, as `ssh -G` tells it. address, config: what the user named."""

    address: str
    config: str = ""
    user: str = ""
    host: str = ""
    port: str = "22"
    controlled: bool = False

    def __str__(self) -> str:
        """The address, and what it stands for where that is something else."""
        where = f"{self.user}@{self.host}" if self.user else self.host
        port = f" port {self.port}" if self.port != "22" else ""
        return f"{self.address} ({where}{port})" if self.host else self.address

    @property
    def words(self) -> str:
        """What follows `ssh` to go there by hand."""
        file = f"-F {shlex.quote(self.config)} " if self.config else ""
        return file + shlex.quote(self.address)

    @property
    def known_as(self) -> str:
        """As the file of known hosts writes it."""
        return self.host if self.port == "22" else f"[{self.host}]:{self.port}"


class Unreachable(DeviceError):
    """A device that ssh does not reach. found, remedy: the two halves of the line."""

    def __init__(self, name: str, found: str, remedy: str) -> None:
        super().__init__(f"{name}: {found}. {remedy}")
        self.found, self.remedy = found, remedy


_ON = "Check that it is switched on and in the network, and the address in ~/.ssh/config"

_Remedy = Callable[[Route, str], tuple[str, str]]


def _changed(route: Route, said: str) -> tuple[str, str]:
    return (
        f"the host key of {route} has changed: it was installed anew, or something else answers",
        f"If it was you, forget the old key: ssh-keygen -R '{route.known_as}', and log in once",
    )


def _unknown(route: Route, said: str) -> tuple[str, str]:
    return (
        f"the host key of {route} is not known here",
        f"Log in once by hand, compare the fingerprint and accept it: ssh {route.words}",
    )


def _refused_key(route: Route, said: str) -> tuple[str, str]:
    return (
        f"{route} refuses your key ({said})",
        f"Put it there with ssh-copy-id {route.words}, and check the user name. A key with a "
        "passphrase must be in ssh-agent: ssh-add",
    )


def _no_name(route: Route, said: str) -> tuple[str, str]:
    return (
        f"no host is known by the name of {route.host or route.address}",
        "Name it in ~/.ssh/config (Host, HostName), or use user@address; a Raspberry Pi is often "
        "found as NAME.local",
    )


def _no_server(route: Route, said: str) -> tuple[str, str]:
    return (
        f"{route} is there, but refuses the connection: no ssh server runs on it",
        "On a Raspberry Pi: sudo raspi-config, Interface Options, SSH. Check the port, too",
    )


def _down(route: Route, said: str) -> tuple[str, str]:
    return f"{route} does not answer ({said})", _ON


def _lost(route: Route, said: str) -> tuple[str, str]:
    return (
        f"the connection to {route} was lost ({said})",
        "It was switched off or restarted, or the network was cut. Check its power supply, and "
        "run the command again",
    )


def _configuration(route: Route, said: str) -> tuple[str, str]:
    return f"ssh does not take its configuration ({said})", "Mend the file that it names"


def _agreement(route: Route, said: str) -> tuple[str, str]:
    return (
        f"ssh here and {route} share no cipher or key type ({said})",
        "Update the ssh server there, or allow it in ~/.ssh/config (KexAlgorithms, "
        "HostKeyAlgorithms)",
    )


# In order: ssh says several of these at once, the first is what the user can act on.
_CAUSES: tuple[tuple[str, _Remedy], ...] = (
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key for .* has changed", _changed),
    (r"Host key verification failed|host key is known for", _unknown),
    (r"Bad configuration option|bad configuration|Can't open user config", _configuration),
    (r"Bad owner or permissions on|missing argument|keyword .* extra arguments", _configuration),
    (r"Permission denied|Too many authentication failures|No more authentication", _refused_key),
    (r"Could not resolve hostname", _no_name),
    (r"no matching (host key type|key exchange|cipher|MAC)", _agreement),
    (r"[Tt]imed out during banner|timed out|No route to host|is unreachable|is down", _down),
    (r"Connection refused", _no_server),
    (r"[Tt]imeout, server|[Bb]roken pipe|closed by|reset by|aborted", _lost),
)


def explain(name: str, route: Route, said: str, otherwise: str) -> Unreachable:
    """The error for what ssh said. otherwise: what was seen, where it said nothing.

    A shared connection that ends says nothing: that is its master's to say, which is not ours.
    """
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("@")]
    for pattern, remedy in _CAUSES:
        if re.search(pattern, said):
            line = next((text for text in lines if re.search(pattern, text)), "")
            return Unreachable(name, *remedy(route, one_line(line, 160).rstrip(".")))
    if not lines:
        return Unreachable(name, *_lost(route, otherwise))
    found = f"ssh does not get to {route}: {one_line(lines[-1], 160)}".rstrip(".")
    return Unreachable(name, found, f"See what `ssh {route.words}` says by hand")
