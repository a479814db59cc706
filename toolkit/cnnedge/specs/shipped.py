"""Finding definitions: a plain name is a shipped one; a slash or a suffix makes it a path."""

from __future__ import annotations

import importlib
from importlib import resources
from pathlib import Path
from typing import Literal

from ..errors import SpecError
from .strict import closest

Kind = Literal["recipes", "models", "devices"]


def names(kind: Kind) -> list[str]:
    """The shipped names of one kind, sorted."""
    folder = resources.files(importlib.import_module(f"cnnedge.{kind}"))
    found = (entry.name for entry in folder.iterdir())
    return sorted(name[: -len(".yaml")] for name in found if name.endswith(".yaml"))


def is_path(name: str) -> bool:
    """Whether `name` is a path and not a shipped name: never both."""
    return "/" in name or "\\" in name or Path(name).suffix != ""


def read(kind: Kind, name: str) -> tuple[str, str]:
    """The YAML text of a definition and the place to name in messages. Raises SpecError."""
    singular = kind[:-1]
    if is_path(name):
        path = Path(name).expanduser()
        try:
            return path.read_text(encoding="utf-8"), str(path)
        except FileNotFoundError:
            raise SpecError(
                f"{path}: there is no such {singular} file. A shipped {singular} is named "
                f"without slash and suffix: {', '.join(names(kind))}"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(f"{path}: cannot read this {singular} file: {error}") from None
    if name not in names(kind):
        raise SpecError(
            f"there is no shipped {singular} '{name}'.{closest(name, names(kind))} "
            f"Shipped: {', '.join(names(kind))}. A file of your own needs a slash or a suffix: "
            f"./{name}.yaml"
        )
    folder = resources.files(importlib.import_module(f"cnnedge.{kind}"))
    return (folder / f"{name}.yaml").read_text(encoding="utf-8"), f"{kind}/{name}.yaml"
