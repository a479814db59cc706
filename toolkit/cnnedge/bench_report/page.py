"""Benchmark results as one HTML page.

What `cnnedge bench --json` writes enters; a self-contained page leaves: inline CSS and SVG, one
small script that sorts the table, nothing fetched. Names of models, devices and drivers are data:
all are escaped, and a content policy in the page forbids every other script and all requests should
any escape be missed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from ..benchmark import Failure, Outcome, Result
from ..benchmark.trust import trust, trust_line
from ..pages.style import BASE_CSS
from ..pages.text import escape, format_ms, format_seconds, listed
from .accuracy import accuracy_section
from .curves import curves_section
from .distributions import distributions_section
from .figures import time_text
from .naming import Naming
from .style import CSS
from .table import table_section

_SORT = """
for (const head of document.querySelectorAll('.results th')) {
  const sort = () => {
    const table = head.closest('table'), body = table.tBodies[0];
    const at = [...head.parentNode.children].indexOf(head);
    const down = head.ariaSort === 'ascending';
    const value = (row) => row.children[at].dataset.value ?? row.children[at].textContent;
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (!x || !y) return !x - !y;
      const way = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return down ? -way : way;
    };
    for (const other of table.querySelectorAll('th')) other.ariaSort = 'none';
    head.ariaSort = down ? 'descending' : 'ascending';
    body.append(...[...body.rows].sort(order));
  };
  head.addEventListener('click', sort);
  head.addEventListener('keydown', (e) => { if (e.key === 'Enter') sort(); });
}
"""


def render(outcome: Outcome) -> str:
    """The whole page, as text for a UTF-8 file."""
    results = outcome.results
    naming = Naming(results)
    sections = (
        _failures(outcome.failures),
        table_section(results, naming),
        accuracy_section(results, naming),
        curves_section(results, naming),
        distributions_section(results, naming),
        _doubts(results, naming),
        _conditions(results),
    )
    digest = base64.b64encode(hashlib.sha256(_SORT.encode()).digest()).decode()
    title = escape(_title(results))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'\">"
        f"<title>{title}</title><style>{BASE_CSS}{CSS}</style></head>\n<body><main>\n<header>"
        f'<h1>{title}</h1><p class="headline">{_headline(results, naming)}</p>{_meta(results)}'
        "</header>\n"
        + "\n".join(section for section in sections if section)
        + f"\n</main><script>{_SORT}</script></body></html>\n"
    )


def _title(results: list[Result]) -> str:
    models = len({r.model for r in results})
    devices = list(dict.fromkeys(str(r.device) for r in results))
    places = devices[0] if len(devices) == 1 else f"{len(devices)} devices"
    return f"Benchmark of {models} model{'' if models == 1 else 's'} on {places}"


def _headline(results: list[Result], naming: Naming) -> str:
    """The fastest, and who holds the frame budget; nothing of an emulator's timings."""
    real = [r for r in results if not r.emulated]
    timed = [(float(r.latency_ms.typical), r) for r in real]
    if not timed:
        return "Only an emulator was timed: its timings say nothing about real devices."
    fastest_ms, fastest = min(timed, key=lambda pair: pair[0])
    said = f"<b>{naming.name(fastest)}</b> takes <b>{time_text(fastest_ms)}</b> per picture"
    if len(timed) > 1:
        said = f"Fastest: {said}"
    within = sum(_within(r) for r in real)
    if within == len(real):
        who = "it meets" if len(real) == 1 else f"all {len(real)} meet"
    else:
        who = f"{within} of {len(real)} meet"
    budgets = sorted({float(r.frame_budget_ms) for r in real if r.frame_budget_ms})
    if not budgets:
        return f"{said}."
    whose = format_ms(budgets[0]) if len(budgets) == 1 else "their device"
    return f"{said}; {who} the frame budget of {whose}."


def _within(r: Result) -> bool:
    """Nine of ten pictures in time, or the typical one where no more is known."""
    p90, budget = r.latency_ms.p90, float(r.frame_budget_ms or 0.0)
    return float(r.latency_ms.typical if p90 is None else p90) <= budget


def _meta(results: list[Result]) -> str:
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
    return f'<p class="meta">{" &middot; ".join(escape(part) for part in said if part)}</p>'


def _failures(failed: Sequence[Failure]) -> str:
    items = "".join(
        f"<li><b>{escape(' on '.join(_who(f)))}</b>: {escape(str(f.error))}</li>" for f in failed
    )
    return f'<section class="warn"><h2>Not measured</h2><ul>{items}</ul></section>' if items else ""


def _who(failure: Failure) -> list[str]:
    model = failure.case.model.name if failure.case else ""
    return [part for part in (model, failure.device) if part]


def _doubts(results: list[Result], naming: Naming) -> str:
    doubtful = [r for r in results if r.unstable]
    if not doubtful:
        return ""
    found = trust(results)
    items = "".join(
        f"<li><b>{naming.name(r)}</b>: {escape('; '.join(map(str, r.unstable)))}</li>"
        for r in doubtful
    )
    return (
        '<section class="how"><h2>Results to treat with caution, and why</h2>'
        f"{f'<p>{escape(trust_line(found))}</p>' if found else ''}<ul>{items}</ul></section>"
    )


def _conditions(results: list[Result]) -> str:
    """The machines and what ran on them, once for each device."""
    items = []
    for device in dict.fromkeys(str(r.device) for r in results):
        there = [r for r in results if str(r.device) == device]
        about = there[0].conditions
        engines = listed(list(dict.fromkeys(f"{r.engine} {r.engine_version}" for r in there)))
        said = [about.cpu, about.cores and f"{about.cores} cores", about.os]
        said += [about.governor and f"governor {about.governor}", engines]
        text = ", ".join(str(part) for part in said if part)
        items.append(f"<li><b>{escape(device)}</b>: {escape(text)}</li>")
    how = (
        "<li>Latency: from the call until the output can be read in host memory; warm-up and first "
        "inference are separate. Bars run from the median to the 90th percentile.</li><li>Noise "
        "floor: how much two such runs may differ although nothing changed, found by comparing "
        "halves of the run in every possible way.</li><li>Memory: the peak resident size of the "
        "whole process.</li>"
    )
    return (
        f'<section class="how"><h2>How it was measured</h2><ul>{"".join(items)}{how}</ul></section>'
    )
