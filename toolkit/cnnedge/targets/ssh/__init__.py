"""Boards over ssh."""

from .guarded import Pace
from .target import SshTarget

__all__ = ["Pace", "SshTarget"]
