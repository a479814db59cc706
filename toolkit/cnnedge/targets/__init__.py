"""Devices: this machine, boards over ssh, phones over adb, browsers; each with the same verbs.

A word of --device enters; an opened Target leaves.
"""

from ..child_process import Completed
from .base import Finding, Target
from .opening import Served, open_device
from .profiles import Named, all_names, find, user_folder

__all__ = [
    "Completed",
    "Finding",
    "Named",
    "Served",
    "Target",
    "all_names",
    "find",
    "open_device",
    "user_folder",
]
