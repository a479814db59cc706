"""Where annotated frames go: a live window, a video, pictures.

Annotated BGR frames enter; a window shows them or files appear, whole or not at all.
"""

from .files import Sink, open_sink, write_picture
from .pacing import Paced
from .window import Window, WindowState

__all__ = ["Paced", "Sink", "Window", "WindowState", "open_sink", "write_picture"]
