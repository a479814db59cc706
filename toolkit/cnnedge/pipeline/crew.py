"""Threads that fail and end together, and the queues between them.

Functions to run enter; queues between them leave. No put ever waits: what bounds the queues are
tokens that a stage takes before it makes something. So nothing can block forever, and to
stop means to wake every thread once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

# A thread that waits for a camera without frames ends when its source is closed: it is not
# waited for any longer than this.
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class End:
    """What comes last through a queue. error: why, if it is not simply the end."""

    error: BaseException | None = None


class Handover:
    """A queue between two stages.

    newest: an item that was not yet fetched is replaced by the next one, and counted in `dropped`.
    """

    def __init__(self, *, newest: bool = False) -> None:
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._newest = newest
        self.dropped = 0
        self.get = self._queue.get
        self.get_nowait = self._queue.get_nowait
        self.waiting = self._queue.qsize
        self.last: Callable[[object], None] = self._queue.put

    def put(self, item: Any) -> Any:
        """Hands over an item; returns the one that it replaced, or None."""
        displaced = None
        if self._newest:
            try:
                displaced = self._queue.get_nowait()
            except Empty:
                pass
            else:
                self.dropped += 1
        self._queue.put(item)
        return displaced


class Crew:
    """Threads and the queues that they wait at.

    stopping: to be checked after every wait. Used by the thread that started it, as a context.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._queues: list[Handover] = []
        self._threads: list[threading.Thread] = []

    def handover(self, *, newest: bool = False) -> Handover:
        """A queue whose reader is woken when the crew stops."""
        queue = Handover(newest=newest)
        self._queues.append(queue)
        return queue

    def start(self, name: str, work: Callable[[], None], tell: Callable[[End], None]) -> None:
        """Runs `work` on a separate thread; what it raises goes to `tell`."""

        def run() -> None:
            try:
                work()
            except BaseException as error:  # raised again where the labels are read
                tell(End(error))

        thread = threading.Thread(target=run, name=f"cnnedge {name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_details: object) -> None:
        self.stopping = True
        # Any of the threads may wait at any of the queues.
        for queue in self._queues:
            for _ in self._threads:
                queue.last(End())
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
