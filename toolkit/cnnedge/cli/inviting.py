"""What leads a phone to a page of this machine: the code, the address, adb for one on USB.

An invitation enters; it is printed, and holds until the context ends.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

from rich.text import Text

from ..errors import DeviceError
from ..targets.adb import attached, client
from ..web.hosting import Invitation
from . import output

_ADB_SECONDS = 15.0
_NOTHING: contextlib.AbstractContextManager[None] = contextlib.nullcontext()


@contextlib.contextmanager
def invited(invitation: Invitation, *, camera: bool = False) -> Iterator[None]:
    """Prints where the page is. camera: whether the page wants one."""
    place = invitation.place
    with _on_usb(invitation.port) if place.on_usb else _NOTHING:
        _print(invitation, camera)
        yield


def _print(invitation: Invitation, camera: bool) -> None:
    console = output.progress_console()
    address, *others = invitation.addresses
    if not address.startswith("http://localhost"):
        # In colours of its own, because a scanner may not take it the other way round.
        code = Text(_code(address), style="#ffffff on #000000")
        console.print(code, highlight=False, soft_wrap=True)
    console.print(Text(address, style="bold"), highlight=False, soft_wrap=True)
    for other in others:
        output.note(f"or {other}")
    if invitation.fingerprint:
        output.note(
            "The phone warns once about the certificate, because this machine made it and no "
            "authority signed it. Safari: Show Details, visit this website. Chrome: Advanced, "
            f"Proceed. Its SHA-256 begins with {invitation.fingerprint}"
        )
    elif camera and invitation.place.host is not None:
        output.note(
            "browsers do not allow the camera over plain http from another machine: only "
            "pictures work"
        )
    output.note("Ctrl-C stops it")


def _code(address: str) -> str:
    """The address as a QR code of half blocks."""
    import segno

    drawn = io.StringIO()
    segno.make(address, error="l", micro=False).terminal(drawn, border=2, compact=True)
    return drawn.getvalue().rstrip("\n")


@contextlib.contextmanager
def _on_usb(port: int) -> Iterator[None]:
    """Makes the address work on phones connected by USB, inside the `with` block."""
    connections = []
    try:
        adb = client.find_client("--http")
        for phone in client.list_attached(adb, "--http"):
            if phone.usable:
                connection = client.Connection(adb=adb, serial=phone.serial, name=phone.serial)
                connection.ask("reverse", f"tcp:{port}", f"tcp:{port}", seconds=_ADB_SECONDS)
                connections.append(connection)
                output.note(f"phone {phone.serial}: open this address in its browser")
        if not connections:
            output.note(f"no phone is attached: {attached.NONE_REMEDY}")
    except DeviceError as error:
        output.note(f"for a phone on USB: {error}")
    try:
        yield
    finally:
        for connection in connections:
            # It may be unplugged by now.
            with contextlib.suppress(DeviceError):
                connection.ask("reverse", "--remove", f"tcp:{port}", seconds=_ADB_SECONDS)
