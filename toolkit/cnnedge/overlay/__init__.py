"""What a model says, drawn onto the frame: for the live window and for saved pictures and videos.

A BGR frame and a readout enter; a new annotated picture leaves.
"""

from .heat import heated
from .layout import annotated, live_view, window_size
from .readout import QUIET, Figure, Messages, Readout

__all__ = [
    "QUIET",
    "Figure",
    "Messages",
    "Readout",
    "annotated",
    "heated",
    "live_view",
    "window_size",
]
