"""The table of results, one row each, sorted by a click on a head. Results enter, HTML leaves.

A column without any figure is left out. Timings of an emulator are not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .. import figures as text_of
from ..benchmark import Result
from ..pages.text import escape, format_ms, format_percent, format_size
from .figures import time_text
from .naming import Naming


@dataclass(frozen=True, kw_only=True)
class _Cell:
    """main, below, title: HTML. value: what it is sorted by; nothing for what is not known."""

    main: str = ""
    below: str = ""
    title: str = ""
    value: float | str | None = None


@dataclass(frozen=True, kw_only=True)
class _Column:
    """timed: not shown of an emulator."""

    head: str
    below: str
    cell: Callable[[Result], _Cell]
    timed: bool = True


def table_section(results: Sequence[Result], naming: Naming) -> str:
    columns = [c for c in _COLUMNS if any(_cell(c, r).main for r in results)]
    # A single engine for all is named below the table, with the versions.
    if len({_cell(_ENGINE, r) for r in results}) == 1:
        columns.remove(_ENGINE)
    heads = "".join(_head(c.head, c.below) for c in columns)
    rows = "".join(_row(r, columns, naming) for r in results)
    return (
        "<section><h2>Results</h2>"
        f'<div class="wide"><table class="results"><thead><tr>{_head("Model", "")}{heads}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div></section>"
    )


def _head(text: str, below: str) -> str:
    sub = f'<span class="sub">{below}</span>' if below else ""
    return f'<th scope="col" tabindex="0" aria-sort="none"><b>{text}</b>{sub}</th>'


def _row(r: Result, columns: Sequence[_Column], naming: Naming) -> str:
    name = escape(naming.model(r))
    badges = ""
    if r.emulated:
        badges = _badge("emulated", r.emulated)
    elif r.unstable:
        badges = _badge("unstable", "; ".join(map(str, r.unstable)))
    cells = "".join(_td(c.head, _cell(c, r)) for c in columns)
    return f'<tr><td data-value="{name}"><b>{name}</b>{badges}</td>{cells}</tr>'


def _badge(text: str, why: object) -> str:
    return f' <span class="badge" title="{escape(why)}">{text}</span>'


def _cell(column: _Column, r: Result) -> _Cell:
    if column.timed and r.emulated:
        emulated = "emulated" if column.head == "Latency" else ""
        return _Cell(main=emulated)
    return column.cell(r)


def _td(label: str, cell: _Cell) -> str:
    below = f'<span class="sub">{cell.below}</span>' if cell.below else ""
    title = f' title="{cell.title}"' if cell.title else ""
    value = "" if cell.value is None else escape(cell.value)
    main = cell.main or "&ndash;"
    return f'<td data-label="{label}" data-value="{value}"{title}><span>{main}</span>{below}</td>'


def _device(r: Result) -> _Cell:
    cpu = r.conditions.cpu or ""
    return _Cell(main=escape(r.device), title=escape(cpu), value=str(r.device))


def _delegate(r: Result) -> _Cell:
    delegate = r.delegate
    used, threads = str(delegate.used), r.threads
    total = delegate.nodes_total
    nodes = f"{delegate.nodes_delegated}/{total} nodes" if total else ""
    count = text_of.threads(threads)
    return _Cell(
        main=escape(used),
        below=" &middot; ".join(part for part in (count, nodes) if part),
        title=escape(", ".join(map(str, delegate.left_behind))),
        value=f"{used} {threads:04d}",
    )


def _engine(r: Result) -> _Cell:
    precision = str(r.precision)
    below = f"{r.engine_version}" + (f" in {precision}" if precision != "unknown" else "")
    return _Cell(main=escape(r.engine), below=escape(below), value=str(r.engine))


def _latency(r: Result) -> _Cell:
    latency = r.latency_ms
    typical = latency.typical
    unit = time_text(typical)[-3:]
    tails = [
        f"{name}&nbsp;{time_text(tail).removesuffix(unit)}"
        for name, tail in (("p90", latency.p90), ("p99", latency.p99))
        if tail is not None
    ]
    mean = ["mean"] if latency.median is None else []
    return _Cell(
        main=time_text(typical),
        below=" &middot; ".join([*mean, *tails]),
        title=f"{latency.count:,} inferences",
        value=typical,
    )


def _rate(r: Result) -> _Cell:
    latency, budget = r.latency_ms, r.frame_budget_ms
    typical = latency.typical
    rate = 1000 / typical
    slow = latency.p90 if latency.p90 is not None else typical
    below = ""
    if budget:
        kind, sign = ("ok", "within") if slow <= budget else ("failed", "over")
        below = f'<span class="{kind}">{sign} {format_ms(budget)}</span>'
    digits = 0 if rate >= 100 else 1
    return _Cell(main=f"{rate:,.{digits}f}", below=below, value=rate)


def _noise(r: Result) -> _Cell:
    floor = r.noise_floor.median
    if floor is None:
        return _Cell()
    return _Cell(main=f"{format_percent(floor)}&nbsp;%", value=floor)


def _start(r: Result) -> _Cell:
    init, first = r.init_ms, r.first_ms
    if init is None and first is None:
        return _Cell()
    below = f"first&nbsp;{time_text(first)}" if first is not None else ""
    return _Cell(main="&ndash;" if init is None else time_text(init), below=below, value=init)


def _memory(r: Result) -> _Cell:
    peak, growth = r.peak_memory_bytes, r.memory_growth_bytes
    if peak is None:
        return _Cell()
    below = f"+{format_size(growth)}" if growth is not None else ""
    return _Cell(main=format_size(peak), below=below, title="of the whole process", value=peak)


def _energy(r: Result) -> _Cell:
    energy = r.energy
    if not energy:
        return _Cell()
    mj = energy.mj_per_inference
    return _Cell(
        main=f"{mj:.3g}&nbsp;mJ",
        below=f"{energy.power_w:.2f}&nbsp;W",
        title=escape(energy.source),
        value=mj,
    )


def _size(r: Result) -> _Cell:
    size = r.size_bytes
    return _Cell(main=format_size(size), value=size) if size else _Cell()


def _accuracy(r: Result) -> _Cell:
    known = r.accuracy
    if not known:
        return _Cell()
    low, high = known.ci95
    return _Cell(
        main=format_percent(known.accuracy),
        below=f"{format_percent(low)}&ndash;{format_percent(high)}",
        value=known.accuracy,
    )


_ENGINE = _Column(head="Engine", below="", cell=_engine, timed=False)
_COLUMNS = (
    _Column(head="Device", below="", cell=_device, timed=False),
    _Column(head="Runs on", below="", cell=_delegate, timed=False),
    _ENGINE,
    _Column(head="Latency", below="median", cell=_latency),
    _Column(head="Pictures/s", below="p90 and frame budget", cell=_rate),
    _Column(head="Accuracy", below="%, 95 % interval", cell=_accuracy, timed=False),
    _Column(head="Noise floor", below="of the median", cell=_noise),
    _Column(head="Start", below="initialisation", cell=_start),
    _Column(head="Memory", below="peak", cell=_memory),
    _Column(head="Energy", below="per inference", cell=_energy),
    _Column(head="Size", below="of the file", cell=_size, timed=False),
)
