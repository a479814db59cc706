"""The folder where cnnedge keeps results that it need not compute twice."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """CNNEDGE_CACHE, else cnnedge/ in the user's own cache folder; it need not exist."""
    own = os.environ.get("CNNEDGE_CACHE")
    if own:
        return Path(own).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("cnnedge", appauthor=False)
