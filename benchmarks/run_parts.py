"""What the benchmarks of `cnnedge run` share: the model, the videos, and each way to label one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from bench_vs_litert import mobilenet

from cnnedge.bundle import write_model
from cnnedge.camera import SampleSource, VideoSource
from cnnedge.classifier import Classifier
from cnnedge.pipeline import Timings, label_frames
from cnnedge.specs import InputSize

Size = tuple[int, int]

VGA: Size = (640, 480)
CODECS = {"mpeg4": (".mp4", "mp4v"), "jpeg": (".avi", "MJPG")}
INVOCATIONS = 100


def packed(folder: Path, side: int, interpolation: str) -> Path:
    """The model with labels and its resize rule inside, as `cnnedge convert` would write it."""
    path = folder / f"mobilenet_v2_{side}_{interpolation}.tflite"
    write_model(
        path,
        mobilenet(folder, "int8", side).read_bytes(),
        labels=[f"class {i}" for i in range(1000)],
        size=InputSize(height=side, width=side),
        provenance={"preprocess": {"resize": "stretch", "interpolation": interpolation}},
    )
    return path


def film(folder: Path, frames: int, size: Size = VGA, codec: str = "mpeg4") -> Path:
    """The built-in moving scene as a video: MPEG-4, or JPEGs as most USB cameras send them."""
    width, height = size
    suffix, fourcc = CODECS[codec]
    path = folder / f"bench_{width}x{height}_{codec}_{frames}{suffix}"
    if not path.exists():
        part = path.with_stem(f"{path.stem}.part")
        writer = cv2.VideoWriter(str(part), cv2.VideoWriter.fourcc(*fourcc), 30.0, size)
        for frame in itertools.islice(_scene(), frames):
            large = frame if size == VGA else cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC)
            writer.write(large)
        writer.release()
        part.rename(path)
    return path


def _scene() -> Iterator[np.ndarray]:
    while True:
        for frame in SampleSource():
            yield frame.pixels


def bare(model: Classifier) -> list[float]:
    """Milliseconds of single invocations."""
    samples = []
    for _ in range(INVOCATIONS):
        begin = time.perf_counter()
        model.infer()
        samples.append((time.perf_counter() - begin) * 1000)
    return samples


def ours(models: list[Classifier], video: Path, answers: list[int]) -> tuple[float, Timings]:
    """Frames per second of the pipeline."""
    source, timings = VideoSource(video), Timings()
    begin = time.perf_counter()
    answers[:] = [step.prediction.index for step in label_frames(models, source, timings)]
    seconds = time.perf_counter() - begin
    source.close()
    return timings.frames / seconds, timings


def loop(model: Path, video: Path, answers: list[int]) -> float:
    """Frames per second of a plain loop."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model), num_threads=1)
    interpreter.allocate_tensors()
    into, shape = (interpreter.get_input_details()[0][key] for key in ("index", "shape"))
    side = (int(shape[2]), int(shape[1]))
    out = interpreter.get_output_details()[0]["index"]
    interpreter.invoke()
    capture = cv2.VideoCapture(str(video))
    answers.clear()
    begin = time.perf_counter()
    while True:
        ok, frame = capture.read()
        if not ok:
            break
        pixels = cv2.cvtColor(cv2.resize(frame, side), cv2.COLOR_BGR2RGB)
        interpreter.set_tensor(into, pixels[np.newaxis])
        interpreter.invoke()
        answers.append(int(interpreter.get_tensor(out).argmax()))
    return len(answers) / (time.perf_counter() - begin)
