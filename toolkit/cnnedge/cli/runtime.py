"""What the commands that load one model share: their options, and saying what was assumed."""

from __future__ import annotations

import math
from typing import Any

import click

from ..classifier import PictureModel
from ..engines import DELEGATES, ENGINES, PRECISIONS, Agreement, Runtime
from . import output
from .guest_options import guest_options
from .options import gathered


class KeyValue(click.ParamType[Any]):
    """KEY=VALUE."""

    name = "key=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        key, separator, text = value.partition("=")
        if not separator or not key.strip():
            self.fail(f"'{value}' is not KEY=VALUE, such as num_threads=2", param, ctx)
        return key.strip(), text.strip()


def disagreement_option(function: output.F) -> output.F:
    """--allow-disagreement."""
    return click.option(
        "--allow-disagreement",
        is_flag=True,
        help="Continue although the delegate or precision gives other answers than the CPU in f32. "
        "The result reports the difference.",
    )(function)


def precision_option(function: output.F) -> output.F:
    """--precision."""
    return click.option(
        "--precision",
        type=click.Choice(["auto", *PRECISIONS]),
        default="auto",
        show_default=True,
        help="Precision of floating-point arithmetic. auto: the engine chooses, and the result "
        "states its choice.",
    )(function)


def delegate_option_option(function: output.F) -> output.F:
    """--delegate-option KEY=VALUE, as the dict `delegate_options`."""
    return click.option(
        "--delegate-option",
        "delegate_options",
        multiple=True,
        type=KeyValue(),
        callback=lambda ctx, param, value: dict(value),
        help="Pass KEY=VALUE to the delegate's library. Repeatable.",
    )(function)


# --delegate, --threads, --engine, --precision, --delegate-option, a guest's, and
# --allow-disagreement, as the keyword `runtime`.
runtime_options = gathered(
    Runtime,
    "runtime",
    (
        click.option(
            "--delegate",
            default="auto",
            show_default=True,
            metavar="D",
            help=f"Run on this delegate: {', '.join(DELEGATES)}, or the path of a delegate "
            "library.",
        ),
        click.option(
            "--threads",
            type=click.IntRange(1, 256),
            default=1,
            show_default=True,
            help="Use this many CPU threads for each inference.",
        ),
        click.option(
            "--engine",
            type=click.Choice(ENGINES),
            default="auto",
            show_default=True,
            help="Run the model with this engine. auto: the first of them that is installed.",
        ),
        precision_option,
        delegate_option_option,
        guest_options,
        disagreement_option,
    ),
    {
        "delegate": "delegate",
        "threads": "threads",
        "engine": "engine",
        "precision": "precision",
        "delegate_options": "options",
        "guest": "guest",
        "allow_disagreement": "allow_disagreement",
    },
)


def note_assumptions(model: PictureModel) -> None:
    """One line on stderr for each thing the file did not say."""
    for assumption in model.assumptions:
        output.note(f"assumed: {assumption}")


def agreement_text(found: Agreement) -> str:
    """How a delegate agrees with the CPU, in words."""
    largest = found.largest_difference
    by = f"up to {largest:.2g} {found.unit}" if math.isfinite(largest) else "no number at all"
    return f"beside the CPU in f32, {by} apart (allowed {found.tolerance:g}), {found.alike}"
