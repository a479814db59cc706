"""What a conversion may be told beside its run's recipe, and what of that does something.

A recipe and the changes asked for enter; nothing leaves but a refusal.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SpecError
from ..specs import Recipe, Variant
from ..specs.usage import in_conversion, refuse_idle
from .budget import Budget

_CHANGEABLE = ("convert", "compress")


def check_settings(
    recipe: Recipe,
    overrides: Sequence[str],
    *,
    variants: Sequence[Variant] = (),
    max_drop: float | None = None,
    budget: Budget | None = None,
) -> None:
    """Raises SpecError for a KEY=VALUE change of what is trained already, or without effect.

    recipe: with the changes. The others as `conversion.session.convert` takes them.
    """
    for change in overrides:
        key = change.partition("=")[0].strip()
        if key.partition(".")[0] not in _CHANGEABLE:
            raise SpecError(
                f"--set {change}: a conversion changes convert.* and compress.* alone: the rest "
                f"made the run what it is. Train another one: cnnedge train ... --set {change}"
            )
    chosen = tuple(variants) or recipe.convert.variants
    idle = in_conversion(
        recipe,
        () if budget else chosen,
        named=bool(variants),
        budget=budget is not None,
        gate_told=max_drop is not None,
    )
    refuse_idle(overrides, recipe, idle)
