"""Frames to labels: staged over threads, timed per stage, smoothed over time.

A source and a model enter (or several, as parallel workers); one Step per frame leaves, and a
summary in the form of the run contract at the end.
"""

from .labelling import Limits, Wanted, label_frames
from .result import (
    MOST_PREDICTIONS,
    FrameAnswer,
    FrameLine,
    OutputSaid,
    PictureSaid,
    RunResult,
    Said,
    Segment,
    answer_of,
    summary,
)
from .smoothing import LIVE_SECONDS, SmoothedPrediction, Smoothing
from .step import STAGES, FrameModel, Step
from .timings import Samples, Timings

__all__ = [
    "LIVE_SECONDS",
    "MOST_PREDICTIONS",
    "STAGES",
    "FrameAnswer",
    "FrameLine",
    "FrameModel",
    "Limits",
    "OutputSaid",
    "PictureSaid",
    "RunResult",
    "Said",
    "Samples",
    "Segment",
    "SmoothedPrediction",
    "Smoothing",
    "Step",
    "Timings",
    "Wanted",
    "answer_of",
    "label_frames",
    "summary",
]
