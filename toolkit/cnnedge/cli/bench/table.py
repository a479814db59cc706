"""The table of `cnnedge bench`, and what is said beneath it.

Results of the bench contract enter; lines on stdout and stderr leave.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.text import Text

from ... import figures
from ...benchmark import Protocol, Result
from ...benchmark.result import Conditions
from ...benchmark.trust import trust, trust_line
from .. import output
from ..runtime import agreement_text

# What tells results apart beside their model and threads, and is shown where it does.
_VARYING: dict[str, Callable[[Result], str]] = {
    "device": lambda r: str(r.device),
    "engine": lambda r: str(r.engine),
    "precision": lambda r: str(r.precision).replace("unknown", "?"),
    # Without what is behind it: XNNPACK, WebGPU.
    "on": lambda r: str(r.delegate.used).split(" (")[0],
}


def show(results: list[Result], protocol: Protocol, *, verbose: bool = False) -> None:
    """The table to stdout, notes and warnings to stderr. verbose: the reason for each doubt."""
    columns = sorted(("median", "p90", "p99"), key=lambda name: name != protocol.headline)
    shown = _distinguishing(results)
    ratios = _ratios(results, columns[0])
    table = output.table()
    if shown:
        table.padding = (0, 1, 0, 0)
    # A long name is folded; figures are never cut.
    table.add_column("model", overflow="fold", min_width=min(20, _longest(results)))
    for name in shown:
        table.add_column(name, overflow="fold", no_wrap=name != "on")
    measured = ["threads", *columns, *(["speed"] if ratios else [])]
    for name in (*measured, "count", "init", "first", "memory", "nodes"):
        table.add_column(name, justify="right", no_wrap=True)
    for n, r in enumerate(results):
        delegate = r.delegate
        table.add_row(
            Text(_short(r.model, results)),
            *(Text(_VARYING[name](r)) for name in shown),
            str(r.threads),
            *_figures(r, columns, [ratios[n]] if ratios else []),
            f"{delegate.nodes_delegated}/{total}"
            if (total := delegate.nodes_total)
            else figures.UNKNOWN,
        )
    output.results().print(table)
    _notes(results, protocol)
    _doubts(results, protocol, verbose)


def _figures(r: Result, columns: list[str], ratio: list[str]) -> list[str]:
    """What was measured. Of an emulator's timings, none is shown as if it were a device's."""
    latency = r.latency_ms
    if r.emulated:
        nothing = [figures.UNKNOWN] * (len(columns) - 1 + len(ratio))
        return [
            "emulated",
            *nothing,
            f"{latency.count:,}",
            figures.UNKNOWN,
            figures.UNKNOWN,
            figures.UNKNOWN,
        ]
    memory = r.peak_memory_bytes
    return [
        *(figures.milliseconds(getattr(latency, c)) for c in columns),
        *ratio,
        f"{latency.count:,}",
        figures.milliseconds(r.init_ms),
        figures.milliseconds(r.first_ms),
        figures.UNKNOWN if memory is None else figures.size(memory),
    ]


def _longest(results: list[Result]) -> int:
    return max(len(_short(r.model, results)) for r in results)


def _distinguishing(results: list[Result]) -> list[str]:
    return [name for name, get in _VARYING.items() if len({get(r) for r in results} - {"?"}) > 1]


def _ratios(results: list[Result], headline: str) -> list[str]:
    """How many times as fast as the first of the same model, threads and device; [] for none."""
    first: dict[tuple[str, int, str], float | None] = {}
    ratios = []
    for r in results:
        value = getattr(r.latency_ms, headline)
        base = first.setdefault((r.model, r.threads, r.device), value)
        ratios.append(base / value if base and value else None)
    if len(first) == len(results):
        return []
    return [figures.UNKNOWN if x is None else f"{x:.{0 if x >= 100 else 2}f}x" for x in ratios]


def _notes(results: list[Result], protocol: Protocol) -> None:
    places: dict[str, list[Result]] = {}
    for r in results:
        places.setdefault(r.device, []).append(r)
    for name, there in places.items():
        output.note((f"{name}: " if len(places) > 1 else "") + _about(there))
    used = dict.fromkeys(r.delegate.used for r in results)
    cold = "; cooled down before each" if protocol.cool_down and _cooled(results) else ""
    output.note(
        f"{protocol.name} protocol, {results[0].conditions.processes} fresh "
        f"{'process' if protocol.processes == 1 else 'processes'} each{cold}; memory is the peak "
        f"of the whole process; nodes: operators that {' or '.join(used)} runs, of all"
    )
    for text in dict.fromkeys(t for r in results for t in _about_delegate(r, results)):
        output.note(text)
    for r in results:
        _warn(r, results)


def _about(results: list[Result]) -> str:
    runtimes = ", ".join(dict.fromkeys(_runtime(r) for r in results))
    about = results[0].conditions
    cores = f", {about.cores} cores" if about.cores else ""
    place = about.cpu or _browser(about) or "an unnamed processor"
    return f"{runtimes} on {place}{cores}"


def _browser(about: Conditions) -> str:
    """What is known where no processor is: a browser tells its own name and its system's."""
    return ", ".join(part for part in (about.browser, about.hardware, about.os) if part)


