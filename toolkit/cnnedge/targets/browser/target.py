"""A browser that opens a page of this machine.

A profile enters; requests of the worker protocol go to the page, answers come back. What a page
sends is data: it is bounded in size, and read as strictly as what a board says.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...benchmark.answer import Answer
from ...benchmark.asking import Unanswered, measured
from ...benchmark.request import Request
from ...bundle import ModelFile, read_model, sized
from ...child_process import Completed
from ...engines import Runtime
from ...errors import DeviceError
from ...files import whole
from ...specs import DeviceProfile
from ...specs.values import read
from ...web.addresses import Place
from ...web.description import WebModel, describe
from ...web.errands import MOST_FILE_BYTES, Errand
from ...web.hosting import Invite
from ..base import Finding, Say, as_it_is
from . import checks
from .visit import Visit

# The modules of cnnedge that a page stands in for, and what it calls them.
_WORKERS = {
    "cnnedge.benchmark.worker": "measure",
    "cnnedge.device_scoring.worker": "predict",
    "cnnedge.pixel_check": "pixels",
}
_HOLDS_NOTHING = "a browser runs no commands and holds no files"


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """A model that the page may fetch. described: for labelling, as `cnnedge demo` describes it."""

    model: ModelFile
    path: str
    sha256: str
    size_bytes: int
    described: dict[str, Any] | None = None


class BrowserTarget:
    """A Target (targets.base) whose worker is a page. Nothing is served before it is needed.

    place: where the page is served. invite: shows what leads to it. say: is told who came.
    """

    def __init__(
        self, profile: DeviceProfile, name: str, *, place: Place, invite: Invite, say: Say
    ) -> None:
        self.name, self.profile = name, profile
        self.visit = Visit(name, place, invite, say)
        # What was pushed, by its path there; and models by what they are there.
        self._pushed: dict[str, Path] = {}
        self._placed: dict[tuple[str, Any], _Placed] = {}

    def check(self) -> Iterator[Finding]:
        """As in targets.base; never raises DeviceError, but tells it."""
        return checks.findings(self)

    def push(self, local: Path) -> str:
        """A path by which the page can be told of a file; it is fetched when it is needed."""
        if not local.is_file():
            raise DeviceError(f"{local}: cannot be read: there is no such file")
        path, mtime, size = as_it_is(local)
        for name, pushed in self._pushed.items():
            if as_it_is(pushed) == (path, mtime, size):
                return name
        name = f"w/{secrets.token_hex(8)}/file"
        self._pushed[name] = local
        return name

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 60.0,
        environment: Mapping[str, str] | None = None,
        line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Raises DeviceError: a browser runs no commands."""
        raise DeviceError(f"{self.name}: {_HOLDS_NOTHING}")

    def cnnedge(
        self,
        arguments: Sequence[str] = (),
        *,
        module: str = "cnnedge",
        stdin: bytes = b"",
        seconds: float = 60.0,
        line: Callable[[str], None] | None = None,
    ) -> Completed:
        """The page in the place of a worker; of cnnedge itself, it has nothing else.

        Raises DeviceError, Unanswered.
        """
        if module not in _WORKERS:
            raise DeviceError(
                f"{self.name}: a browser runs bench, eval and verify; to label with its camera, "
                "use cnnedge demo"
            )
        said = json.loads(stdin) if stdin else {}
        errand = self._errand(_WORKERS[module], said)
        try:
            answer = self.visit.ask(errand, seconds, line)
        except TimeoutError:
            raise Unanswered(None, seconds) from None
        self._require_front(answer)
        return Completed(code=0, output=answer, errors=b"")

    def _errand(self, worker: str, request: Mapping[str, Any]) -> Errand:
        if worker == "pixels":
            return Errand(worker=worker, request={}, more=checks.pixel_questions())
        runtime = read(Runtime, request["runtime"], "runtime")
        checks.require(runtime, self.name)
        placed = self._described(request["model"], runtime, worker == "predict")
        makes = {}
        pictures = 0
        errands = self.visit.begin()
        if worker == "predict":
            parcel = self._pushed[request["pictures"]]
            pictures = checks.entries_of(parcel)
            errands.give(request["pictures"].removeprefix("w/"), parcel)
            wanted = [request["predictions"], request.get("pixels")]
            makes = {path: MOST_FILE_BYTES for path in wanted if path}
        sent = {**request, "model": placed.path, "runtime": _for_the_page(runtime)}
        more = {
            "name": Path(placed.model.path).stem,
            "shown": str(placed.model.path),
            "sha256": placed.sha256,
            "size_bytes": placed.size_bytes,
            "pictures": pictures,
            "inputs": _tensors(placed.model, placed.model.graph.inputs),
            "outputs": _tensors(placed.model, placed.model.graph.outputs),
            "described": placed.described,
        }
        return Errand(worker=worker, request=sent, more=more, makes=makes)

    def _described(self, pushed: str, runtime: Runtime, labels: bool) -> _Placed:
        """A model as the page gets it. labels: whether it is to label pictures."""
        guest = runtime.guest
        key = (pushed, guest if labels else guest.size)
        if key not in self._placed:
            local = self._pushed[pushed]
            model = read_model(local)
            web: WebModel | None = describe([local], guest)[0] if labels else None
            data = web.data if web else sized(model, guest.size).data
            served = sized(model, guest.size)
            path = f"w/{secrets.token_hex(8)}/model"
            self.visit.begin().give(path.removeprefix("w/"), data)
            self._placed[key] = _Placed(
                model=served,
                path=path,
                sha256=model.sha256,
                size_bytes=len(data),
                described=web.as_json() if web else None,
            )
        return self._placed[key]

    def _require_front(self, answer: bytes) -> None:
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(answer)
            if isinstance(said, dict) and said.get("hidden") is True:
                raise DeviceError(
                    f"{self.name}: the page was in the background for a minute, or went there "
                    "again and again: nothing of that counts. Keep it in front while it measures"
                )

    def pull(self, remote: str, local: Path) -> None:
        """As in targets.base: a file that the page made."""
        made = self.visit.begin().made(remote)
        if made is None:
            raise DeviceError(f"{self.name}: the page did not send {remote}; run this again")
        with whole(local) as part:
            shutil.copyfile(made, part)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[str]:
        """As in targets.base: a name for the files that a page makes."""
        folder = f"made-{secrets.token_hex(8)}"
        try:
            yield folder
        finally:
            self.visit.begin().drop(f"{folder}/")

    def clean(self) -> int:
        """Raises DeviceError: what a browser keeps is its own."""
        raise DeviceError(
            f"{self.name}: what a browser keeps is not cnnedge's to remove: clear the site's data "
            "in the browser's settings"
        )

    def place(self, model: Path) -> str:
        """As in targets.base."""
        return self.push(model)

    def measure(self, request: Request) -> Answer:
        """As in benchmark.device: in a new Worker of the page."""
        checks.require(request.runtime, self.name)
        local = self._pushed[request.model]
        found = measured(self.cnnedge, request, str(local), self.name)
        if found.sha256 != read_model(local).sha256:
            raise DeviceError(f"{self.name}: the page measured another file than {local}")
        delegate = found.delegate
        return replace(found, delegate=replace(delegate, requested=request.runtime.delegate))

    def temperature_c(self) -> float | None:
        """No browser tells it."""
        return None

    def close(self) -> None:
        """The page is told that it may be closed."""
        self.visit.close()


def _for_the_page(runtime: Runtime) -> Mapping[str, Any]:
    """What of a runtime means something there."""
    return {
        "delegate": runtime.delegate,
        "threads": runtime.threads,
        "allow_disagreement": runtime.allow_disagreement,
    }


def _tensors(model: ModelFile, indices: Sequence[int]) -> list[Mapping[str, Any]]:
    return [
        {
            "dtype": tensor.dtype,
            "shape": [max(1, side) for side in tensor.shape],
            "quantised": bool(tensor.scales),
        }
        for tensor in (model.graph.tensors[i] for i in indices)
    ]
