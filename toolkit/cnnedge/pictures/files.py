"""Which files count as pictures, for both training and `cnnedge run`.

A suffix only saves opening a file while files are listed, and settles what its bytes leave open:
its content decides what a file is.
"""

from __future__ import annotations

import os

from .contents import sniffed

# What Pillow reads and runs nothing for, and HEIF.
PICTURE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".bmp", ".dib", ".gif"),
        *(".webp", ".tif", ".tiff", ".heic", ".heif", ".hif", ".avif", ".avifs"),
        *(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".qoi", ".psd", ".tga", ".icb"),
        *(".vda", ".vst", ".pcx", ".dcx", ".ico", ".cur", ".icns", ".dds", ".blp", ".ftc"),
        *(".ftu", ".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".sgi", ".rgb", ".rgba", ".bw"),
        *(".ras", ".fit", ".fits", ".fli", ".flc", ".gbr", ".im", ".msp", ".pcd", ".pxr"),
        *(".xbm", ".xpm"),
    }
)
# A sequence of JPEGs: each of them looks like a picture.
CONCATENATED_JPEGS = frozenset({".mjpg", ".mjpeg"})
VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".mts", ".m2ts"),
        *(".ts", ".3gp", ".wmv", ".flv", ".ogv", ".h264", ".264", ".hevc", ".h265", ".y4m"),
        *CONCATENATED_JPEGS,
    }
)


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
