"""A named device into one that can be used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MissingExtraError
from ..web.addresses import Place
from .base import Say, Target
from .profiles import Named, find

if TYPE_CHECKING:
    from ..web.hosting import Invite


@dataclass(frozen=True, kw_only=True)
class Served:
    """Where the page for a browser is served, and who shows what leads to it."""

    invite: Invite
    place: Place = Place()


def open_device(
    device: str | Named,
    *,
    ssh_config: Path | None = None,
    benchmark_tool: Path | None = None,
    python: bool = False,
    page: Served | None = None,
    say: Say = lambda _text: None,
) -> Target:
    """The device of a name, a path, user@host or adb:SERIAL. Nothing is sent to it yet.

    ssh_config: instead of ~/.ssh/config. benchmark_tool: for phones, the benchmark_model to run
    there. python: for phones, measure by cnnedge's own benchmark in their Python. page: for
    browsers, where the page is served; left out, its address is said. say: is told what takes
    time. Raises SpecError, DeviceError, MissingExtraError.
    """
    named = find(device) if isinstance(device, str) else device
    transport = named.profile.transport
    if transport == "local":
        from .local import LocalTarget

        return LocalTarget(named.profile, named.name)
    if transport == "ssh":
        from .ssh import SshTarget

        return SshTarget(named.profile, named.name, config=ssh_config, say=say)
    if transport == "adb":
        from .adb import AdbTarget

        return AdbTarget(named.profile, named.name, tool=benchmark_tool, python=python, say=say)
    try:
        from .browser import BrowserTarget
    except ImportError as error:
        raise MissingExtraError(
            f"{named.name}: the page for a browser needs packages that are missing ({error}): "
            "pip install 'cnnedge[web]'"
        ) from None
    served = page or Served(invite=lambda found: _said(found.addresses[0], say))
    return BrowserTarget(
        named.profile, named.name, place=served.place, invite=served.invite, say=say
    )


@contextlib.contextmanager
def _said(address: str, say: Say) -> Iterator[None]:
    say(f"open {address} in a browser")
    yield
