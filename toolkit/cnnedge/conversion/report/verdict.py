"""Which variant of a conversion report to ship, and the result in one sentence.

The dict of export/report.json enters; a variant's name and sentences leave.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...pages.text import Row, format_ms, format_percent, format_size, p_value, points

# Points that may be lost where no gate is given.
USUAL_GATE = 0.5
_ALIKE = 1.05


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The result in one sentence. name: the variant that it is about; "" if none is fit."""

    name: str
    said: str


def most_compressed(report: Row) -> str | None:
    """The variant to ship: of those fit for it and about as small as any, the fastest.

    About as small: at most a tenth larger than the smallest. Where the report has no gate, one
    that surely lost accuracy is passed over as long as another did not: nobody asked for that.
    None where none is fit.
    """
    candidates = [v for v in report["variants"] if fit(v) and v.get("size_bytes") is not None]
    if not candidates:
        return None
    if report.get("max_drop") is None:
        candidates = [v for v in candidates if not _surely_lost(v)] or candidates
    smallest = min(v["size_bytes"] for v in candidates)
    small = [v for v in candidates if v["size_bytes"] <= 1.1 * smallest]
    fastest = min(map(_median_ms, small))
    # What noise cannot tell apart: the order of the recipe decides.
    return next(str(v["name"]) for v in small if _median_ms(v) <= _ALIKE * fastest)


def _surely_lost(variant: Row) -> bool:
    drop, p = variant.get("drop_points"), variant.get("mcnemar_p")
    return drop is not None and drop > USUAL_GATE and (p is None or p < 0.05)


def pick(report: Row) -> str | None:
    """The variant of the page: what the search chose, or else `most_compressed`.

    None where nothing is fit, or the search found nothing within its budget.
    """
    chosen = report.get("chosen")
    if chosen is None:
        return most_compressed(report)
    return next((v["name"] for v in report["variants"] if v["name"] == chosen.get("name")), None)


def fit(variant: Row) -> bool:
    return bool(variant.get("status", "ok") == "ok")


def headline(report: Row) -> Headline:
    """The result with its interval, and what chance can explain."""
    name = pick(report)
    if name is None:
        return Headline(name="", said=_nothing(report))
    variant = next(v for v in report["variants"] if v["name"] == name)
    parts = [format_size(variant["size_bytes"])] if variant.get("size_bytes") is not None else []
    if variant.get("accuracy") is not None:
        low, high = variant["ci95"]
        of = f"{report['test_pictures']:,} test pictures" if report.get("test_pictures") else "them"
        parts.insert(
            0,
            f"{format_percent(variant['accuracy'])} % of {of} right (95 % interval "
            f"{format_percent(low)}–{format_percent(high)})",
        )
    if error := variant.get("error"):
        parts.insert(0, f"pictures at {error['psnr_db']:.1f} dB from those of the Keras model")
    if variant.get("latency_ms"):
        parts.append(f"{format_ms(variant['latency_ms']['median'])} median")
    drop = _drop_in_words(variant)
    return Headline(name=name, said=f"{', '.join(parts)}{'; ' + drop if drop else ''}.")


def chosen_because(report: Row) -> str:
    """What the search was allowed and why it chose; "" without a search."""
    why, limits = (report.get("chosen") or {}).get("why"), budget_in_words(report)
    said = [str(why) if why else "", f"Budget: {limits}." if limits else ""]
    return " ".join(part for part in said if part)


def budget_in_words(report: Row) -> str:
    budget = report.get("budget") or {}
    said = []
    if budget.get("latency_ms") is not None:
        said.append(f"{format_ms(budget['latency_ms'])} median")
    if budget.get("size_bytes") is not None:
        said.append(format_size(budget["size_bytes"]))
    if budget.get("max_drop") is not None:
        said.append(f"{points(budget['max_drop'])} lost")
    return f"at most {', '.join(said)}" if said else ""


def _nothing(report: Row) -> str:
    if report.get("chosen") is not None:
        return "No variant meets the budget."
    reasons = "; ".join(
        f"{v['name']} ({v.get('status_reason') or 'failed'})" for v in report["variants"]
    )
    return f"No variant is fit to ship{': ' + reasons if reasons else ''}."


def _median_ms(variant: Row) -> float:
    latency = variant.get("latency_ms")
    return float(latency["median"]) if latency else float("inf")


def _drop_in_words(variant: Row) -> str:
    drop = variant.get("drop_points")
    if drop is None:
        return ""
    if abs(drop) < 0.005:
        return "as accurate as the Keras model"
    size = f"{abs(drop):.1f}" if abs(drop) >= 0.095 else f"{abs(drop):.2f}"
    words = f"{size} points {'below' if drop > 0 else 'above'} the Keras model"
    p = variant.get("mcnemar_p")
    if p is None:
        return words
    if p < 0.05:
        return f"{words}, more than chance explains ({p_value(p)})"
    return f"{words}, which chance can explain ({p_value(p)})"
