"""The group of the studies, and the options that they share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from .. import LazyGroup

F = TypeVar("F", bound=Callable[..., Any])

# Name: what it does. Kept here so that --help imports no study.
STUDIES: dict[str, str] = {
    "invariance": "Measure what disturbing the pictures costs a model.",
    "mlp_vs_cnn": "Compare a fully connected network with a CNN.",
    "attack": "Mislead a network with changes of its pictures that are hard to see.",
    "sunset": "Compare a classical detector with deep ones on the same pictures.",
    "augmentation": "Measure what each augmentation of a recipe adds.",
    "capsule": "Compare a capsule network with a CNN of as many weights.",
}


@click.group(
    name="study",
    cls=LazyGroup,
    commands=STUDIES,
    package=__package__,
    modules={},
    context_settings={"help_option_names": ["-h", "--help"]},
)
def command() -> None:
    """Compare, disturb and attack models.

    A study measures on pictures, prints a table, and writes a figure, its pictures and its JSON
    into a folder of its own.
    """


def study_options(function: F) -> F:
    """--out and --quick, which every study takes."""
    function = click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Write the figures and study.json into DIR. [default: study-NAME]",
    )(function)
    return click.option(
        "--quick",
        is_flag=True,
        help="Use few pictures and short training: shows that it works, and measures little.",
    )(function)


def training_options(function: F) -> F:
    """--data and --epochs, of the studies that train two networks on small pictures."""
    function = click.option(
        "--epochs", type=click.IntRange(1), metavar="N", help="Train each network for N epochs."
    )(function)
    return click.option(
        "--data",
        metavar="DIR",
        help="Train on the pictures in DIR. [default: the digits of keras:mnist where Keras has "
        "fetched them before, otherwise the embedded Fashion-MNIST]",
    )(function)
