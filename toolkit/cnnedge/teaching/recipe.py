"""The recipe that teaching goes by: any with a backbone, as logistic regression on its features."""

from __future__ import annotations

from ..errors import SpecError
from ..specs import Recipe, named, parse_model, shipped
from ..specs.usage import Idle, in_training, read_used


def linear_recipe(name: str) -> Recipe:
    """The recipe of that name or path, with training.method logistic. Raises SpecError."""
    text, place = shipped.read("recipes", name)
    found, _ = read_used(text, place, ("training.method=logistic",), _idle)
    if not _has_backbone(found):
        raise SpecError(
            f"{place}: cnnedge teach fits a classifier on what a trained network sees, but the "
            f"model {found.model} is not one; use a recipe with a backbone, such as yoga_edge"
        )
    return named(found, name)


def _idle(recipe: Recipe) -> list[Idle]:
    return in_training(recipe, backbone=_has_backbone(recipe))


def _has_backbone(recipe: Recipe) -> bool:
    return parse_model(*shipped.read("models", recipe.model)).backbone is not None
