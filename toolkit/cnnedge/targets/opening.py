"""A named device into one that can be used."""

from __future__ import annotations

from pathlib import Path

from .._version import __version__
from ..errors import DeviceError
from .base import Say, Target
from .profiles import Named, find


def open_device(
    device: str | Named,
    *,
    ssh_config: Path | None = None,
    benchmark_tool: Path | None = None,
    python: bool = False,
    say: Say = lambda _text: None,
) -> Target:
    """The device of a name, a path, user@host or adb:SERIAL. Nothing is sent to it yet.

    ssh_config: instead of ~/.ssh/config. benchmark_tool: for phones, the benchmark_model to run
    there. python: for phones, measure by cnnedge's own benchmark in their Python. say: is told
    what takes time. Raises SpecError, DeviceError.
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
    raise DeviceError(
        f"{named.name}: it is reached by a browser, and cnnedge {__version__} measures through ssh "
        "and adb alone. Take a board or an Android phone: cnnedge devices lists them"
    )
