"""A comparison as Markdown, for a comment on a pull request.

What `compare` gives enters; text leaves. Names are data: nothing in them is read as Markdown or
HTML.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from .. import figures
from .outcome import Both, Compared, Comparison
from .wording import change, doubts, resolution, settings

_SIGNS = {"regression": "🔴 slower", "improvement": "🟢 faster", "no difference": "no difference"}


def as_markdown(comparison: Comparison) -> str:
    """The table, and beneath it how it was judged and what makes it doubtful."""
    compared = comparison.compared
    told = settings(compared)
    heads = ["model", *told, "base", "new", "change", "95 % interval", "noise floor", "verdict"]
    rows = [_row(c, told) for c in compared]
    extra = _extra_heads(compared)
    lines = [f"### Benchmark: {_headline(comparison)}", ""]
    lines += [_line([*heads, *extra]), _line(["---", *["---:"] * (len(heads) + len(extra) - 1)])]
    lines += [_line([*row, *_extra(c, extra)]) for row, c in zip(rows, compared, strict=True)]
    lines += ["", *_notes(comparison)]
    return "\n".join(lines) + "\n"


def _headline(comparison: Comparison) -> str:
    verdicts = [c.verdict for c in comparison.compared]
    count = verdicts.count(comparison.verdict)
    if comparison.verdict == "no difference":
        return "no difference"
    return f"{count} {comparison.verdict}{'' if count == 1 else 's'} of {len(verdicts)}"


def _row(c: Compared, told: Sequence[str]) -> list[str]:
    low, high = c.ci95
    return [
        _code(PurePath(c.model).name),
        *(_code(str(getattr(c, name))) for name in told),
        figures.milliseconds(c.base_ms),
        figures.milliseconds(c.new_ms),
        change(c.ratio),
        f"{change(low)} to {change(high)}",
        figures.percent(c.noise_floor, 1),
        _SIGNS[c.verdict],
    ]


def _extra_heads(compared: Sequence[Compared]) -> list[str]:
    known = {
        "p90": any(c.p90 for c in compared),
        "memory": any(c.peak_memory_bytes.known for c in compared),
        "size": any(c.size_bytes.known for c in compared),
        "accuracy": any(c.accuracy.known for c in compared),
    }
    return [name for name, there in known.items() if there]


def _extra(c: Compared, names: Sequence[str]) -> list[str]:
    def ratio(both: Both) -> str:
        known = both.known
        return change(known[1] / known[0]) if known and known[0] else "–"

    def points(both: Both) -> str:
        known = both.known
        return f"{100 * (known[1] - known[0]):+.2f} points" if known else "–"

    cells = {
        "p90": change(c.p90.ratio) if c.p90 else "–",
        "memory": ratio(c.peak_memory_bytes),
        "size": ratio(c.size_bytes),
        "accuracy": points(c.accuracy),
    }
    return [cells[name] for name in names]


def _notes(comparison: Comparison) -> list[str]:
    compared = comparison.compared
    methods = "; ".join(dict.fromkeys(c.method for c in compared))
    slower = comparison.max_slower
    limit = f", and by more than {figures.percent(slower, 1)}" if slower else ""
    lines = [
        f"Latencies are {' or '.join(dict.fromkeys(c.statistic + 's' for c in compared))}. "
        f"{methods}. Slower: the interval lies above 0 and the change beyond the noise floor"
        f"{limit}."
    ]
    for c in compared:
        name = _code(PurePath(c.model).name)
        lines += [f"- {name}: {_plain(text)}" for text in (*resolution(c), *doubts(c))]
    for side, labels in (("base", comparison.only_in_base), ("new", comparison.only_in_new)):
        names = dict.fromkeys(_code(PurePath(m.model).name) for m in labels)
        if names:
            lines.append(f"- only in {side}, not compared: {', '.join(names)}")
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    """A name as inline code; a pipe would end the cell even there."""
    shown = "".join(c if c.isprintable() else " " for c in text).replace("|", "\\|")
    ticks = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    pad = " " if len(ticks) > 1 else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}" if shown.strip() else "–"


def _plain(text: str) -> str:
    """Text of which no character is read as Markdown or HTML."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"([\\`*_{}\[\]<>()#|!@&~])", r"\\\1", shown)
