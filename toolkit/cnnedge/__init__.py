"""cnnedge: from a folder of pictures to a small, fast, measured model on a phone or a board."""

from ._version import __version__

__all__ = ["__version__"]
