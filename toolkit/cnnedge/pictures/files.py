"""Which files are taken as pictures, for training and for `cnnedge run` alike."""

from __future__ import annotations

import os

from .contents import sniffed
from .suffixes import CONCATENATED_JPEGS, PICTURE_SUFFIXES


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file is taken as a picture: by its suffix, or else by its first bytes.

    A file with a picture's suffix is not opened: a folder of thousands is listed at once, and
    what turns out to be no picture is said when it is read.
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
