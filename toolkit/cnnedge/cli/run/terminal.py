"""How a run goes, drawn in the terminal.

Steps enter; for pictures one line each leaves on stdout, for the windows of a signal one where the
label changes, for moving pictures one line that
changes, on stderr, and nothing where nobody would see it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ... import figures
from ...camera import Source
from ...classifier import PRESENT_FROM, Prediction
from ...errors import one_line
from ...live.answers import described
from ...live.labelling import Model
from ...picture_model import Picture
from ...pipeline import Step, Timings
from ...raw_model import RawOutputs
from .. import output
from ..progress import clock
from ..runtime import note_assumptions
from .summary import say_choice

_REFRESH_SECONDS = 0.1


class RunTerminal:
    """A run's own lines, and notes between them from any thread.

    silent: stdout belongs to JSON.
    """

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self._notes = output.progress_console()
        self._live: Live | None = None
        self._source: Source | None = None
        self._last = ""
        self._drawn = 0.0

    def loaded(self, models: Sequence[Model]) -> None:
        """Says what the file did not, and what `auto` took."""
        note_assumptions(models[0])
        say_choice(models[0].engine.delegate, self.note)

    def follow(self, source: Source) -> None:
        """Begins the line that changes, unless lines of pictures are printed instead."""
        self._source = source
        if self._notes.is_terminal and (self._silent or not source.pictures):
            self._live = Live(console=self._notes, transient=True, refresh_per_second=10)
            self._live.start()

    def stop(self) -> None:
        """Takes the changing line away."""
        if self._live:
            self._live.stop()
        self._live = None

    def note(self, text: str) -> None:
        """One line on stderr, above the changing one."""
        self._notes.print(Text(one_line(text), style="dim"), highlight=False, soft_wrap=True)

    def step(self, step: Step, timings: Timings, top: int) -> None:
        """Says what a frame was."""
        assert self._source is not None
        if self._source.pictures and not self._silent and self._is_news(step):
            line = Text(f"{one_line(step.frame.name)}: ").append_text(_answer(step, top))
            output.results().print(line, soft_wrap=True)
        elif self._live:
            now = time.perf_counter()
            if now - self._drawn >= _REFRESH_SECONDS:
                self._drawn = now
                self._live.update(_progress(step, timings, top, self._source))

    def _is_news(self, step: Step) -> bool:
        """Of windows that slide along a signal, those whose label is another than before."""
        answer = step.prediction
        if step.frame.start is None or not isinstance(answer, Prediction) or not answer.finite:
            return True
        before, self._last = self._last, answer.label
        return bool(answer.label != before)


def _progress(step: Step, timings: Timings, top: int, source: Source) -> Table:
    line = Table.grid(padding=(0, 2))
    line.add_column(no_wrap=True)
    total, fps = source.total, timings.fps
    parts = [f"frame {step.frame.index + 1:,}", f"{fps:,.0f} frames/s"]
    cells: list[ProgressBar | Text] = []
    if total:
        parts[0] += f" of {total:,}"
        left = (total - step.frame.index - 1) / fps if fps else 0.0
        parts.append(f"{clock(left)} left")
        cells.append(ProgressBar(total, step.frame.index + 1, width=24))
    if not source.pictures:
        parts.append(f"age {figures.milliseconds(step.age_ms)}")
    if source.live:
        parts.append(f"{source.dropped + timings.dropped:,} dropped")
    cells.append(Text("  ".join(parts)))
    answer = _answer(step, top)
    answer.no_wrap, answer.overflow = True, "ellipsis"
    line.add_row(*cells, answer)
    return line


def _answer(step: Step, top: int) -> Text:
    """The answer in one line, the best first."""
    if isinstance(step.prediction, RawOutputs):
        return Text("  ".join(described(o) for o in step.prediction))
    answer = step.prediction
    if isinstance(answer, Picture) and answer.finite:
        height, width = answer.pixels.shape[:2]
        return Text(f"a picture of {width} x {height} pixels")
    if not answer.finite:
        return Text("no result: NaN or infinity", style="red")
    best = answer.top(top)
    line = Text()
    for place, score in enumerate(best):
        there = score.score >= PRESENT_FROM if answer.independent else place == 0
        text = f"{score.label} {score.score:.1%}" if answer.graded else score.label
        line.append(f"{'  ' if place else ''}{text}", style="bold" if there else "dim not bold")
    return (
        line
        if best[0].score >= PRESENT_FROM or not answer.independent
        else (Text(f"none at {PRESENT_FROM:.0%} or more:  ").append_text(line))
    )
