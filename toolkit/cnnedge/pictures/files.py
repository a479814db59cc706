"""Which files count as pictures, for both training and `cnnedge run`."""

from __future__ import annotations

import os

from .contents import sniffed
from .suffixes import CONCATENATED_JPEGS, PICTURE_SUFFIXES


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file counts as a picture: by its suffix, or else by its first bytes.

    A file with a picture's suffix is not opened: a folder of thousands is listed at once, and
    a file that turns out not to be a picture is reported when it is read.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix in PICTURE_SUFFIXES:
        return True
    if suffix in CONCATENATED_JPEGS:
        return False
    try:
        return sniffed(path).kind == "picture"
    except OSError:
        return False
