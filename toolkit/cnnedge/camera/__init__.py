"""Where frames come from: cameras, videos, streams, pictures, folders, globs and `sample`.

The text of --source enters; a source leaves that yields frames: BGR uint8 [h, w, 3]. A live
source (camera, stream) delivers its newest frame, counts what was dropped and comes back when it
was cut; a file delivers every frame in order.
"""

from .animations import AnimationSource
from .capture import BACKENDS
from .frames import (
    RETRY_SECONDS,
    ROTATIONS,
    STALL_SECONDS,
    CaptureOptions,
    Frame,
    Say,
    Source,
)
from .live import Address, LiveSource
from .opening import open_source
from .sample import SAMPLE_FPS, SAMPLE_SECONDS, SampleSource
from .stills import PictureSource
from .videos import VideoSource

__all__ = [
    "BACKENDS",
    "RETRY_SECONDS",
    "ROTATIONS",
    "SAMPLE_FPS",
    "SAMPLE_SECONDS",
    "STALL_SECONDS",
    "Address",
    "AnimationSource",
    "CaptureOptions",
    "Frame",
    "LiveSource",
    "PictureSource",
    "SampleSource",
    "Say",
    "Source",
    "VideoSource",
    "open_source",
]
