"""The accuracy gate, and what is tried for a variant that it refuses.

Entries of the report enter; each leaves with its verdict, and for a refused one leave the jobs
that may mend it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..errors import SpecError
from ..specs import Qat, Recipe
from .entries import Entry
from .making import Job

_INTEGER = ("int8", "int8-float-io")
# Pictures of the remedy "calibration", as a multiple of the recipe's own.
_MORE_CALIBRATION = 5


def judged(entry: Entry, gate: float | None) -> Entry:
    """The entry with status "ok" or "failed", and the reason."""
    drop = entry.drop_points
    reason = ""
    if gate is not None and drop is None:
        reason = (
            "its accuracy cannot be measured on these pictures; the gate allows a loss of "
            f"{gate:g} points"
        )
    elif gate is not None and drop is not None and drop > gate + 1e-9:
        reason = f"lost {drop:.2f} points; the gate allows {gate:g}"
    return replace(entry, status="failed" if reason else "ok", status_reason=reason)


def judged_picture(entry: Entry, gate: float | None) -> Entry:
    """The same of a model whose answers are pictures. gate: the least PSNR, in decibels."""
    error = entry.error
    reason = ""
    if gate is not None and error is not None and error.psnr_db < gate:
        reason = (
            f"its pictures lie at {error.psnr_db:.1f} dB from those of model.keras; the gate asks "
            f"for {gate:g}"
        )
    return replace(entry, status="failed" if reason else "ok", status_reason=reason)


def remedies(recipe: Recipe, job: Job, made: Sequence[str], pictures: int) -> Iterator[Job]:
    """What the recipe allows to be tried for a refused job, in its order.

    made: names of variants that exist or are asked for anyway; those are not made twice.
    pictures: how many there are to calibrate with.
    """
    if job.remedy_of or job.variant.format not in _INTEGER:
        return
    for remedy in recipe.convert.remedies:
        found = _remedy(remedy, job, pictures)
        if found and found.name not in made:
            yield found


def unmended(entries: Sequence[Entry]) -> list[Entry]:
    """Refused variants for which no remedy held; a remedy that failed is not one of its own."""
    mended = {e.remedy_of for e in entries if e.remedy_of and e.status == "ok"}
    return [e for e in entries if e.status != "ok" and not e.remedy_of and e.name not in mended]


def _remedy(remedy: str, job: Job, pictures: int) -> Job | None:
    variant, base = job.variant, replace(job, remedy_of=job.name)
    if remedy == "calibration" and not variant.has("qat") and job.calibration < pictures:
        count = min(job.calibration * _MORE_CALIBRATION, pictures)
        return replace(base, name=f"{job.name}-recalibrated", calibration=count)
    if remedy == "selective" and variant.format == "int8" and not variant.has("qat"):
        selective = replace(variant, format="selective")
        return replace(base, variant=selective, name=selective.name)
    if remedy == "qat" and not variant.has("qat"):
        trained = replace(variant, techniques=(*variant.techniques, Qat()))
        if complaint := trained.check():
            raise SpecError(f"{trained.name}: {complaint}")
        return replace(base, variant=trained, name=trained.name)
    return None
