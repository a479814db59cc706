"""What is wrong with a recipe of a style, and with its pictures, before TensorFlow is loaded.

A recipe enters; its input size and its part style leave, or a SpecError.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import RunFolderError, SpecError
from ...specs import InputSize, Recipe, Style

# Sides of the input are multiples of this: the network halves them twice, and doubles them again.
STRIDE = 4


def checked(recipe: Recipe) -> tuple[InputSize, Style]:
    """The input size and the part style of a recipe. Raises SpecError for what cannot be."""
    how, size = recipe.style, recipe.input
    assert how is not None
    if not isinstance(size, InputSize) or size.channels != 3:
        raise SpecError("training.method style needs input with height and width, in 3 channels")
    if size.height % STRIDE or size.width % STRIDE or min(size.height, size.width) < how.side:
        raise SpecError(
            f"input is {size.height}x{size.width}; a style's network needs multiples of {STRIDE} "
            f"that are not below style.side, which is {how.side}"
        )
    if recipe.weights == "none":
        raise SpecError(
            "weights is none, but a style is seen by the features of a trained network; set "
            "weights: imagenet, or the path of a file with the weights of efficientnet_lite0"
        )
    return size, how


def no_resume(out: Path) -> RunFolderError:
    """What is said to --resume."""
    return RunFolderError(
        f"{out}: a style is trained in one go, so there is nothing to resume; start over with "
        "--force, or with fewer steps: --set style.steps=300"
    )
