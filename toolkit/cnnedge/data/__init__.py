"""Labelled pictures: image folders, IDX, NPZ, CSV and named sets, checked, split, streamed.

A source enters; a `Dataset` leaves, and model input pixels by index through `Pixels`; the same of
one-dimensional signals through `Signals`.
"""

from .dataset import Dataset, Part, calibration_indices
from .pixels import Pixels
from .signals import Samples, Signals, pixels_of, samples_of
from .sources import load_dataset
from .store import Skipped, content_hash
from .ties import Ties

__all__ = [
    "Dataset",
    "Part",
    "Pixels",
    "Samples",
    "Signals",
    "Skipped",
    "Ties",
    "calibration_indices",
    "content_hash",
    "load_dataset",
    "pixels_of",
    "samples_of",
]
