"""How a run goes, drawn in the terminal.

Steps enter; for pictures one line each leaves on stdout, for moving pictures one line that
changes, on stderr, and nothing where nobody would see it.
"""

from __future__ import annotations

import time

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..camera import Source
from ..errors import one_line
from ..pipeline import Step, Timings
from . import output
from .answers import as_text
from .progress import clock

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
        self._drawn = 0.0

    def __enter__(self) -> RunTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

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
        if self._source.pictures and not self._silent:
            line = Text(f"{one_line(step.frame.name)}: ").append_text(as_text(step, top))
            output.results().print(line, soft_wrap=True)
        elif self._live:
            now = time.perf_counter()
            if now - self._drawn >= _REFRESH_SECONDS:
                self._drawn = now
                self._live.update(_progress(step, timings, top, self._source))


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
        parts.append(f"age {output.milliseconds(step.age_ms)}")
    if source.live:
        parts.append(f"{source.dropped + timings.dropped:,} dropped")
    cells.append(Text("  ".join(parts)))
    answer = as_text(step, top)
    answer.no_wrap, answer.overflow = True, "ellipsis"
    line.add_row(*cells, answer)
    return line
