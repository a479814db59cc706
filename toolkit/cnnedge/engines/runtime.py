"""Where and how a model runs, as one value.

Options of the command line, keywords of Python or a request from elsewhere enter; one frozen
Runtime leaves, that everything which loads or measures a model takes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..bundle import Guest
from ..bundle.guest import NO_GUEST
from ..errors import CnnedgeError
from ..specs.limits import closest
from . import libraries
from .base import DELEGATES, PRECISIONS

ENGINES = ("auto", "litert", "tflite-runtime", "openvino")


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Where and how a model runs.

    delegate: one of DELEGATES, or the path of a library. options: for the delegate, by name.
    engine: one of ENGINES; `auto`: LiteRT where it is installed. threads: of the CPU, for one
    inference. precision: of floating-point arithmetic, one of PRECISIONS, or `auto`: the engine's
    own choice. guest: what is known of somebody else's model beside its file. allow_disagreement:
    report a delegate that does not answer as the CPU does, and go on.
    """

    delegate: str = "auto"
    options: Mapping[str, str] = field(default_factory=dict)
    engine: str = "auto"
    threads: int = 1
    precision: str = "auto"
    guest: Guest = NO_GUEST
    allow_disagreement: bool = False

    def on(self, delegate: str, **changes: Any) -> Runtime:
        """The same on another delegate."""
        return dataclasses.replace(self, delegate=delegate, **changes)

    def require(self) -> None:
        """Raises CnnedgeError for a name that nothing has, and for options that nobody takes."""
        for what, given, allowed in (
            ("engine", self.engine, ENGINES),
            ("precision", self.precision, ("auto", *PRECISIONS)),
            ("delegate", self.delegate, DELEGATES),
        ):
            if given in allowed or (what == "delegate" and libraries.is_library(given)):
                continue
            path = ", or the path of a library" if what == "delegate" else ""
            raise CnnedgeError(
                f"there is no {what} '{given}'.{closest(given, allowed)} "
                f"Allowed: {', '.join(allowed)}{path}"
            )
        if self.options and self.delegate in ("auto", "cpu") and self.engine != "openvino":
            raise CnnedgeError(
                f"--delegate-option {next(iter(self.options))}: --delegate {self.delegate} takes "
                f"no options; name the delegate that the option is for"
            )


# `auto` in everything; and the CPU, whose answers are the reference.
AUTO = Runtime()
CPU = Runtime(delegate="cpu")
EXACT = Runtime(delegate="cpu", precision="f32")
