"""The live window: labelled frames enter, the viewer's requests leave."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..camera import Source
from ..display import Paced, Window, write_picture
from ..errors import CnnedgeError
from ..overlay import QUIET, Messages, Readout, live_view, window_size
from ..preprocess import Pixels

Lines = tuple[tuple[str, str], ...]

_HINT_SECONDS = 6.0
_TOAST_SECONDS = 6.0
_TICK_SECONDS = 1 / 30


class _Toast(NamedTuple):
    until: float
    text: str
    passing: bool


class LiveView:
    """Draws the newest labelled frame on a thread of its own, and takes the keys.

    The labelling never waits for the window: a frame that comes while one is being drawn takes its
    place. Pausing stops the frames of a file; a live source is labelled on behind the picture that
    stands still. `closed` once the user has had enough, or `lost` with the reason when the display
    is gone.
    """

    def __init__(self, window: Window, source: Source, say: Callable[[str], None]) -> None:
        self.closed = False
        self.lost = ""
        self._window = window
        self._source = source
        self._paced = source if isinstance(source, Paced) else None
        self._say = say
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._over = threading.Event()
        self._next_delegate = False
        self._frame: Pixels | None = None
        self._count = 0
        self._size = (0, 0)
        self._readout = Readout()
        self._toasts: list[_Toast] = []
        self._paused = False
        self._help = False
        self._began = 0.0
        self._keys: dict[str, Callable[[], None]] = {
            "space": self._space,
            "enter": self._space,
            "s": self._save,
            "d": self._wish_next,
            "h": self._toggle_help,
            "?": self._toggle_help,
            "q": self._quit,
            "escape": self._quit,
        }
        self._thread = threading.Thread(target=self._run, name="cnnedge window", daemon=True)

    def __enter__(self) -> LiveView:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._news.set()
        self._window.close()
        self._thread.join(timeout=5)

    @property
    def gone(self) -> bool:
        """Whether the window can no longer be seen."""
        return self.closed or bool(self.lost)

    def show(self, frame: Pixels, readout: Readout) -> None:
        """Takes a labelled frame, uint8 [h, w, 3]; it must not be changed afterwards."""
        with self._lock:
            if not (self._paused and self._frame is not None):
                self._frame, self._readout = frame, readout
                self._count += 1
        self._news.set()

    def toast(self, text: str, *, seconds: float = _TOAST_SECONDS, passing: bool = False) -> None:
        """Shows a message in the window for a while; `passing`: until the next message."""
        with self._lock:
            kept = [t for t in self._toasts if not t.passing]
            self._toasts = [*kept[-3:], _Toast(time.monotonic() + seconds, text, passing)]
        self._news.set()

    def take_wish(self) -> bool:
        """Whether the next delegate was requested since the last call."""
        with self._lock:
            wish, self._next_delegate = self._next_delegate, False
        return wish

    def wait_until_closed(self) -> None:
        """Shows the last picture until the user closes the window."""
        self.toast("that was the last picture; q closes the window", seconds=math.inf)
        while not self.gone:
            self._over.wait(0.1)

    def _run(self) -> None:
        try:
            self._draw_on()
        except Exception as error:
            self._end(f"{type(error).__name__}: {error}")
            raise

    def _draw_on(self) -> None:
        shown: object = None
        while not self._over.is_set():
            self._news.wait(_TICK_SECONDS)
            self._news.clear()
            count, frame, readout, messages = self._now()
            canvas = None
            if frame is not None:
                size = self._size if min(self._size) > 0 else window_size(frame)
                now = (count, messages, size)
                if now != shown:
                    canvas, shown = live_view(frame, readout, size, messages), now
            state = self._window.update(canvas)
            if self._over.is_set():
                return None
            if not state.open:
                return self._end(state.lost)
            if shown is not None and min(state.size) > 0:
                self._size = state.size
            for key in state.keys:
                self._keys.get(key, lambda: None)()
        return None

    def _now(self) -> tuple[int, Pixels | None, Readout, Messages]:
        with self._lock:
            now = time.monotonic()
            if self._frame is not None and not self._began:
                self._began = now
            self._toasts = [t for t in self._toasts if t.until > now]
            early = bool(self._began) and now - self._began < _HINT_SECONDS
            messages = Messages(
                toasts=tuple(t.text for t in self._toasts),
                hints=self._hints() if early and not self._toasts else (),
                help=self._help_lines() if self._help else (),
                paused=self._paused,
            )
            return self._count, self._frame, self._readout, messages

    def _end(self, lost: str) -> None:
        if not lost:
            return self._quit()
        if self._paced:
            self._paced.let_run()
        self.lost = lost
        self._say(f"the window closed ({lost}); the run continues without it")
        return None

    def _hints(self) -> Lines:
        if self._source.pictures:
            return (("space", "next picture"), ("s", "save"), ("h", "help"), ("q", "quit"))
        return (
            ("space", "pause"),
            ("s", "picture"),
            ("d", "delegate"),
            ("h", "help"),
            ("q", "quit"),
        )

    def _help_lines(self) -> Lines:
        moving: Lines = (
            ("space", "pause and continue"),
            ("d", "next delegate that works here"),
        )
        return (
            *((("space", "next picture"),) if self._source.pictures else moving),
            ("s", "save the current view as a picture"),
            ("h or ?", "show or hide this help"),
            ("q or Esc", "quit"),
        )

    def _space(self) -> None:
        if self._source.pictures and self._paced:
            return self._paced.forward()
        with self._lock:
            self._paused = not self._paused
        if self._paced:
            self._paced.hold() if self._paused else self._paced.release()
        return None

    def _save(self) -> None:
        with self._lock:
            frame, readout = self._frame, self._readout
        if frame is None or min(self._size) < 1:
            return None
        path = _free_name(Path(time.strftime("cnnedge-%Y%m%d-%H%M%S.png")))
        try:
            write_picture(path, live_view(frame, readout, self._size, QUIET))
        except CnnedgeError as error:
            return self.toast(str(error))
        self.toast(f"saved {path}")
        self._say(f"saved {path}")
        return None

    def _wish_next(self) -> None:
        if self._source.pictures:
            return
        with self._lock:
            self._next_delegate = True
            paused, self._paused = self._paused, False
        if self._paced and paused:
            self._paced.release()

    def _toggle_help(self) -> None:
        with self._lock:
            self._help = not self._help

    def _quit(self) -> None:
        self.closed = True
        self._over.set()
        # Wakes the labelling, which may be waiting for a frame that does not come.
        if self._paced:
            self._paced.interrupt()
        else:
            self._source.close()


def _free_name(path: Path) -> Path:
    number, free = 2, path
    while free.exists():
        free, number = path.with_stem(f"{path.stem}-{number}"), number + 1
    return free
