"""Somebody else's model into a run: what it is, what pixels it takes, and whether it stayed itself.

A path enters; a run folder leaves, whose files take raw pixels 0..255 like all others. Nothing in
the source is executed but the arithmetic of its layers.
"""

from .opened import ImportWishes, Reporter
from .session import import_model, require_parity

__all__ = ["ImportWishes", "Reporter", "import_model", "require_parity"]
