"""The table of results, one row each, sorted by a click on a head. Results enter; text leaves.

A column without any figure is left out. Timings of an emulator are not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .. import figures as text_of
from ..benchmark import Result
from ..pages.text import format_ms, format_percent, format_size
from .wording import Naming, time_text


@dataclass(frozen=True, kw_only=True)
class Cell:
    """kind: a CSS class of `below`. value: what it is sorted by; "" for what is not known."""

    main: str = ""
    below: str = ""
    kind: str = ""
    title: str = ""
    value: float | str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """timed: not shown of an emulator."""

    head: str
    below: str
    cell: Callable[[Result], Cell]
    timed: bool = True


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """badge: a word, and why. cells: one for each column."""

    name: str
    badge: tuple[str, str] | None
    cells: Sequence[Cell]


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    columns: Sequence[Column]
    rows: Sequence[ResultRow]


def result_table(results: Sequence[Result], naming: Naming) -> ResultTable:
    columns = [c for c in _COLUMNS if any(_cell(c, r).main for r in results)]
    # A single engine for all is named below the table, with the versions.
    if len({_cell(_ENGINE, r) for r in results}) == 1:
        columns.remove(_ENGINE)
    rows = [
        ResultRow(name=naming.model(r), badge=_badge(r), cells=[_cell(c, r) for c in columns])
        for r in results
    ]
    return ResultTable(columns=columns, rows=rows)


def _badge(r: Result) -> tuple[str, str] | None:
    if r.emulated:
        return "emulated", r.emulated
    return ("unstable", "; ".join(map(str, r.unstable))) if r.unstable else None


def _cell(column: Column, r: Result) -> Cell:
    if column.timed and r.emulated:
        emulated = "emulated" if column.head == "Latency" else ""
        return Cell(main=emulated)
    return column.cell(r)


def _device(r: Result) -> Cell:
    cpu = r.conditions.cpu or ""
    return Cell(main=r.device, title=cpu, value=r.device)


def _delegate(r: Result) -> Cell:
    delegate = r.delegate
    used, threads = str(delegate.used), r.threads
    total = delegate.nodes_total
    nodes = f"{delegate.nodes_delegated}/{total} nodes" if total else ""
    count = text_of.threads(threads)
    return Cell(
        main=used,
        below=" · ".join(part for part in (count, nodes) if part),
        title=", ".join(map(str, delegate.left_behind)),
        value=f"{used} {threads:04d}",
    )


def _engine(r: Result) -> Cell:
    precision = str(r.precision)
    below = f"{r.engine_version}" + (f" in {precision}" if precision != "unknown" else "")
    return Cell(main=str(r.engine), below=below, value=str(r.engine))


def _latency(r: Result) -> Cell:
    latency = r.latency_ms
    typical = latency.typical
    unit = time_text(typical)[-3:]
    tails = [
        f"{name}\u00a0{time_text(tail).removesuffix(unit)}"
        for name, tail in (("p90", latency.p90), ("p99", latency.p99))
        if tail is not None
    ]
    mean = ["mean"] if latency.median is None else []
    return Cell(
        main=time_text(typical),
        below=" · ".join([*mean, *tails]),
        title=f"{latency.count:,} inferences",
        value=typical,
    )


def _rate(r: Result) -> Cell:
    latency, budget = r.latency_ms, r.frame_budget_ms
    typical = latency.typical
    rate = 1000 / typical
    slow = latency.p90 if latency.p90 is not None else typical
    digits = 0 if rate >= 100 else 1
    main = f"{rate:,.{digits}f}"
    if not budget:
        return Cell(main=main, value=rate)
    kind, sign = ("ok", "within") if slow <= budget else ("failed", "over")
    return Cell(main=main, below=f"{sign} {format_ms(budget)}", kind=kind, value=rate)


def _noise(r: Result) -> Cell:
    floor = r.noise_floor.median
    if floor is None:
        return Cell()
    return Cell(main=f"{format_percent(floor)}\u00a0%", value=floor)


def _start(r: Result) -> Cell:
    init, first = r.init_ms, r.first_ms
    if init is None and first is None:
        return Cell()
    below = f"first\u00a0{time_text(first)}" if first is not None else ""
    value = "" if init is None else init
    return Cell(main="–" if init is None else time_text(init), below=below, value=value)


def _memory(r: Result) -> Cell:
    peak, growth = r.peak_memory_bytes, r.memory_growth_bytes
    if peak is None:
        return Cell()
    below = f"+{format_size(growth)}" if growth is not None else ""
    return Cell(main=format_size(peak), below=below, title="of the whole process", value=peak)


def _energy(r: Result) -> Cell:
    energy = r.energy
    if not energy:
        return Cell()
    mj = energy.mj_per_inference
    return Cell(
        main=f"{mj:.3g}\u00a0mJ",
        below=f"{energy.power_w:.2f}\u00a0W",
        title=energy.source,
        value=mj,
    )


def _size(r: Result) -> Cell:
    size = r.size_bytes
    return Cell(main=format_size(size), value=size) if size else Cell()


def _accuracy(r: Result) -> Cell:
    known = r.accuracy
    if not known:
        return Cell()
    low, high = known.ci95
    return Cell(
        main=format_percent(known.accuracy),
        below=f"{format_percent(low)}–{format_percent(high)}",
        value=known.accuracy,
    )


_ENGINE = Column(head="Engine", below="", cell=_engine, timed=False)
_COLUMNS = (
    Column(head="Device", below="", cell=_device, timed=False),
    Column(head="Runs on", below="", cell=_delegate, timed=False),
    _ENGINE,
    Column(head="Latency", below="median", cell=_latency),
    Column(head="Pictures/s", below="p90 and frame budget", cell=_rate),
    Column(head="Accuracy", below="%, 95 % interval", cell=_accuracy, timed=False),
    Column(head="Noise floor", below="of the median", cell=_noise),
    Column(head="Start", below="initialisation", cell=_start),
    Column(head="Memory", below="peak", cell=_memory),
    Column(head="Energy", below="per inference", cell=_energy),
    Column(head="Size", below="of the file", cell=_size, timed=False),
)
