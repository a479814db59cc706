"""What `cnnedge devices check` finds on a board.

A target enters; findings leave, each with what to do where it is not as it should be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ...conditions import throttled_names
from ...errors import DeviceError
from ...specs import DeviceProfile
from ..base import Finding
from ..pixels import Checked, pixels_finding
from .connection import Connection
from .probe import Board
from .provision import is_there
from .refusal import Unreachable
from .wheels import choose

# The runtime's wheels, unpacked, beside their archive.
_NEEDED_BYTES = 450_000_000
_NEEDED_MEMORY = 150_000_000
_HOT_C = 75.0


class Subject(Checked, Protocol):
    """What is looked at; an SshTarget."""

    profile: DeviceProfile
    connection: Connection

    @property
    def board(self) -> Board: ...


def look(target: Subject) -> Iterator[Finding]:
    """One by one, as each is known."""
    try:
        board = target.board
    except Unreachable as error:
        yield Finding(what="reachable", ok=False, found=error.found, remedy=error.remedy)
        return
    except DeviceError as error:
        yield Finding(what="reachable", ok=False, found=str(error), remedy="See above")
        return
    yield Finding(what="reachable", ok=True, found=f"{target.connection.route}, by key")
    yield from _what_it_is(board)
    yield from _runtime(target, board)
    yield from _state(target, board)


def _what_it_is(board: Board) -> Iterator[Finding]:
    said = board.said
    hardware = said.get("model") or said.get("cpu", "").strip() or "unknown"
    cores = f", {said['cores']} cores" if said.get("cores", "0") != "0" else ""
    yield Finding(what="hardware", ok=None, found=f"{hardware}{cores}, {board.machine}")
    yield Finding(what="system", ok=None, found=said.get("os") or board.system)
    kernel = said.get("kernel", "")
    if kernel and _family(kernel) != _family(board.machine):
        yield Finding(
            what="emulated",
            ok=False,
            found=f"says {board.machine}, on a kernel for {kernel}",
            remedy="Its timings tell nothing of a device: use it to try things out only",
        )


def _family(machine: str) -> str:
    return "arm" if machine.startswith(("arm", "aarch")) else machine.replace("i686", "x86_64")


def _runtime(target: Subject, board: Board) -> Iterator[Finding]:
    try:
        python, kind = choose(target.name, board)
    except DeviceError as error:
        found, _, remedy = str(error).removeprefix(f"{target.name}: ").partition(". ")
        yield Finding(what="Python", ok=False, found=found, remedy=remedy)
        return
    yield Finding(what="Python", ok=True, found=f"{python.text}, {python.path}")
    yield Finding(what="engine", ok=True, found=f"{kind.runtime.name} for {kind.text}")
    if not board.ours or not board.writable:
        why = "cannot be written to" if board.ours else "holds files that cnnedge did not put there"
        yield Finding(
            what="folder",
            ok=False,
            found=f"{board.folder} {why}",
            remedy="Name another in the profile: folder: ~/.cache/cnnedge",
        )
        return
    try:
        there = is_there(target.connection, board)
    except DeviceError as error:
        yield Finding(what="environment", ok=False, found=str(error), remedy="Check it again")
        return
    pushed = "there" if there else "not there yet; pushed by the first run"
    yield Finding(what="environment", ok=None, found=f"{pushed} ({board.folder})")
    yield _space(board, there)
    if there:
        yield pixels_finding(target)
    else:
        yield Finding(what="pixels", ok=None, found="known once its environment is there")


def _space(board: Board, there: bool) -> Finding:
    free = board.free_bytes
    if free is None:
        return Finding(what="space", ok=None, found="unknown")
    enough = there or free >= _NEEDED_BYTES
    return Finding(
        what="space",
        ok=enough,
        found=f"{free / 1e6:,.0f} MB free in {board.folder}",
        remedy=""
        if enough
        else f"The runtime takes up to {_NEEDED_BYTES / 1e6:.0f} MB: free some, or name a folder "
        "on another disk in the profile",
    )


def _state(target: Subject, board: Board) -> Iterator[Finding]:
    memory = board.said.get("memory", "").split()
    if len(memory) >= 5 and memory[4].isdigit():
        free = int(memory[4]) * 1024
        yield Finding(
            what="memory",
            ok=free >= _NEEDED_MEMORY,
            found=f"{free / 1e6:,.0f} MB available",
            remedy="" if free >= _NEEDED_MEMORY else "End other programs there",
        )
    yield _clocks(board)
    degrees = board.number("temperature")
    if degrees is None:
        yield Finding(what="temperature", ok=None, found="not told")
    else:
        limit = target.profile.cool_to_c or _HOT_C
        yield Finding(
            what="temperature",
            ok=degrees / 1000 <= limit,
            found=f"{degrees / 1000:.0f} °C",
            remedy=""
            if degrees / 1000 <= limit
            else f"Let it cool to {limit:.0f} °C: a heat sink or a fan",
        )
    yield from _throttled(board)
    yield from _load(board)


def _clocks(board: Board) -> Finding:
    governor, clocks = board.said.get("governor", ""), board.said.get("clocks", "").split()
    if not governor:
        return Finding(what="clocks", ok=None, found="not told")
    numbers = [int(c) / 1000 for c in clocks if c.isdigit()]
    now = f", {min(numbers):.0f} to {max(numbers):.0f} MHz now" if numbers else ""
    steady = set(governor.split()) == {"performance"}
    return Finding(
        what="clocks",
        ok=True if steady else None,
        found=f"governor {governor}{now}",
        remedy=""
        if steady
        else "For steadier timings: echo performance | sudo tee "
        "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    )


def _throttled(board: Board) -> Iterator[Finding]:
    _, is_told, flags = board.said.get("throttled", "").partition("throttled=0x")
    try:
        names = throttled_names(int(flags.split()[0], 16)) if is_told else None
    except (ValueError, IndexError):
        names = None
    if names is None:
        return
    bad = bool(names.now or names.since_boot)
    told = (("now", names.now), ("since boot", names.since_boot))
    text = "; ".join(f"{when}: {', '.join(n)}" for when, n in told if n)
    yield Finding(
        what="throttled",
        ok=not bad,
        found=text or "never since it started",
        remedy="A stronger power supply, a shorter cable, and cooling; then restart it"
        if bad
        else "",
    )


def _load(board: Board) -> Iterator[Finding]:
    load = board.number("load")
    if load is None:
        return
    cores = board.number("cores") or 1.0
    yield Finding(
        what="load",
        ok=load < 0.5 * cores,
        found=f"{load:.2f} over the last minute",
        remedy="" if load < 0.5 * cores else "Other programs compute there: end them",
    )
