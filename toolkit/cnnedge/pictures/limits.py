"""How large a picture and its file may be."""

from __future__ import annotations

from ..errors import DataError

# The package itself asks OpenCV for this limit, by the header; `checked` looks again, in case
# OpenCV was imported before cnnedge.
MAX_PIXELS = 2**27
# That many pixels without compression, of 64 bits each.
MAX_BYTES = 2**30
TOO_LARGE = f"the picture is too large; the limit is {MAX_PIXELS:,} pixels. Make it smaller"


def check_size(width: int, height: int, name: str) -> None:
    """Raises DataError for a picture of more than MAX_PIXELS, or of none."""
    if width <= 0 or height <= 0:
        raise DataError(f"{name}: the picture has no pixels ({width}x{height}); replace it")
    if width * height > MAX_PIXELS:
        raise DataError(f"{name}: {TOO_LARGE}")
