"""Live labelling: sources labelled frame by frame, in a window, in files and as lines of JSON."""

from .labelling import Audience, Labels, Outlets
from .session import Finished, Nobody, Session, label

__all__ = [
    "Audience",
    "Finished",
    "Labels",
    "Nobody",
    "Outlets",
    "Session",
    "label",
]
