"""The serving half of `cnnedge demo` and `teach`: where it listens, its code, what phones did.

Models and options enter; Ctrl-C stops it, with a row for each phone.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import ipaddress
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import segno
from rich.text import Text

from .. import figures
from ..errors import CnnedgeError, DeviceError
from ..targets.adb import attached, client
from ..web.addresses import Address, host_names, lan_addresses
from ..web.assets import load_assets
from ..web.certificate import Certificate, certificate_for
from ..web.description import WebModel
from ..web.lessons import Lessons
from ..web.phones import STAGES, Phone
from ..web.server import Listening, Site
from . import output
from .serving_options import Serving

_PORTS = {True: 8080, False: 8443}
_LOOPBACK = "127.0.0.1"
_ADB_SECONDS = 15.0
_STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")
_NOTHING: contextlib.AbstractContextManager[None] = contextlib.nullcontext()


def serve(models: Sequence[WebModel], serving: Serving, json_file: str | None) -> None:
    """Serves until Ctrl-C, then prints and writes what phones did. Raises CnnedgeError."""
    phones = listen(models, serving)
    result = {"phones": [phone.as_json() for phone in phones]}
    with output.kept("demo", result):
        if json_file:
            output.write_json(json_file, result)
        if json_file != "-":
            _print_phones(phones)


def listen(
    models: Sequence[WebModel], serving: Serving, lessons: Lessons | None = None
) -> list[Phone]:
    """Serves until Ctrl-C; the phones that came. Raises CnnedgeError, also of lessons that end."""
    addresses = _addresses(serving)
    names = host_names()
    certificate = None
    if not serving.plain:
        loopback = [ipaddress.ip_address(a) for a in (_LOOPBACK, "::1")]
        certificate = certificate_for(names, [*addresses, *loopback])
    site = Site(
        assets=load_assets(),
        models=models,
        say=output.note,
        lessons=lessons,
        listening=Listening(
            host=serving.host or (_LOOPBACK if serving.plain else None),
            port=_PORTS[serving.plain] if serving.port is None else serving.port,
            exact=serving.port is not None,
            certificate=str(certificate.path) if certificate else None,
            hosts=[*names, _LOOPBACK, "::1", *(str(a) for a in addresses)],
            public=serving.public.partition("://")[2] if serving.public else None,
        ),
    )
    asyncio.run(_serve(site, serving, addresses, certificate))
    return site.phones.all


async def _serve(
    site: Site, serving: Serving, addresses: Sequence[Address], certificate: Certificate | None
) -> None:
    async with site.serving():
        on_usb = serving.plain and not serving.public and serving.host is None
        with _stopped_by_signals() as stop, _on_usb(site.port) if on_usb else _NOTHING:
            _print_address(site, serving, addresses, certificate)
            if site.lessons is None:
                await stop.wait()
            else:
                await _teach(site.lessons, stop)


async def _teach(lessons: Lessons, stop: asyncio.Event) -> None:
    """Until it is stopped, or cannot teach: then raises CnnedgeError."""
    try:
        waiting = [asyncio.create_task(event.wait()) for event in (stop, lessons.changed)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
    finally:
        await lessons.end()
    if lessons.failed is not None:
        raise CnnedgeError(lessons.failed)


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C sets, so that pages are notified before the server stops."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    numbers = [getattr(signal, name) for name in _STOPPING if hasattr(signal, name)]
    before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) != signal.SIG_IGN}
    taken = []
    for number in before:
        # Elsewhere a KeyboardInterrupt ends the loop, which also tidies up.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
            taken.append(number)
    try:
        yield stop
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])


def _addresses(serving: Serving) -> list[Address]:
    """Where phones reach the server. Raises CnnedgeError if they cannot."""
    if serving.host is None:
        found = [] if serving.plain else lan_addresses()
        if not found and not serving.plain:
            raise CnnedgeError(
                "this machine is not in a network that a phone could join. Connect it to one, or "
                "plug the phone in and use --http (adb)"
            )
        return found
    try:
        given = ipaddress.ip_address(serving.host)
    except ValueError:
        raise CnnedgeError(
            f"--host {serving.host}: expected an address of this machine, such as 192.168.1.20"
        ) from None
    return lan_addresses() if given.is_unspecified else [given]


def _print_address(
    site: Site, serving: Serving, addresses: Sequence[Address], certificate: Certificate | None
) -> None:
    scheme = "http" if serving.plain else "https"
    bases = [f"{scheme}://{_in_url(a)}:{site.port}" for a in addresses]
    if serving.plain:
        bases.insert(0, f"http://localhost:{site.port}")
    if serving.public:
        bases.insert(0, serving.public)
    console = output.progress_console()
    address = f"{bases[0]}/{site.token}/"
    if not bases[0].startswith("http://localhost"):
        # In colours of its own, because a scanner may not take it the other way round.
        code = Text(_code(address), style="#ffffff on #000000")
        console.print(code, highlight=False, soft_wrap=True)
    console.print(Text(address, style="bold"), highlight=False, soft_wrap=True)
    for base in bases[1:]:
        output.note(f"or {base}/{site.token}/")
    if certificate:
        output.note(
            "The phone warns once about the certificate, because this machine made it and no "
            "authority signed it. Safari: Show Details, visit this website. Chrome: Advanced, "
            f"Proceed. Its SHA-256 begins with {certificate.fingerprint[:29]}"
        )
    elif serving.host is not None:
        output.note(
            "browsers do not allow the camera over plain http from another machine: only "
            "pictures work"
        )
    output.note("Ctrl-C stops it")


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


def _in_url(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)


def _code(address: str) -> str:
    """The address as a QR code of half blocks."""
    drawn = io.StringIO()
    segno.make(address, error="l", micro=False).terminal(drawn, border=2, compact=True)
    return drawn.getvalue().rstrip("\n")


def _print_phones(phones: Sequence[Phone]) -> None:
    console = output.results()
    if not phones:
        console.print("no phone connected")
        return
    table = output.table()
    for title in ("phone", "model", "engine"):
        table.add_column(title)
    for title in ("frames", "pictures", *STAGES[:3]):
        table.add_column(title, justify="right")
    for phone in phones:
        said = phone.as_json()
        table.add_row(
            Text(phone.name),
            Text(said["model"] or figures.UNKNOWN),
            Text(said["engine"] or figures.UNKNOWN),
            f"{said['frames']:,}",
            f"{said['pictures']:,}",
            *(figures.milliseconds(_median(said, stage)) for stage in STAGES[:3]),
        )
    console.print(table)
    console.print("times: median of each stage, in the browser", style="dim", highlight=False)
    for phone in phones:
        if phone.report and phone.report.agreement:
            console.print(Text(f"{phone.name}: {phone.report.agreement}"), soft_wrap=True)


def _median(said: dict[str, Any], stage: str) -> float | None:
    found = said["stages_ms"].get(stage)
    return found["median"] if found else None
