"""The model of the Python API: called with a frame, or iterated over a source.

The path of a .tflite classifier enters, a Model leaves; `cnnedge.load` is this module's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from .bundle import Guest, ModelFile
from .bundle.guest import NO_GUEST
from .camera import Source, open_source
from .classifier import Classifier
from .engines import AgreementCheck, Engine, Runtime
from .errors import CnnedgeError
from .picture_model import Drawer, load_answering
from .pipeline import LIVE_SECONDS, Limits, Smoothing, Step, Timings, Wanted, label_frames


class _Streaming:
    """What models have in common, whatever they answer: workers, and a source that is streamed."""

    _again: Callable[[], Any]
    _others: list[Any]

    def workers(self: Any, count: int) -> list[Any]:
        """This model and further interpreters of the same file and settings, `count` in all.

        They are kept: a second call loads none twice, and `close` closes them.
        """
        _check_workers(count)
        while len(self._others) < count - 1:
            self._others.append(self._again())
        return [self, *self._others[: count - 1]]

    def stream(
        self: Any,
        source: str | int | Path | Source = 0,
        *,
        smooth: float | None = None,
        frames: int | None = None,
        duration: float | None = None,
        workers: int = 1,
        timings: Timings | None = None,
        allow_disagreement: bool = False,
    ) -> Generator[Step, None, None]:
        """Answers the frames of a source: one Step each, in order.

        source: what `cnnedge run --source` accepts (a camera's index, a file, a folder, a stream,
        "sample"), which is closed at the end; of a model that takes signals a .csv file, "-" or
        "sample", windows half a window apart; or an open Source, which is not. smooth: seconds of
        the labels' time constant, 0 for none; None: half a second for a live source, none for
        files. frames, duration: when to stop. workers: the number of interpreters that work in
        parallel, for files and folders. timings: filled while labelling. allow_disagreement:
        continue with a delegate whose first results differ from the CPU's.

        Raises SourceError, GateError, ModelError if the model returns no numbers, and
        CnnedgeError for invalid settings and for workers with a live source.
        """
        _check_settings(smooth=smooth, frames=frames, duration=duration)
        _check_workers(workers)
        with ExitStack() as stack:
            signals = self.model.signal_size
            if isinstance(source, (str, int, Path)):
                if signals is None:
                    source = open_source(str(source))
                else:
                    from .live.signal_source import open_signals

                    source = open_signals(str(source), signals, None)
                stack.callback(source.close)
            if smooth is None:
                smooth = LIVE_SECONDS if source.live and self.model.picture_answer is None else 0.0
            if smooth and self.model.picture_answer is not None:
                raise CnnedgeError("smooth averages labels, but this model answers pictures")
            steps = label_frames(
                self.workers(workers) if workers > 1 and not source.live else [self] * workers,
                source,
                timings if timings is not None else Timings(),
                Wanted(
                    limits=Limits(frames=frames, duration=duration),
                    smooth=Smoothing(smooth) if smooth else None,
                    check=AgreementCheck(self.model, self.engine, allow=allow_disagreement),
                    in_line=signals is not None,
                ),
            )
            stack.callback(steps.close)
            for step in steps:
                self.numeric(step.measured)
                yield step

    def _close_others(self) -> None:
        for other in self._others:
            other.close()
        self._others.clear()


class Model(_Streaming, Classifier):
    """A loaded classifier: `model(frame)` labels a frame, `model.stream(source)` a source.

    A context manager: leaving it frees the memory. Not thread-safe: only one thread at a time may
    use it, and none while a `stream` of it is open; `workers` returns more, one for each thread.
    """

    def __init__(
        self,
        model: ModelFile,
        engine: Engine,
        *,
        again: Callable[[], Classifier],
        guest: Guest = NO_GUEST,
    ) -> None:
        """again: loads one more interpreter of the same file and settings."""
        super().__init__(model, engine, guest=guest)
        self._again = again
        self._others: list[Classifier] = []

    def close(self) -> None:
        """Frees the memory of this model and of its workers."""
        self._close_others()
        super().close()


class Drawing(_Streaming, Drawer):
    """A loaded model that answers a picture: `model(frame)` is one, uint8 [h, w, 3] BGR or [h, w]
    grey, in the shape of the frame; the predictions of `model.stream(source)` are Pictures.

    A context manager and not thread-safe, as a Model is.
    """

    def __init__(
        self,
        model: ModelFile,
        engine: Engine,
        *,
        again: Callable[[], Drawer],
        guest: Guest = NO_GUEST,
    ) -> None:
        """again: as of a Model."""
        super().__init__(model, engine, guest=guest)
        self._again = again
        self._others: list[Drawer] = []

    def close(self) -> None:
        """Frees the memory of this model and of its workers."""
        self._close_others()
        super().close()


def _check_workers(count: int) -> None:
    if not isinstance(count, int) or count < 1:
        raise CnnedgeError(f"workers: found {count!r}; expected a whole number, 1 or more")


def _check_settings(**settings: float | None) -> None:
    """Smoothing may be 0; frames and duration may not. Raises CnnedgeError."""
    for name, value in settings.items():
        if value is None or value > 0 or (name == "smooth" and value == 0):
            continue
        wanted = "0 or more seconds" if name == "smooth" else "a number above 0, or None"
        raise CnnedgeError(f"{name}: found {value!r}; expected {wanted}")


def load(
    path: str | Path,
    *,
    delegate: str = "auto",
    threads: int = 1,
    engine: str = "auto",
    precision: str = "auto",
    delegate_options: Mapping[str, str] | None = None,
    pixel_range: str | None = None,
    guest: Guest = NO_GUEST,
) -> Model:
    """Loads a .tflite image classifier; of a file that answers pictures a Drawing, which has the
    methods of a Model and answers pictures.

    delegate: `auto`, `cpu`, `gpu`, `nnapi`, `npu`, or the path of a delegate library, with
    delegate_options for it; threads: of the CPU; engine: `auto`, `litert`, `tflite-runtime`,
    `openvino`; precision: of floating-point arithmetic, `auto`, `f32`, `f16`, `bf16`; guest: what
    is known of a third party's model beside its file; pixel_range: of it, what the input takes,
    `0..1`, `-1..1` or `0..255`. What was taken is in `.engine` and `.engine.delegate`. Raises
    ModelError, MissingExtraError, GateError.
    """
    return load_on(
        path,
        Runtime(
            delegate=delegate,
            threads=threads,
            engine=engine,
            precision=precision,
            options=delegate_options or {},
            guest=guest.and_pixel_range(pixel_range),
        ),
    )


def load_on(path: str | Path, runtime: Runtime) -> Model:
    """The same, of settings that are one value already."""
    loaded = load_answering(path, runtime)

    def again() -> Any:
        return load_answering(path, runtime, known=True)

    if isinstance(loaded, Drawer):
        drawing = Drawing(loaded.model, loaded.engine, guest=loaded.guest, again=again)
        # What nearly all files are decides the type: nobody is to ask a classifier what it is.
        return cast(Model, drawing)
    return Model(loaded.model, loaded.engine, guest=loaded.guest, again=again)
