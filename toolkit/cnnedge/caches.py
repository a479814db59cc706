"""The folder where cnnedge keeps results that it need not compute twice."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_root() -> Path:
    """CNNEDGE_CACHE, else cnnedge/ in the user's own cache folder; it need not exist."""
    own = os.environ.get("CNNEDGE_CACHE")
    if own:
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    if not base and sys.platform == "darwin":
        base = str(Path.home() / "Library/Caches")
    return Path(base or Path.home() / ".cache") / "cnnedge"
