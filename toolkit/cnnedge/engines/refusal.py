"""A delegate that cannot be had, as an error that says why."""

from __future__ import annotations

from ..errors import GateError


class DelegateRefused(GateError):
    """What was asked for does not run here. reason: without the remedy, for `auto` to report."""

    def __init__(self, delegate: str, reason: str, remedy: str) -> None:
        self.reason = reason
        super().__init__(f"--delegate {delegate}: {reason}. {remedy}")


class PrecisionRefused(GateError):
    """An engine that does not compute in the precision that was asked for."""

    def __init__(self, precision: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"--precision {precision}: {reason}")
