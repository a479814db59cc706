"""Picture files to pixels, as a person sees them; what a file is, by its content.

A path or a file's bytes enter; uint8 [h, w, 3] BGR leaves: Pillow's pixels, turned upright, with
transparency laid over white. OpenCV decodes the plain JPEGs and PNGs of which it gives the same
pixels faster. Whatever cannot be read raises DataError with the path and the reason.
"""

from .animation import Animation
from .contents import MAX_PIXELS, UNKNOWN, Content, content_of, sniffed
from .files import CONCATENATED_JPEGS, PICTURE_SUFFIXES, VIDEO_SUFFIXES, is_picture
from .reading import Frame, Picture, read_picture, read_with_rest
from .walking import Below, Entries, PassedOver, below, entries, is_hidden, matching, natural_key

__all__ = [
    "CONCATENATED_JPEGS",
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "UNKNOWN",
    "VIDEO_SUFFIXES",
    "Animation",
    "Below",
    "Content",
    "Entries",
    "Frame",
    "PassedOver",
    "Picture",
    "below",
    "content_of",
    "entries",
    "is_hidden",
    "is_picture",
    "matching",
    "natural_key",
    "read_picture",
    "read_with_rest",
    "sniffed",
]
