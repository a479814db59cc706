"""Frames to labels: staged over threads, timed per stage, smoothed over time.

A source and a model enter (or several, as parallel workers); one Step per frame leaves, and a
summary in the form of the run contract at the end.
"""

from .labelling import label_frames
from .outcome import MOST_PREDICTIONS, prediction_json, summary
from .smoothing import SmoothedPrediction, Smoothing
from .step import STAGES, FrameModel, Step
from .timings import Samples, Timings

__all__ = [
    "MOST_PREDICTIONS",
    "STAGES",
    "FrameModel",
    "Samples",
    "SmoothedPrediction",
    "Smoothing",
    "Step",
    "Timings",
    "label_frames",
    "prediction_json",
    "summary",
]
