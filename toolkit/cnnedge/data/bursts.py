"""The names of pictures that were shot in one go.

`cnnedge teach` names a picture burst-ID-NUMBER.jpg. The pictures of a burst differ by a moment: a
model that learnt one of them has as good as seen the others.
"""

from __future__ import annotations

import os
import re

_NAME = re.compile(r"burst-([0-9a-z]{8,32})-[0-9]{1,6}\.[A-Za-z]{3,5}")
ID = re.compile(r"[0-9a-z]{8,32}")


def burst_of(path: str) -> str | None:
    """The ID in a picture's name; None for a picture of no burst."""
    found = _NAME.fullmatch(os.path.basename(path))
    return found[1] if found else None


def burst_name(burst: str, number: int) -> str:
    """The file name of picture `number`, from 0, of the burst of that ID (see `ID`)."""
    return f"burst-{burst}-{number:04d}.jpg"
