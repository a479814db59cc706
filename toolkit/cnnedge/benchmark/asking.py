"""A worker of ours, asked in a process of its own: here, on a board, on a phone.

The side that asks: a request enters, and how modules of cnnedge are run on the device; what the
worker said last leaves. The side of the worker: a request is read from standard input, and its
answer written. docs/protocol.md describes what travels.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from ..child_process import Completed
from ..errors import CnnedgeError, DeviceError
from ..files import json_text
from ..harmless import one_line
from ..specs.values import plain, read
from .answer import Answer, read_answer
from .request import Request

T = TypeVar("T")
# No single inference of an image CNN takes this long; a worker that does hangs.
PATIENCE_SECONDS = 600.0
_MOST_SAID = 2000
_WORKER = "cnnedge.benchmark.worker"


class RunsModules(Protocol):
    """Runs a module of cnnedge on a device, as `Target.cnnedge` does. Raises DeviceError."""

    def __call__(
        self,
        arguments: Sequence[str] = (),
        *,
        module: str,
        stdin: bytes,
        seconds: float,
        line: Callable[[str], None] | None = None,
    ) -> Completed: ...


class Unanswered(Exception):
    """A worker that said nothing, or nothing that is understood. done: how its process ended, None
    where it was ended after so many seconds."""

    def __init__(self, done: Completed | None, seconds: float = 0.0) -> None:
        super().__init__(done.how if done else f"no answer in {seconds:.0f} s")
        self.done, self.seconds = done, seconds


def ask_worker(
    run: RunsModules,
    module: str,
    request: Any,
    *,
    seconds: float,
    line: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """What a worker said last, as JSON has it: not looked at any further. Raises Unanswered.

    line: gets all that it says, a line at a time.
    """
    done = run(
        (),
        module=module,
        stdin=json_text(plain(request), ascii_only=True).encode(),
        seconds=seconds,
        line=line,
    )
    lines = done.output.strip().splitlines()
    try:
        said = json.loads(lines[-1] if lines else b"")
    except (ValueError, RecursionError):
        raise Unanswered(done) from None
    if not isinstance(said, dict):
        raise Unanswered(done)
    return said


def measured(run: RunsModules, request: Request, shown: str, place: str = "") -> Answer:
    """The answer of one fresh process about a model. Raises what it reports, or DeviceError.

    shown: the model's name here, in messages. place: the device, where it is another one.
    """
    prefix = f"{place}: " if place else ""
    try:
        said = ask_worker(run, _WORKER, request, seconds=PATIENCE_SECONDS + request.seconds)
    except Unanswered as silent:
        raise _died(silent, f"{prefix}{shown}", place) from None
    if "error" in said:
        # There it has another path, which tells nobody anything.
        text = one_line(str(said["error"]).replace(request.model, shown), _MOST_SAID)
        said = said | {"error": f"{prefix}{text}"}
    return read_answer(said, f"{prefix}{shown}")


def _died(silent: Unanswered, model: str, place: str) -> CnnedgeError:
    """One model may end its process; the device is still there."""
    done = silent.done
    if done is None:
        seconds = f"{silent.seconds:.0f} s"
        return CnnedgeError(
            f"{model}: the benchmark gave no answer within {seconds}, so it was stopped"
        )
    if done.code == 0 and place:
        return DeviceError(
            f"{model}: cnnedge cannot understand its answer: {one_line(done.text[:400], 80)}. The "
            f"device may hold another version of cnnedge: cnnedge devices clean {place}"
        )
    tail = one_line(done.complaint[-600:])
    return CnnedgeError(f"{model}: the benchmark process died ({done.how}): {tail}")


def answered(cls: type[T], work: Callable[[T], Any]) -> int:
    """The worker's side: reads its request, and writes what `work` makes of it; its exit code.

    A CnnedgeError becomes {"error", "exit_code"}.
    """
    said = json.load(sys.stdin)
    try:
        result = work(read(cls, said, "request"))
    except CnnedgeError as error:
        result = {"error": str(error), "exit_code": error.exit_code}
    except (RuntimeError, ValueError) as error:
        # What an engine raises for a model that loads and does not run.
        reason = " ".join(str(error).split())
        result = {"error": f"{said['model']}: the model does not run: {reason}", "exit_code": 1}
    write_line(result)
    return 0


def write_line(said: dict[str, Any]) -> None:
    """One whole line at once: the other side reads by lines."""
    sys.stdout.writelines([json_text(said, ascii_only=True), "\n"])
    sys.stdout.flush()
