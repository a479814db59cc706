"""The serving half of `cnnedge demo` and `teach`: until Ctrl-C, and what phones did.

Models and options enter; Ctrl-C stops it, with a row for each phone.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from .. import figures
from ..errors import CnnedgeError
from ..web.assets import load_assets
from ..web.description import WebModel
from ..web.hosting import Hosting, hosting, invitation
from ..web.lessons import Lessons
from ..web.phones import STAGES, Phone
from ..web.server import Site
from . import output
from .inviting import invited
from .serving_options import Serving

_STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")


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
    found = hosting(serving)
    site = Site(
        assets=load_assets(),
        models=models,
        say=output.note,
        lessons=lessons,
        listening=found.listening,
    )
    asyncio.run(_serve(site, found))
    return site.phones.all


async def _serve(site: Site, found: Hosting) -> None:
    async with site.serving():
        with _stopped_by_signals() as stop, invited(invitation(site, found), camera=True):
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
