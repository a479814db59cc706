"""A whole run: a model is loaded, a source opened and labelled, shown and kept, and all is closed.

session = Session(model="int8.tflite", source="clip.mp4", outlets=Outlets(save="out.mp4"))
finished = label(session)
finished.result.fps, finished.result.stages_ms.inference.median
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..camera import CaptureOptions, Source, open_source
from ..engines import Runtime
from ..errors import OptionError, one_line
from ..picture_model import Drawer
from ..pipeline import LIVE_SECONDS, Limits, RunResult, Step, Timings
from ..specs.signals import SignalSize
from .answers import json_lines
from .labelling import Audience, Labelling, Labels, Loading, Model, Outlets
from .watching import Watching


@dataclass(frozen=True, kw_only=True)
class Session:
    """What is labelled, how, and where the answers go.

    model: the path of a .tflite. source: as `cnnedge run --source` takes it. step: of a model that
    takes signals, values from one window to the next; half a window when None. loop: a file or
    folder begins again at its end. keep: the result holds the answers of all frames, unless the
    source never ends.
    """

    model: str
    source: str
    step: int | None = None
    runtime: Runtime = Runtime()
    capture: CaptureOptions = CaptureOptions()
    loop: bool = False
    labels: Labels = Labels()
    outlets: Outlets = Outlets()
    limits: Limits = Limits()
    keep: bool = True


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a run came to. live, pictures: of its source. unanswered: frames for which the model
    gave no numbers. lost: why the source ended before its time. noun: what a frame is. answer: what
    its answer is."""

    result: RunResult
    live: bool
    pictures: bool
    unanswered: int = 0
    lost: str = ""
    noun: str = "frame"
    answer: str = "label"


class Nobody:
    """The audience of a run that tells nothing while it goes on."""

    def note(self, text: str) -> None:
        """Nothing is said."""

    def loaded(self, models: Sequence[Model]) -> None:
        """Nothing is said."""

    def follow(self, source: Source) -> None:
        """Nothing is said."""

    def step(self, step: Step, timings: Timings, top: int) -> None:
        """Nothing is said."""

    def stop(self) -> None:
        """Nothing is said."""


_NOBODY = Nobody()


def label(session: Session, audience: Audience = _NOBODY) -> Finished:
    """Labels until the source, a limit, Ctrl-C or the person at the window ends it.

    Raises ModelError, SourceError, GateError, MissingExtraError, and OptionError for labels
    smoothed over separate pictures.
    """
    outlets, runtime = session.outlets, session.runtime
    loading = Loading(
        path=session.model,
        raw=session.labels.raw,
        look=session.labels.look,
        workers=session.labels.workers,
        runtime=runtime,
    )
    with contextlib.ExitStack() as stack:
        stack.callback(audience.stop)
        models = loading.load(runtime.delegate)
        audience.loaded(models)
        signals = models[0].model.signal_size
        drawn = isinstance(models[0], Drawer)
        source = _opened(session, signals, audience)
        stack.callback(source.close)
        run = Labelling(
            loading=loading,
            delegate=runtime.delegate,
            models=models,
            audience=audience,
            top=session.labels.top,
            smooth=_smoothing(session, source, drawn=drawn),
            limits=session.limits,
            keep_answers=session.keep and not (source.live or session.loop),
        )
        title = f"cnnedge: {one_line(Path(session.model).name)}"
        watching = stack.enter_context(
            Watching(source, audience.note, show=outlets.show, save=outlets.save, title=title)
        )
        if outlets.jsonl:
            run.lines = stack.enter_context(json_lines(outlets.jsonl))
        audience.follow(watching.source)
        try:
            run.label(watching)
        except KeyboardInterrupt:
            audience.note("stopped")
        audience.stop()
    return Finished(
        result=run.result(source, outlets),
        live=source.live,
        pictures=source.pictures,
        unanswered=run.unanswered,
        lost=source.lost or "",
        noun="frame" if signals is None else signals.noun,
        answer="picture" if drawn else "label",
    )


def _opened(session: Session, signals: SignalSize | None, audience: Audience) -> Source:
    """The source of what the model takes. Raises SourceError, and OptionError for what is of the
    other kind."""
    if signals is None:
        if session.step is not None:
            raise OptionError("--step slides windows along a signal, but MODEL takes pictures.")
        return open_source(
            session.source, options=session.capture, say=audience.note, loop=session.loop
        )
    given = {
        "--show": session.outlets.show,
        "--save": session.outlets.save,
        "--loop": session.loop,
        "--smooth": session.labels.smooth,
        "the options of cameras": session.capture != CaptureOptions(),
    }
    for name in (name for name, value in given.items() if value):
        verb = "are" if name.startswith("the") else "is"
        raise OptionError(f"{name} {verb} for pictures, but MODEL takes signals.")
    # The first label of a picture must not wait for it.
    from .signal_source import open_signals

    return open_signals(session.source, signals, session.step)


def _smoothing(session: Session, source: Source, *, drawn: bool) -> float:
    """Seconds of the labels' time constant; 0 for none. drawn: the answers are pictures."""
    asked, raw = session.labels.smooth, session.labels.raw or drawn
    if asked and drawn:
        raise OptionError("--smooth averages labels, but MODEL answers pictures; remove it.")
    if asked and source.pictures:
        raise OptionError(
            "--smooth averages over time, and these are separate pictures; remove it."
        )
    if asked is not None:
        return asked
    moving = source.live or (session.outlets.show and not source.pictures)
    return LIVE_SECONDS if moving and not raw else 0.0
