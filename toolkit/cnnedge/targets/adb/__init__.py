"""Android phones over adb: the system's client, always by serial.

A profile enters; an AdbTarget leaves, which measures with a benchmark_model on the phone.
"""

from .downloads import download
from .target import AdbTarget

__all__ = ["AdbTarget", "download"]
