"""The options that say what a third party's model takes and gives, as one keyword: `guest`."""

from __future__ import annotations

import re
from typing import Any

import click

from ..bundle import Guest
from ..bundle.guest import ACTIVATIONS, INTERPOLATIONS, PIXEL_RANGES, RESIZES
from . import output
from .options import gathered

# By the names that click knows them by, what Guest calls them.
FIELDS = {
    "labels_file": "labels",
    "pixel_range": "pixel_range",
    "mean": "mean",
    "std": "std",
    "bgr": "bgr",
    "resize": "resize",
    "interpolation": "interpolation",
    "crop_fraction": "crop_fraction",
    "activation": "activation",
    "input_size": "size",
}


class Numbers(click.ParamType[Any]):
    """One number, or three separated by commas."""

    name = "R[,G,B]"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            found = tuple(float(part) for part in re.split(r"[,\s]+", value.strip(" []()")) if part)
        except ValueError:
            found = ()
        if len(found) not in (1, 3):
            self.fail(
                f"'{value}' is not one number, or three such as 123.7,116.3,103.5", param, ctx
            )
        return found


class Size(click.ParamType[Any]):
    """HEIGHTxWIDTH."""

    name = "HxW"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})(?:[x×][13])?", value.strip())
        if not match or not all(1 <= int(side) <= 8192 for side in match.groups()):
            self.fail(f"'{value}' is not a size such as 224x224: height x width", param, ctx)
        return int(match[1]), int(match[2])


def words(name: str, value: Any) -> str | None:
    """The value of one of these options as it is written, for another command line."""
    if name in ("mean", "std") and value is not None:
        return ",".join(repr(number) for number in value)
    return None


def input_option(function: output.F) -> output.F:
    """--input HxW, as `input_size`."""
    return click.option(
        "--input",
        "input_size",
        type=Size(),
        metavar="HxW",
        help="Set the height and width of the input, for a model that leaves them open.",
    )(function)


# --pixels, --mean, --std, --bgr, --resize, --interpolation, --crop-fraction, --labels, --activation
# and --input, as the keyword `guest`.
guest_options = gathered(
    Guest,
    "guest",
    (
        click.option(
            "--pixels",
            "pixel_range",
            type=click.Choice(list(PIXEL_RANGES)),
            help="Feed pixels in this range, for a model that cnnedge did not make.",
        ),
        click.option(
            "--mean",
            type=Numbers(),
            metavar="R[,G,B]",
            help="Subtract this from pixels 0..255, or from pixels in the --pixels range.",
        ),
        click.option(
            "--std", type=Numbers(), metavar="R[,G,B]", help="Divide (pixel - mean) by this."
        ),
        click.option("--bgr", is_flag=True, help="Feed blue first, then green, then red."),
        click.option(
            "--resize",
            type=click.Choice(RESIZES),
            help="Fit frames of a different shape into the input this way.",
        ),
        click.option(
            "--interpolation",
            type=click.Choice(INTERPOLATIONS),
            metavar="NAME",
            help=f"Scale frames with this method: {', '.join(INTERPOLATIONS)}.",
        ),
        click.option(
            "--crop-fraction",
            type=click.FloatRange(0.1, 1),
            metavar="F",
            help="With center_crop, use this fraction of the frame. 0.875 matches Resize(256) and "
            "CenterCrop(224).",
        ),
        click.option(
            "--labels",
            "labels_file",
            metavar="FILE",
            help="Read the class names from FILE, in the order of the outputs: one per line, "
            "'index label' lines, or CSV.",
        ),
        click.option(
            "--activation",
            type=click.Choice(ACTIVATIONS),
            help="Say how to read the outputs, if the file does not. none: they are already "
            "probabilities.",
        ),
        input_option,
    ),
    FIELDS,
)
