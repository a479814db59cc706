"""Cameras and streams as a source: the newest frame, and reconnecting after a cut.

An address enters; frames leave as they arrive. A separate thread keeps reading, whatever the
consumer does: nothing accumulates in drivers and sockets, and each frame returned is the newest.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import SourceError
from .capture import OPEN_SECONDS, given, say_what_is_given
from .frames import CaptureOptions, Frame, Say, turned

_USUAL_FPS = 30.0
# Seconds between the attempts to reopen a lost source; the last one repeats.
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
# A driver may exceed its time limit by this much; after that it is abandoned.
_GRACE_SECONDS = 10.0
_MOST_DAMAGED = 5
# The newest frame from before a cut is not returned if it is older than this.
_STALE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Address:
    """A camera or stream.

    asked: the text of --source as it may be printed. open: to an opened capture, or None.
    problem: why it did not open, in sentences. cut: what to say when it stops, a clause.
    """

    asked: str
    name: str
    camera: bool
    open: Callable[[], Any | None]
    problem: Callable[[], str]
    cut: Callable[[], str]


class LiveSource:
    """A camera or stream. Raises SourceError if it does not open or delivers no frame.

    When it is cut, or nothing comes for options.stall_seconds, it is opened again after 1, 2, 4,
    8, 15, 15 ... s, for options.retry_seconds in all; every step is said. When it stays away the
    iteration ends, and `lost` says why. The numbers of the frames continue after a cut.
    """

    live = True
    pictures = False

    def __init__(self, address: Address, options: CaptureOptions, say: Say | None = None) -> None:
        self.name = address.name
        self.total: int | None = None
        self.dropped = 0
        self.reconnects = 0
        self.skipped: list[str] = []
        self.lost: str | None = None
        self._address = address
        self._options = options
        self._say: Say = say or (lambda _: None)
        self._stated_fps = 0.0
        self._arrivals: deque[float] = deque(maxlen=60)
        self._index = 0
        self._newest: Frame | None = None
        self._cut = False
        self._opened = False
        self._ended = False
        self._fresh = threading.Condition()
        self._closing = threading.Event()
        self._allow(OPEN_SECONDS)
        # A thread that is inside a library when Python ends can bring the process down.
        atexit.register(self.close)
        self._thread = threading.Thread(target=self._run, name=f"read {self.name}", daemon=True)
        self._thread.start()
        self._wait(lambda: self._opened or self._ended)
        if not self._opened:
            self.close()
            raise SourceError(self.lost or f"--source {address.asked}: {address.problem()}")

    @property
    def fps(self) -> float:
        """Frames per second: measured over the last arrivals, else as the source states it."""
        arrivals = list(self._arrivals)
        if len(arrivals) >= 10 and arrivals[-1] > arrivals[0]:
            return (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])
        return self._stated_fps or _USUAL_FPS

    def __iter__(self) -> Iterator[Frame]:
        while True:
            self._wait(lambda: self._newest is not None or self._ended)
            with self._fresh:
                frame, self._newest = self._newest, None
                if frame is None:
                    return
                if self._cut and time.perf_counter() - frame.captured_at > _STALE_SECONDS:
                    self.dropped += 1
                    continue
            yield frame

    def close(self) -> None:
        """Stops the reading thread, which releases the device; waits at most 2 s for it."""
        self._closing.set()
        atexit.unregister(self.close)
        with self._fresh:
            self._ended = True
            self._newest = None
            self._fresh.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=2)

    def _wait(self, condition: Callable[[], bool]) -> None:
        """Waits for the reading thread; ends the source when a library hangs for good."""
        with self._fresh:
            # In short intervals: Ctrl-C must work on every system.
            while not self._fresh.wait_for(condition, timeout=0.5):
                if time.perf_counter() > self._allowed_until:
                    self._closing.set()
                    self._ended = True
                    self.lost = (
                        f"--source {self._address.asked}: the driver or the network has sent "
                        "nothing for too long. Plug the camera in again, or restart the stream"
                    )

    def _allow(self, seconds: float) -> None:
        """The reading thread is about to call something that should take no longer."""
        self._allowed_until = time.perf_counter() + seconds + _GRACE_SECONDS

    def _run(self) -> None:
        capture = None
        try:
            capture = self._connect()
            if capture is not None:
                self._stated_fps = given(capture)[2]
                if self._address.camera:
                    say_what_is_given(capture, self.name, self._options, self._say)
                with self._fresh:
                    self._opened = True
                    self._fresh.notify_all()
            while capture is not None:
                clause = self._read_until_cut(capture)
                capture.release()
                capture = self._back(clause)
        finally:
            if capture is not None:
                capture.release()
            with self._fresh:
                self._ended = True
                self._fresh.notify_all()

    def _connect(self) -> Any | None:
        """An opened capture that holds its first frame; None if it does not open or deliver one."""
        self._allow(OPEN_SECONDS)
        capture = self._address.open()
        if capture is not None and not self._grab(capture):
            capture.release()
            return None
        return capture

    def _grab(self, capture: Any) -> bool:
        """Takes the next frame; a damaged one is skipped and does not count as a cut."""
        for _ in range(_MOST_DAMAGED):
            self._allow(self._options.stall_seconds)
            began = time.perf_counter()
            if capture.grab():
                return True
            if time.perf_counter() - began > 0.9 * self._options.stall_seconds:
                break
        return False

    def _read_until_cut(self, capture: Any) -> str:
        """Returns frames until no more arrive; says how it ended."""
        while not self._closing.is_set():
            arrived = time.perf_counter()
            ok, pixels = capture.retrieve()
            if not ok:
                break
            self._hand_out(turned(pixels, self._options.rotate), arrived)
            began = time.perf_counter()
            if not self._grab(capture):
                waited = time.perf_counter() - began
                if waited > 0.9 * self._options.stall_seconds:
                    return f"no frame for {max(1, round(waited))} s"
                break
        return self._address.cut()

    def _hand_out(self, pixels: Any, arrived: float) -> None:
        with self._fresh:
            self.dropped += self._newest is not None
            self._newest = Frame(pixels, self._index, f"{self.name}#{self._index}", arrived)
            self._index += 1
            self._cut = False
            self._arrivals.append(arrived)
            self._fresh.notify_all()

    def _back(self, clause: str) -> Any | None:
        """The source, reopened after a cut; None if it does not come back or is closed."""
        if self._closing.is_set():
            return None
        self._cut = True
        self._arrivals.clear()
        began = time.perf_counter()
        pauses = iter(_PAUSES)
        pause = 0.0
        while (left := self._options.retry_seconds - (time.perf_counter() - began)) > 0:
            pause = min(next(pauses, _PAUSES[-1]), left)
            self._say(f"{self.name}: {clause}; trying again in {max(1, round(pause))} s")
            self._allow(pause)
            if self._closing.wait(pause):
                return None
            capture = self._connect()
            away = time.perf_counter() - began
            if capture is not None:
                self.reconnects += 1
                self._say(f"{self.name}: back after {away:.0f} s")
                return capture
            clause = f"still gone after {away:.0f} s"
        self._give_up(time.perf_counter() - began)
        return None

    def _give_up(self, away: float) -> None:
        if self._closing.is_set():
            return
        self._allow(OPEN_SECONDS)
        frames = f"{self._index:,} frame{'' if self._index == 1 else 's'}"
        stayed = (
            f" and did not come back within {away:.0f} s (--retry)"
            if self._options.retry_seconds
            else ""
        )
        problem = self._address.problem()
        self.lost = f"--source {self._address.asked}: lost after {frames}{stayed}: {problem}"
