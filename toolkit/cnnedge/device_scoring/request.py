"""What a device is asked to predict, and what it says computed the predictions.

The predictions themselves go to a file. docs/protocol.md describes both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..conditions import State
from ..engines import CPU, Ran, Runtime
from ..specs.values import omitted


@dataclass(frozen=True, kw_only=True)
class Request:
    """Pictures to predict. All paths are of the device.

    pictures: a parcel of them. predictions: where they go. pixels: where the input pixels go, for
    a few pictures. prepared: the pictures are the model's input pixels already.
    """

    model: str
    pictures: str
    runtime: Runtime = CPU
    predictions: str
    pixels: str | None = omitted()
    prepared: bool | None = omitted()


@dataclass(frozen=True, kw_only=True)
class Answer(Ran):
    """What computed, on what machine."""

    conditions: State

    @property
    def ran(self) -> Ran:
        """What computed alone."""
        return Ran(**{f.name: getattr(self, f.name) for f in fields(Ran)})
