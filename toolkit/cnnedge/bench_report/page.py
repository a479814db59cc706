"""Benchmark results as one HTML page.

What `cnnedge bench --json` writes enters; a self-contained page leaves: inline CSS and SVG, one
small script that sorts the table, nothing fetched. Names of models, devices and drivers are data:
all are escaped, and a content policy in the page forbids every other script and all requests should
any escape be missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..benchmark import Failure, Outcome, Result
from ..benchmark.trust import trust, trust_line
from ..pages.rendering import render as render_template
from ..pages.text import format_ms, format_seconds, listed
from .accuracy import accuracies, unknown
from .curves import curves
from .distributions import distributions
from .table import result_table
from .wording import Naming, time_text

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The fastest, in a sentence; budget: how many hold theirs, or ""."""

    lead: str
    name: str
    time: str
    budget: str


def render(outcome: Outcome) -> str:
    """The whole page, as text for a UTF-8 file. Raises MissingExtraError."""
    results = outcome.results
    naming, doubtful = Naming(results), [r for r in results if r.unstable]
    trusted = trust(results) if doubtful else None
    return render_template(
        _TEMPLATES,
        "bench.html",
        title=_title(results),
        headline=_headline([r for r in results if not r.emulated], naming),
        meta=_meta(results),
        failures=[(" on ".join(_who(f)), str(f.error)) for f in outcome.failures],
        table=result_table(results, naming),
        accuracies=accuracies(results, naming),
        unknown=unknown(results, naming),
        curves=curves(results, naming),
        distributions=distributions(results, naming),
        trust=trust_line(trusted) if trusted else "",
        doubts=[(naming.name(r), "; ".join(map(str, r.unstable))) for r in doubtful],
        conditions=list(_conditions(results)),
    )


def _title(results: Sequence[Result]) -> str:
    models = len({r.model for r in results})
    devices = list(dict.fromkeys(str(r.device) for r in results))
    places = devices[0] if len(devices) == 1 else f"{len(devices)} devices"
    return f"Benchmark of {models} model{'' if models == 1 else 's'} on {places}"


def _headline(real: Sequence[Result], naming: Naming) -> Headline | None:
    """The fastest, and who holds the frame budget; nothing of an emulator's timings."""
    if not real:
        return None
    fastest = min(real, key=lambda r: float(r.latency_ms.typical))
    return Headline(
        lead="Fastest: " if len(real) > 1 else "",
        name=naming.name(fastest),
        time=time_text(float(fastest.latency_ms.typical)),
        budget=_budget(real),
    )


def _budget(real: Sequence[Result]) -> str:
    budgets = sorted({float(r.frame_budget_ms) for r in real if r.frame_budget_ms})
    if not budgets:
        return ""
    within = sum(map(_within, real))
    who = f"{within} of {len(real)} meet"
    if within == len(real):
        who = "it meets" if len(real) == 1 else f"all {len(real)} meet"
    whose = format_ms(budgets[0]) if len(budgets) == 1 else "their device"
    return f"; {who} the frame budget of {whose}"


def _within(r: Result) -> bool:
    """Nine of ten pictures in time, or the typical one where no more is known."""
    p90, budget = r.latency_ms.p90, float(r.frame_budget_ms or 0.0)
    return float(r.latency_ms.typical if p90 is None else p90) <= budget


def _meta(results: Sequence[Result]) -> str:
    about = results[0].conditions
    seconds = [r.sustained.seconds for r in results if r.sustained]
    length = f" of {format_seconds(max(seconds))}" if seconds else ""
    count = about.processes
    said = [
        f"{about.protocol} protocol{length}",
        f"{count} fresh process{'' if count == 1 else 'es'} each, taking turns",
        str(about.time).replace("T", " ")[:16],
        f"cnnedge {about.cnnedge}".strip(),
    ]
    return " · ".join(part for part in said if part)


def _who(failure: Failure) -> list[str]:
    model = failure.case.model.name if failure.case else ""
    return [part for part in (model, failure.device) if part]


def _conditions(results: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """The machines and what ran on them, once for each device."""
    for device in dict.fromkeys(str(r.device) for r in results):
        there = [r for r in results if str(r.device) == device]
        about = there[0].conditions
        engines = listed(list(dict.fromkeys(f"{r.engine} {r.engine_version}" for r in there)))
        said = [about.cpu, about.cores and f"{about.cores} cores", about.os]
        said += [about.governor and f"governor {about.governor}", engines]
        yield device, ", ".join(str(part) for part in said if part)
