"""What the commands that load one model share: their options, and saying what was assumed."""

from __future__ import annotations

import click

from ..classifier import PIXEL_RANGES, Classifier
from ..engines import ENGINES
from . import output


def runtime_options(function: output.F) -> output.F:
    """--threads, --engine and --pixels."""
    for option in (
        click.option(
            "--pixels",
            "pixel_range",
            type=click.Choice(list(PIXEL_RANGES)),
            help="What a float model of a third party expects.",
        ),
        click.option("--engine", type=click.Choice(ENGINES), default="auto", show_default=True),
        click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True),
    ):
        function = option(function)
    return function


def note_assumptions(classifier: Classifier) -> None:
    """One line on stderr for each thing the file did not say."""
    for assumption in classifier.assumptions:
        output.note(f"assumed: {assumption}")
