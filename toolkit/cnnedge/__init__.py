"""cnnedge: from a folder of pictures to a small, fast, measured model on a phone or a board.

    model = cnnedge.load("int8.tflite")
    prediction = model(frame)          # a BGR frame, as OpenCV delivers it
    prediction.label, prediction.score, prediction.top(5)
    for step in model.stream(0):       # a camera; or a video, a stream, a folder
        step.prediction.label, step.age_ms

These names are imported when they are first used, so that `import cnnedge` stays fast.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ._version import __version__
from .lazy import names_from

# OpenCV reads this once, when it is first imported: a picture of 30,000 x 30,000 pixels is refused
# by its header, before its 2.7 GB are decoded.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))

if TYPE_CHECKING:
    from .benchmark import bench
    from .bundle import Guest
    from .classifier import Classifier, Prediction, Score
    from .engines import Runtime
    from .errors import CnnedgeError
    from .model import Model, load
    from .pipeline import Step, Timings

__all__ = [
    "Classifier",
    "CnnedgeError",
    "Guest",
    "Model",
    "Prediction",
    "Runtime",
    "Score",
    "Step",
    "Timings",
    "__version__",
    "bench",
    "load",
]

_HOMES = {
    "Classifier": "classifier",
    "CnnedgeError": "errors",
    "Guest": "bundle",
    "Model": "model",
    "Prediction": "classifier",
    "Runtime": "engines",
    "Score": "classifier",
    "Step": "pipeline",
    "Timings": "pipeline",
    "bench": "benchmark",
    "load": "model",
}

__getattr__ = names_from(__name__, _HOMES)
