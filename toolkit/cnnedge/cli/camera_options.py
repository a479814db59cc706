"""What the commands that take frames ask of a camera: their options.

The options' values enter; a Capture leaves.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import click

from ..camera import BACKENDS, RETRY_SECONDS, ROTATIONS, CaptureOptions
from .options import gathered


def _size(_: click.Context, option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """WxH as (width, height)."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,5})\s*[xX×*]\s*(\d{1,5})", value.strip())
    if not match or 0 in (size := (int(match[1]), int(match[2]))):
        raise click.BadParameter(
            f"{value!r} is not a size; give width x height, as in 1280x720", param=option
        )
    return size


def _seconds(_: click.Context, option: click.Parameter, value: str) -> float:
    """A number of seconds from 0 on, or inf."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise click.BadParameter(
            f"{value!r} is not a number of seconds; give 0 or more, or inf", param=option
        )
    return seconds


@dataclass(frozen=True, kw_only=True)
class Capture:
    """How a source is opened; loop: begun again where it ends."""

    camera_size: tuple[int, int] | None = None
    camera_fps: float | None = None
    rotate: str = "0"
    backend: str | None = None
    retry: float = RETRY_SECONDS
    loop: bool = False

    @property
    def options(self) -> CaptureOptions:
        """As the camera takes them."""
        width, height = self.camera_size or (None, None)
        return CaptureOptions(
            backend=self.backend,
            width=width,
            height=height,
            fps=self.camera_fps,
            rotate=int(self.rotate),
            retry_seconds=self.retry,
        )


# --camera-size, --camera-fps, --rotate, --backend, --retry and --loop, as the keyword `capture`.
camera_options = gathered(
    Capture,
    "capture",
    (
        click.option(
            "--camera-size",
            callback=_size,
            metavar="WxH",
            help="Ask the camera for this frame size.",
        ),
        click.option(
            "--camera-fps",
            type=click.FloatRange(0, 1000, min_open=True),
            metavar="N",
            help="Ask the camera for this frame rate.",
        ),
        click.option(
            "--rotate",
            type=click.Choice([str(r) for r in ROTATIONS]),
            default="0",
            show_default=True,
            help="Rotate every frame clockwise by this many degrees.",
        ),
        click.option(
            "--backend",
            type=click.Choice(BACKENDS),
            help="Capture with this OpenCV backend. [default: one that suits the source]",
        ),
        click.option(
            "--retry",
            callback=_seconds,
            default=f"{RETRY_SECONDS:g}",
            show_default=True,
            metavar="S",
            help="Keep trying for S seconds to reopen a camera or stream that was lost. inf: "
            "forever.",
        ),
        click.option("--loop", is_flag=True, help="Start a file or folder again when it ends."),
    ),
)
