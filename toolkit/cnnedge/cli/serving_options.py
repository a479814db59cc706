"""Where a page is served: options that `demo` and `teach` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import click

from ..errors import CnnedgeError, MissingExtraError
from ..web.addresses import Place
from .options import Decorator, gathered

_EXTRA = "pip install 'cnnedge[web]'"


@dataclass(frozen=True, kw_only=True)
class Serving(Place):
    """A place as options name it. Raises click.UsageError, CnnedgeError."""

    def __post_init__(self) -> None:
        if self.public is not None and not self.plain:
            raise click.UsageError("--public is for --http behind a tunnel; give both")
        object.__setattr__(self, "public", _public(self.public))


def page_options(who: str = "") -> tuple[Decorator[Any], ...]:
    """--host, --port, --http and --public. who: what the page is for, where a command also does
    without one."""
    return (
        click.option(
            "--host",
            metavar="ADDRESS",
            help=f"{who}Listen only on this address. [default: all addresses of this machine]",
        ),
        click.option(
            "--port",
            type=click.IntRange(0, 65535),
            metavar="N",
            help=f"{who}Listen on this port; 0: any free port. [default: 8443 or the next free "
            "one; 8080 with --http]",
        ),
        click.option(
            "--http",
            "plain",
            is_flag=True,
            help=f"{who}Use no https: for a phone on USB (adb), or behind a tunnel. Listens only "
            "on this machine.",
        ),
        click.option(
            "--public",
            metavar="URL",
            help=f"{who}With --http: the https address at which a tunnel serves the page, such as "
            "https://name.example.com.",
        ),
    )


# The four, as the keyword `serving`.
serving_options = gathered(Serving, "serving", page_options())


def need_packages(command: str) -> None:
    """Raises MissingExtraError where the packages of the server are not there."""
    try:
        import aiohttp  # noqa: F401
        import cryptography  # noqa: F401
        import segno  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"cnnedge {command} needs packages that are missing ({error}): {_EXTRA}"
        ) from None


def _public(address: str | None) -> str | None:
    """An address without what follows the host. Raises CnnedgeError."""
    if address is None:
        return None
    parts = urlsplit(address if "://" in address else f"https://{address}")
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.query:
        raise CnnedgeError(
            f"--public {address}: expected the https address of a tunnel, such as "
            "https://name.example.com"
        )
    return f"https://{parts.netloc}"
