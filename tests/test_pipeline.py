"""Frames to labels over threads: in order, fresh, nothing lost, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import cnnedge as package
from cnnedge.camera import Frame, SampleSource, open_source
from cnnedge.classifier import Classifier, Prediction, load
from cnnedge.errors import CnnedgeError, GateError, SourceError
from cnnedge.pipeline import (
    STAGES,
    Limits,
    Samples,
    Smoothing,
    Timings,
    Wanted,
    label_frames,
    summary,
)
from cnnedge.pipeline.timings import EXACT_SAMPLES
from support.command import cnnedge

LABELS = ("a", "b", "c")


def picture(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (30, 40, 3)).astype(np.uint8)


class Reel:
    """Numbered frames. every: seconds from one to the next, of a camera that waits for nobody."""

    name = "reel"
    pictures = False
    skipped: tuple[str, ...] = ()
    lost = None
    reconnects = 0
    fps = 30.0

    def __init__(
        self, count: int | None = None, every: float = 0.0, fails_at: int | None = None
    ) -> None:
        self.total = count
        self.live = every > 0
        self.dropped = 0
        self.closed = False
        self.given = 0
        self._every = every
        self._fails_at = fails_at
        self._next = 0
        self._started = time.perf_counter()

    def __iter__(self) -> Iterator[Frame]:
        while self.total is None or self._next < self.total:
            if self.live:
                self._catch_up()
            if self._fails_at is not None and self._next >= self._fails_at:
                raise SourceError("the cable is out")
            index, self._next = self._next, self._next + 1
            self.given += 1
            yield Frame(picture(index), index, f"reel#{index}", time.perf_counter())

    def _catch_up(self) -> None:
        """Waits for the next frame, or drops the ones that were missed."""
        arrived = int((time.perf_counter() - self._started) / self._every)
        arrived = min(arrived, (self.total or arrived + 1) - 1)
        self.dropped += max(0, arrived - self._next)
        self._next = max(arrived, self._next)
        time.sleep(max(0.0, self._started + self._next * self._every - time.perf_counter()))

    def close(self) -> None:
        self.closed = True


class Slow(Classifier):
    """A classifier that takes its time, and may fail. seconds: one for each inference in turn."""

    seconds: tuple[float, ...] = (0.0,)
    fails: tuple[str, int] = ("", -1)
    calls = 0
    decoded = 0

    def _maybe(self, stage: str, call: int) -> None:
        if self.fails == (stage, call):
            raise ArithmeticError(f"{stage} broke")

    def prepare(self, frame: Any, out: Any = None) -> Any:
        self._maybe("prepare", int((frame == picture(3)).all()))
        return super().prepare(frame, out)

    def infer(self) -> Any:
        self._maybe("infer", self.calls)
        time.sleep(self.seconds[self.calls % len(self.seconds)])
        self.calls += 1
        return super().infer()

    def decode(self, raw: Any) -> Prediction:
        # Its own count: by now the next inference may have begun.
        self._maybe("decode", self.decoded)
        self.decoded += 1
        return super().decode(raw)


@pytest.fixture
def slow(plain_models: dict[str, Path]) -> Callable[..., Slow]:
    def make(*seconds: float, variant: str = "int8") -> Slow:
        loaded = load(plain_models[variant])
        model = Slow(loaded.model, loaded.engine)
        model.seconds = seconds or (0.0,)
        return model

    return make


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [t.name for t in threading.enumerate() if t.name.startswith("cnnedge")]


def indices(steps: Iterator[Any]) -> list[int]:
    return [step.frame.index for step in steps]


@pytest.mark.parametrize("variant", ["int8", "float32"])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_frame_of_a_file_in_order(
    plain_models: dict[str, Path], variant: str, workers: int
) -> None:
    alone = load(plain_models[variant])
    expected = [alone(frame.pixels).scores for frame in islice(SampleSource(), 90)]
    models = [load(plain_models[variant]) for _ in range(workers)]
    timings = Timings()
    steps = list(label_frames(models, SampleSource(), timings, Wanted(limits=Limits(frames=90))))
    assert [step.frame.index for step in steps] == list(range(90))
    assert all((s.prediction.scores == e).all() for s, e in zip(steps, expected, strict=True))
    assert all(step.prediction is step.measured for step in steps)
    assert timings.frames == 90
    assert timings.dropped == 0
    for step in steps:
        assert tuple(step.stages_ms) == STAGES
        assert step.inference_ms == step.stages_ms["inference"] > 0
        assert step.age_ms > step.inference_ms


def test_workers_of_unequal_speed_keep_the_order(slow: Callable[..., Slow]) -> None:
    models = [slow(0.02), slow(0.0), slow(0.001, 0.01)]
    assert indices(label_frames(models, Reel(60), Timings())) == list(range(60))
    assert models[1].calls > models[0].calls


def test_a_slow_caller_holds_up_a_file(slow: Callable[..., Slow]) -> None:
    for models in ([slow()], [slow(), slow()]):
        reel = Reel()
        steps = label_frames(models, reel, Timings())
        next(steps)
        time.sleep(0.2)
        assert reel.given < 10
        steps.close()


def test_one_picture(slow: Callable[..., Slow]) -> None:
    before = threading.active_count()
    for step in label_frames(slow(), Reel(1), Timings()):
        assert threading.active_count() == before
        assert step.frame.index == 0


def test_what_was_read_ahead_comes_first_in_the_next_call(slow: Callable[..., Slow]) -> None:
    for models in ([slow()], [slow(), slow()]):
        reel, timings, found = Reel(40), Timings(), []
        for stop in (1, 6, 7, 20, 99):
            steps = label_frames(models, reel, timings)
            for step in steps:
                found.append(step.frame.index)
                if len(found) == stop:
                    break
            steps.close()
            time.sleep(0.02)
        assert found == list(range(40))
        assert timings.frames == 40
        assert not reel.closed


def test_as_many_frames_as_asked_for_and_none_lost(slow: Callable[..., Slow]) -> None:
    reel, timings = Reel(30), Timings()
    assert indices(label_frames(slow(), reel, timings, Wanted(limits=Limits(frames=5)))) == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert reel.given == 5
    assert indices(label_frames(slow(), reel, timings, Wanted(limits=Limits(frames=5)))) == []
    assert indices(label_frames(slow(), reel, timings, Wanted(limits=Limits(frames=7)))) == [5, 6]


def test_a_duration(slow: Callable[..., Slow]) -> None:
    assert indices(label_frames(slow(0.01), Reel(), Timings(), Wanted(limits=Limits(duration=0.3))))
    assert indices(
        label_frames(slow(0.01), Reel(every=0.02), Timings(), Wanted(limits=Limits(duration=0.3)))
    )


def test_a_camera_that_gives_nothing_ends_when_the_time_is_over(slow: Callable[..., Slow]) -> None:
    class Stuck(Reel):
        def __iter__(self) -> Iterator[Frame]:
            while not self.closed:
                time.sleep(0.01)
            yield from ()

    stuck = Stuck(every=1.0)
    assert (
        indices(label_frames(slow(), stuck, Timings(), Wanted(limits=Limits(duration=0.1)))) == []
    )
    stuck.close()
    time.sleep(0.1)


def test_a_slow_model_labels_the_newest_frames_of_a_camera(slow: Callable[..., Slow]) -> None:
    reel, timings = Reel(200, every=0.005), Timings()
    found = indices(label_frames(slow(0.05), reel, timings))
    assert found == sorted(set(found))
    # Were frames kept in a queue, the next would follow.
    assert np.median(np.diff(found)) > 3
    assert found[-1] == 199
    assert timings.frames + timings.dropped + reel.dropped == 200
    assert summary(slow(), reel, timings).dropped == timings.dropped + reel.dropped > 100


def test_a_slow_caller_gets_the_newest_frames_of_a_camera(slow: Callable[..., Slow]) -> None:
    timings, found = Timings(), []
    for step in label_frames(slow(), Reel(100, every=0.005), timings):
        found.append(step.frame.index)
        time.sleep(0.05)
    assert np.median(np.diff(found[:-1])) > 3
    assert timings.dropped > 50


def test_a_camera_is_labelled_by_one(slow: Callable[..., Slow]) -> None:
    with pytest.raises(CnnedgeError, match=r"2 workers.*--threads 2"):
        label_frames([slow(), slow()], Reel(5, every=0.01), Timings())


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("live", [False, True])
def test_what_the_source_raises_arrives_behind_the_labels(
    slow: Callable[..., Slow], workers: int, live: bool
) -> None:
    if live and workers > 1:
        return
    steps = label_frames(
        [slow() for _ in range(workers)],
        Reel(20, every=0.02 if live else 0.0, fails_at=4),
        Timings(),
    )
    found = []
    with pytest.raises(SourceError, match="the cable is out"):
        for step in steps:
            found.append(step.frame.index)
    # A camera's frames may have been dropped.
    assert found == sorted(set(found) & {0, 1, 2, 3}) if live else found == [0, 1, 2, 3]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("fails", [("prepare", 1), ("infer", 3), ("decode", 3)])
def test_what_a_stage_raises_arrives_as_it_is(
    slow: Callable[..., Slow], workers: int, fails: tuple[str, int]
) -> None:
    models = [slow() for _ in range(workers)]
    for model in models:
        # Only where frames are prepared on their own does `prepare` see them.
        model.fails = fails if workers == 1 or fails[0] != "prepare" else ("infer", 3)
    found = []
    with pytest.raises(ArithmeticError, match="broke"):
        for step in label_frames(models, Reel(20), Timings()):
            found.append(step.frame.index)
    assert found == list(range(len(found)))
    assert len(found) >= 3


class Refusing:
    """Stands for a check that finds a delegate wrong at its third frame."""

    done = False
    seen = 0

    def see(self, values: Any, raw: Any) -> None:
        assert values.shape == (1, 16, 16, 3)
        self.seen += 1
        if self.seen == 3:
            raise GateError("the delegate computes something else")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_check_sees_the_first_model(slow: Callable[..., Slow], workers: int) -> None:
    check: Any = Refusing()
    models = [slow(0.001) for _ in range(workers)]
    with pytest.raises(GateError):
        indices(label_frames(models, Reel(50), Timings(), Wanted(check=check)))
    assert check.seen == 3


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as in a terminal: test runners and background shells may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c(slow: Callable[..., Slow], interruptible: None) -> None:
    for source in (Reel(), Reel(every=0.01)):
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        steps = label_frames(slow(0.01), source, Timings())
        with pytest.raises(KeyboardInterrupt):
            indices(steps)
        steps.close()


def test_smoothing_lets_no_odd_frame_through_and_follows_a_change() -> None:
    cat, dog = np.float32([0.9, 0.1, 0.0]), np.float32([0.1, 0.8, 0.1])
    smoothing = Smoothing(0.25)
    shown = []
    for i in range(60):
        scores = dog if i == 10 or i >= 30 else cat
        shown.append(smoothing(Prediction(scores, LABELS), i / 30).label)
    assert shown[:30] == ["a"] * 30
    change = shown.index("b")
    assert 30 < change < 40
    assert shown[change:] == ["b"] * (60 - change)


def test_smoothing_is_the_same_at_any_frame_rate() -> None:
    before, after = np.float32([1, 0, 0]), np.float32([0, 1, 0])
    for fps in (5, 30, 240):
        smoothing = Smoothing(0.5)
        smoothing(Prediction(before, LABELS), 0.0)
        for i in range(1, fps + 1):
            smoothed = smoothing(Prediction(after, LABELS), i / fps)
        assert smoothed.scores == pytest.approx([np.exp(-2), 1 - np.exp(-2), 0], abs=1e-4)
        assert smoothed.scores.dtype == np.float32


def test_two_classes_of_nearly_the_same_score_do_not_flicker() -> None:
    rng = np.random.default_rng(0)
    smoothing = Smoothing(0.1)
    raw, shown = [], []
    for i in range(300):
        scores = np.float32([0.48, 0.49, 0.03]) + rng.normal(0, 0.02, 3).astype(np.float32)
        raw.append(int(scores.argmax()))
        prediction = smoothing(Prediction(scores, LABELS), i / 30)
        shown.append(prediction.index)
        top = prediction.top(2)
        assert top[0].index == prediction.index
        assert top[0].label == prediction.label
        assert top[0].score == prediction.score
        assert len({s.index for s in top}) == 2
    assert np.count_nonzero(np.diff(raw)) > 50
    assert np.count_nonzero(np.diff(shown)) == 0


def test_steps_keep_what_was_measured(slow: Callable[..., Slow]) -> None:
    model = slow()
    smoothed = list(label_frames(model, Reel(20), Timings(), Wanted(smooth=Smoothing(1.0))))
    for step in smoothed:
        assert (step.measured.scores == model(step.frame.pixels).scores).all()
    assert any((s.prediction.scores != s.measured.scores).any() for s in smoothed)
    pictures = Reel(20)
    pictures.pictures = True
    for step in label_frames(model, pictures, Timings(), Wanted(smooth=Smoothing(1.0))):
        assert step.prediction is step.measured


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_smoothing_over_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="time constant"):
        Smoothing(seconds)


def test_statistics_of_an_endless_run() -> None:
    values = np.random.default_rng(0).lognormal(1, 0.7, 3 * EXACT_SAMPLES)
    samples = Samples()
    for count, value in enumerate(values, 1):
        samples.add(float(value))
        if count in (100, EXACT_SAMPLES - 1):
            expected = np.percentile(values[:count], [50, 90, 99])
            found = samples.statistics()
            assert [found[k] for k in ("median", "p90", "p99")] == pytest.approx(list(expected))
    found = samples.statistics()
    expected = np.percentile(values, [50, 90, 99])
    assert [found[k] for k in ("median", "p90", "p99")] == pytest.approx(list(expected), rel=0.01)
    assert found["max"] == values.max()
    assert samples.count == len(values)


def test_an_endless_run_stays_as_large_as_it_is() -> None:
    timings = Timings()

    def more(frames: int) -> None:
        for i in range(frames):
            timings.add(dict.fromkeys(STAGES, 0.1 + i % 97), 2.0 + i % 31)

    more(EXACT_SAMPLES + 1000)
    tracemalloc.start()
    try:
        more(20_000)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()


def test_recent_figures(slow: Callable[..., Slow]) -> None:
    timings = Timings()
    assert timings.recent() == {}
    for _ in label_frames(slow(), Reel(30), timings):
        found = timings.recent()
        assert found.keys() == {*STAGES, "age"}
        for figures in found.values():
            assert 0 <= figures["median"] <= figures["p90"] <= figures["p99"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(7):
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture(i))
    return tmp_path


def test_a_model_streams_pictures(plain_models: dict[str, Path], folder: Path) -> None:
    with package.load(plain_models["int8"]) as model:
        expected = [model(picture(i)).scores for i in range(7)]
        for workers in (1, 2, 2):
            steps = list(model.stream(folder, workers=workers))
            assert all(
                (s.prediction.scores == e).all() for s, e in zip(steps, expected, strict=True)
            )
            assert [Path(s.frame.name).stem for s in steps] == [str(i) for i in range(7)]
        assert len(model.workers(2)) == 2
        assert model.workers(2)[1] is model.workers(3)[1]


def test_a_model_streams_until_the_loop_is_left(plain_models: dict[str, Path]) -> None:
    model = package.load(plain_models["int8"])
    timings = package.Timings()
    for step in model.stream("sample", smooth=0.2, timings=timings):
        if step.frame.index == 3:
            break
    assert not [t.name for t in threading.enumerate() if t.name.startswith("cnnedge")]
    assert timings.frames == 4
    source = open_source("sample")
    assert indices(model.stream(source, frames=3)) == [0, 1, 2]
    assert indices(model.stream(source, frames=2)) == [3, 4]
    with pytest.raises(SourceError, match="no such file"):
        next(model.stream("nowhere.mp4"))


def test_eval_with_workers_gives_the_same(int8_model: Path, shapes: Path) -> None:
    results = []
    for workers in ("1", "2"):
        done = cnnedge("eval", int8_model, "--split", "all", "--workers", workers, "--json", "-")
        assert done.returncode == 0, done.stderr
        results.append(json.loads(done.stdout))
    assert [r.pop("workers") for r in results] == [1, 2]
    assert results[0] == results[1]