def _cooled(results: list[Result]) -> bool:
    return any(r.conditions.cool_down for r in results)


def _doubts(results: list[Result], protocol: Protocol, verbose: bool) -> None:
    """One line on how far to trust the figures; the reasons of each where somebody asks."""
    emulated = {r.device: r.unstable[0] for r in results if r.emulated}
    for device, reason in emulated.items():
        output.warn(f"{device}: {reason}")
    found = trust(results)
    if found is None:
        return
    longer = ", or use --protocol standard" if protocol.name == "quick" else ""
    why = "" if verbose else " (-v: why each)"
    output.warn(f"{trust_line(found)}{why}. Close other programs{longer}")
    for r in results:
        if verbose and r.unstable and not r.emulated:
            name = f"{_named(r, results)} with --threads {r.threads}"
            output.note(f"{name} may be unstable: {'; '.join(r.unstable)}")


def _warn(r: Result, results: list[Result]) -> None:
    name = f"{_named(r, results)} with --threads {r.threads}"
    if r.statistics_source:
        output.note(f"{name}: {r.statistics_source}")
    for text in _about_sustained(r):
        output.note(f"{name}: {text}")
    agreement = r.delegate.agreement
    if agreement and not agreement.agrees:
        output.warn(f"{_named(r, results)}: {agreement_text(agreement)}")


def _about_sustained(r: Result) -> list[str]:
    found = r.sustained
    if not found or r.emulated:
        return []
    first, last = found.first_minute.median, found.last_minute.median
    span = "minute" if found.minute_s == 60 else f"{found.minute_s:.0f} s"
    throttled = found.throttled_at_s
    when = "no throttling" if throttled is None else f"throttled from {throttled:.0f} s on"
    return [
        f"first {span} {figures.milliseconds(first)}, last {span} {figures.milliseconds(last)} "
        f"({found.slowdown:+.1%}); {when}"
    ]


def _runtime(r: Result) -> str:
    known = r.precision != "unknown"
    precision = r.precision if known else f"what {r.delegate.used} computes in"
    return f"{r.engine} {r.engine_version} in {precision}"


def _about_delegate(r: Result, results: list[Result]) -> list[str]:
    delegate = r.delegate
    lines = [f"{delegate.used}: {note}" for note in delegate.notes]
    if delegate.device and not delegate.used.startswith("cpu"):
        lines.append(f"{delegate.used} is {delegate.device}")
    if delegate.requested == "auto":
        lines += [f"auto passed {p.delegate} over: {p.reason}" for p in delegate.passed_over]
    if delegate.agreement and delegate.agreement.agrees:
        lines.append(f"{_named(r, results)}: {agreement_text(delegate.agreement)}")
    return lines


def _named(r: Result, results: list[Result]) -> str:
    """A result as it is told apart in the table."""
    parts = (_VARYING[name](r) for name in _distinguishing(results))
    return ", ".join((_short(r.model, results), *parts))


def _short(model: str, results: list[Result]) -> str:
    """As much of the path's end as tells the models apart."""
    files = {r.model for r in results}
    parts = Path(model).parts
    for count in range(1, len(parts) + 1):
        if len({Path(f).parts[-count:] for f in files}) == len(files):
            return str(Path(*parts[-count:]))
    return model
