"""`cnnedge eval --device`: predictions computed on a device, beside those computed here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from . import output
from .devices import Reach
from .evaluate import read_data
from .runtime import note_assumptions

# Model, --data, --split, the settings of `load`, --allow-disagreement; the result and its data.
Evaluate = Callable[[str, "str | None", Any, dict[str, Any], bool], tuple[dict[str, Any], Any]]


@contextlib.contextmanager
def evaluate_on(device: str, reach: Reach) -> Iterator[Evaluate]:
    """A function that evaluates on the device; what was left there in haste is removed after."""
    target = reach.open(device)

    def evaluate(
        model: str, data: str | None, split: Any, settings: dict[str, Any], allow: bool
    ) -> tuple[dict[str, Any], Any]:
        from ..device_scoring import evaluate_there
        from ..model import load

        # The reference is the CPU here, in the precision that the file was made for.
        classifier = load(model, delegate="cpu", pixel_range=settings["pixel_range"])
        note_assumptions(classifier)
        with output.progress_bar("pictures") as progress:
            task = progress.add_task("reading pictures", total=None)

            def tell(what: str, done: int, total: int) -> None:
                progress.update(task, description=what, completed=done, total=total)

            dataset, part = read_data(
                classifier, data, split, lambda d, t: tell("reading pictures", d, t)
            )
            result = evaluate_there(
                target,
                classifier,
                dataset,
                part,
                settings=settings,
                allow_disagreement=allow,
                progress=tell,
            )
        return result, dataset

    try:
        yield evaluate
    finally:
        target.close()


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
