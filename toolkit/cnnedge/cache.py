"""Where cnnedge keeps what it need not make twice. Nothing enters, a path leaves."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """CNNEDGE_CACHE, else cnnedge/ in the user's own cache folder."""
    own = os.environ.get("CNNEDGE_CACHE")
    if own:
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "cnnedge"
