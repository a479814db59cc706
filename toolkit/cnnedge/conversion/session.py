"""One conversion: a finished run in, measured variants and their report out.

Each variant is trained where a technique asks for it, converted, scored on the test pictures
through the runtime that users run, packed with metadata and written whole; then all are timed
together, interleaved. What was made before is found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..benchmark import Device, Result, get_protocol
from ..compression import chain
from ..errors import CnnedgeError, DeviceError
from ..pages.rendering import require_jinja2
from ..specs import Variant
from ..training.run_folder import open_finished, read_recipe
from ..training.run_lock import occupied
from . import search
from .budget import Budget
from .entries import NotMade, Report
from .gate import judged, remedies
from .making import Job, Made, make
from .outcome import Measured, write_report
from .settings import NO_WISHES, Wishes, check_settings
from .timer import Timer
from .work import Reporter, Work, prepare


def convert(
    run_path: Path,
    reporter: Reporter,
    wishes: Wishes = NO_WISHES,
    *,
    device: Device | None = None,
) -> Report:
    """Makes the variants of a run (the recipe's, or those named) and returns their report.

    A variant that loses more than it may has status "failed" in the report; the recipe's remedies
    are tried, and all files stay. device: where latencies are measured, opened by
    `cnnedge.targets.open_device`; this machine when None. Raises CnnedgeError.
    """
    require_jinja2()
    timer = Timer(device) if device else Timer()
    timer.knock()
    run = open_finished(run_path)
    recipe = read_recipe(run, wishes.overrides)
    check_settings(recipe, wishes)
    if wishes.data:
        recipe = replace(recipe, data=replace(recipe.data, source=wishes.data))
    if wishes.max_drop is not None:
        recipe = replace(recipe, convert=replace(recipe.convert, max_drop=wishes.max_drop))
    if recipe.answers_pictures:
        # Imported when it is needed: figures come with it.
        from .drawing import convert_drawing

        with occupied(run.path):
            return convert_drawing(run, recipe, reporter, wishes, timer)
    with occupied(run.path):
        work = prepare(run, recipe, reporter, timer)
        if wishes.budget:
            return _search(work, wishes.budget)
        chosen = wishes.variants or recipe.convert.variants
        chain.check(work.workshop, chosen)
        made, missing = _make_all(work, [_job(work, variant) for variant in chosen])
        return _report(work, made, missing=missing)


def _job(work: Work, variant: Variant) -> Job:
    count = min(work.data.recipe.convert.calibration.count, work.calibration_pictures)
    return Job(variant=variant, name=variant.name, calibration=count)


def _make_all(work: Work, jobs: list[Job]) -> tuple[list[Made], list[NotMade]]:
    """Every job and, behind a refused one, its remedies until one holds.

    Also the names of those that cannot be made, with the reason: the others are made all the
    same. Raises CnnedgeError where none can.
    """
    made: list[Made] = []
    missing = []
    for number, job in enumerate(jobs, start=1):
        position = f"{number} of {len(jobs)}"
        try:
            made.append(make(work, job, position))
        except CnnedgeError as error:
            if len(jobs) == 1:
                raise CnnedgeError(f"{job.name} cannot be made: {error}") from None
            work.data.reporter.note(f"{job.name} cannot be made: {error}")
            missing.append(NotMade(name=job.name, reason=str(error)))
            continue
        made += _remedies(work, job, made[-1], [j.name for j in jobs], position)
    if not made:
        raise CnnedgeError(f"no variant can be made. {missing[0].name}: {missing[0].reason}")
    return made, missing


def _remedies(work: Work, job: Job, refused: Made, names: list[str], position: str) -> list[Made]:
    """What was made for a variant that the gate refuses; nothing for one that holds."""
    gate = work.data.recipe.convert.max_drop
    verdict = judged(refused.entry, gate)
    if verdict.status == "ok":
        return []
    made: list[Made] = []
    for remedy in remedies(work.data.recipe, job, names, work.calibration_pictures):
        work.data.reporter.note(f"{job.name} {verdict.status_reason}: trying {remedy.name}")
        try:
            chain.check(work.workshop, [remedy.variant])
            made.append(make(work, remedy, position))
        except CnnedgeError as error:
            work.data.reporter.note(f"{remedy.name} cannot be made: {error}")
            continue
        if judged(made[-1].entry, gate).status == "ok":
            break
    return made


def _report(
    work: Work,
    made: list[Made],
    found: search.Found | None = None,
    missing: Sequence[NotMade] = (),
) -> Report:
    latencies = _latencies(work, [work.data.run.export / m.entry.file for m in made])
    gate = work.data.recipe.convert.max_drop
    entries = [
        judged(replace(m.entry, latency_ms=timed.latency_ms), gate)
        for m, timed in zip(made, latencies, strict=True)
    ]
    scores = {m.entry.name: m.scores for m in made}
    measured = Measured(entries=entries, scores=scores, latencies=latencies)
    return write_report(work, measured, found, missing)


def _latencies(work: Work, files: list[Path]) -> list[Result]:
    """Of all together. Raises CnnedgeError: a device may have gone while others were trained."""
    try:
        return work.timer.files(
            files,
            get_protocol("quick"),
            lambda done, total, what: work.data.reporter.stage(f"timing {what}", done, total),
        )
    except DeviceError as error:
        raise DeviceError(
            f"{error}. All variants are made and kept in {work.data.run.export}; only their "
            "latencies are missing: the same command measures them"
        ) from None


def _search(work: Work, budget: Budget) -> Report:
    found = search.search(work, budget, lambda variant: make(work, _job(work, variant), "search"))
    return _report(work, found.made, found)
