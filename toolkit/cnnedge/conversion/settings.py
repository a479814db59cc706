"""What a conversion may be told beside its run's recipe, and what of that does something.

A recipe and the changes asked for enter; nothing leaves but a refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import SpecError
from ..specs import Recipe, Variant
from ..specs.usage import in_conversion, refuse_idle
from .budget import Budget

_CHANGEABLE = ("convert", "compress")
# Of a network whose answers are pictures.
_DRAWING_FORMATS = ("float32", "float16", "dynamic", "int8", "int8-float-io")


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What is asked of a conversion beside the run's recipe.

    variants: to make in place of the recipe's. max_drop: percentage points that a variant may
    lose; the recipe's when None. data: a folder in place of the recipe's. overrides: KEY=VALUE
    changes of the recipe's convert and compress. budget: search for the best variant within it
    instead.
    """

    variants: tuple[Variant, ...] = ()
    max_drop: float | None = None
    data: str | None = None
    overrides: tuple[str, ...] = ()
    budget: Budget | None = None


NO_WISHES = Wishes()


def check_settings(recipe: Recipe, wishes: Wishes) -> None:
    """Raises SpecError for a KEY=VALUE change of what is trained already, or without effect.

    recipe: with the changes.
    """
    for change in wishes.overrides:
        key = change.partition("=")[0].strip()
        if key.partition(".")[0] not in _CHANGEABLE:
            raise SpecError(
                f"--set {change}: a conversion can change only convert.* and compress.*; the run "
                f"was trained with the rest. Train another one: cnnedge train ... --set {change}"
            )
    chosen = wishes.variants or recipe.convert.variants
    if recipe.answers_pictures:
        check_drawing(chosen, wishes)
    idle = in_conversion(
        recipe,
        () if wishes.budget else chosen,
        named=bool(wishes.variants),
        budget=wishes.budget is not None,
        gate_told=wishes.max_drop is not None,
    )
    refuse_idle(wishes.overrides, recipe, idle)


def check_drawing(variants: Sequence[Variant], wishes: Wishes) -> None:
    """Raises SpecError for what is not of models whose answers are pictures."""
    if wishes.budget is not None:
        raise SpecError(
            "--budget searches by accuracy, and this run's answers are pictures; name variants "
            "with --variant"
        )
    if wishes.max_drop is not None:
        raise SpecError(
            "--max-drop is a loss of accuracy, and this run's answers are pictures; its gate is a "
            "PSNR: --set convert.min_psnr=30"
        )
    for variant in variants:
        if variant.techniques or variant.sparse or variant.format not in _DRAWING_FORMATS:
            raise SpecError(
                f"{variant.name}: a network whose answers are pictures is converted without "
                f"techniques; allowed: {', '.join(_DRAWING_FORMATS)}"
            )
