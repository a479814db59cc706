"""`cnnedge eval --device`: predictions computed on a device, beside those computed here."""

from __future__ import annotations

from typing import Any

from ..targets import Target
from . import output
from .evaluate import read_data
from .runtime import note_assumptions


def evaluate_on(
    target: Target,
    model: str,
    data: str | None,
    split: Any,
    settings: dict[str, Any],
    allow_disagreement: bool,
) -> dict[str, Any]:
    """The result of a device. settings: of `load`, for the device."""
    from ..device_scoring import evaluate_there
    from ..model import load

    # The reference is the CPU here, in the precision that the file was made for.
    classifier = load(model, delegate="cpu", guest=settings["guest"])
    note_assumptions(classifier)
    with output.progress_bar("pictures") as progress:
        task = progress.add_task("reading pictures", total=None)

        def tell(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        dataset, part = read_data(
            classifier, data, split, lambda d, t: tell("reading pictures", d, t)
        )
        return evaluate_there(
            target,
            classifier,
            dataset,
            part,
            settings=settings,
            allow_disagreement=allow_disagreement,
            progress=tell,
        )


def print_agreement(result: dict[str, Any]) -> None:
    """What the device says differently from this machine."""
    here, count = result["here"], result["count"]
    console = output.results()
    apart = 100 * (result["accuracy"] - here["accuracy"])
    console.print(
        f"here: {output.percent(here['accuracy'])}; on {result['device']} {apart:+.2f} points "
        f"(McNemar p = {here['p_value']:.2g}); {here['identical']:,} of {count:,} outputs are "
        f"identical to the bit, {here['flips']:,} labels differ",
        highlight=False,
        soft_wrap=True,
    )
    first = here["first_difference"]
    if first:
        output.note(
            f"first difference: picture {first['index'] + 1} ({first['picture']}), by "
            f"{first['largest_difference']:.3g} {first['unit']}, from the stage '{first['stage']}' "
            "on (decode: the file gave other pixels; resize: the input did; network: neither)"
        )
    for flip in here["flipped"][:5]:
        output.note(f"{flip['picture']}: here {flip['here']}, there {flip['there']}")
