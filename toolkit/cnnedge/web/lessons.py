"""What `cnnedge teach` adds to the page's server: pictures come in, a new model goes out.

Requests that were let in enter; answers leave, and words to all pages. Bodies are bounded in size,
number and time, and no name from a request becomes a path (`album`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from ..errors import CnnedgeError
from ..files import read_json, write_json
from .album import MOST_JPEG_BYTES, MOST_PICTURES, Album
from .description import WebModel, describe
from .thumbnails import Thumbnails
from .trainer import Told, Trainer

_MOST_WORDS = 256 * 1024
_MOST_BODIES = 8
_BODY_SECONDS = 20.0
_T = TypeVar("_T")


class Lessons:
    """The state of teaching. album: the pictures; model: of the last round, None before the first.

    recipe: by its name. say: to the terminal. show: puts a model onto the page; tell: to all pages.
    Both are set by the site.
    """

    def __init__(
        self, album: Album, recipe: str, model: Path, words: list[str], say: Callable[[str], None]
    ) -> None:
        self.album = album
        self.recipe = recipe
        self.path = model
        self.say = say
        self.failed: str | None = None
        self.state: dict[str, Any] = {"phase": "starting", "text": "", "done": 0, "total": 0}
        self.result: dict[str, Any] | None = None
        self.changed = asyncio.Event()
        self.show: Callable[[WebModel], None] = lambda model: None
        self.tell: Callable[[dict[str, Any]], None] = lambda said: None
        self._trainer = Trainer(words, self._told)
        # One after another: a class is not renamed while a picture goes into it.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="cnnedge album")
        self._looking = ThreadPoolExecutor(2, thread_name_prefix="cnnedge thumbnails")
        self._thumbnails = Thumbnails()
        self._bodies = asyncio.Semaphore(_MOST_BODIES)
        self._count = 0
        self._begun = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._posts: dict[str, Callable[[web.BaseRequest], Awaitable[dict[str, Any]]]] = {
            "teach/picture": self._add,
            "teach/make": self._make,
            "teach/rename": self._rename,
            "teach/delete": self._delete,
            "teach/train": self._train,
        }

    def remember(self, sha256: str) -> None:
        """What was said of the model of an earlier visit, if it is this one."""
        with contextlib.suppress(CnnedgeError, OSError):
            kept = read_json(self._kept)
            if kept.get("sha256") == sha256 and isinstance(kept.get("result"), dict):
                self.result = kept["result"]

    @property
    def _kept(self) -> Path:
        return self.path.with_name("taught.json")

    async def end(self) -> None:
        await self._trainer.stop()
        for pool in (self._disk, self._looking):
            pool.shutdown(wait=False, cancel_futures=True)

    def most_body(self, name: str) -> int:
        """How many bytes a request to `name` may bring; 0 where it may bring nothing."""
        if name not in self._posts:
            return 0
        return MOST_JPEG_BYTES if name == "teach/picture" else _MOST_WORDS

    async def answer(self, request: web.BaseRequest, name: str) -> web.StreamResponse | None:
        """The answer to what is teaching's; None for anything else."""
        if request.method == "POST":
            return await self._post(request, name)
        if name == "teach/album":
            # Before anybody asks for training: TensorFlow takes seconds to be there.
            if not self._begun:
                self._begun = True
                await self._trainer.start()
            return _json(await self._listed())
        if name == "teach/thumbnail":
            return await self._thumbnail(request)
        return None

    async def _post(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        try:
            return _json(await self._posts[name](request))
        except CnnedgeError as error:
            return _json({"error": str(error)}, status=409)
        except (asyncio.TimeoutError, asyncio.IncompleteReadError):
            gone = _json({"error": "it did not come whole"}, status=408)
            gone.force_close()
            return gone

    async def _body(self, request: web.BaseRequest) -> bytes:
        length = request.content_length
        if not length:
            return b""
        async with self._bodies:
            return await asyncio.wait_for(request.content.readexactly(length), _BODY_SECONDS)

    async def _words(self, request: web.BaseRequest) -> dict[str, Any]:
        try:
            said = json.loads(await self._body(request))
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise CnnedgeError("this is no question that is known here")
        return said

    async def _add(self, request: web.BaseRequest) -> dict[str, Any]:
        query = request.rel_url.query
        jpeg = await self._body(request)
        number = query.get("shot", "")
        if not number.isdecimal() or len(number) > 6:
            raise CnnedgeError("a shot has a number")
        if self._count >= MOST_PICTURES:
            raise CnnedgeError(f"there are {MOST_PICTURES:,} pictures, and no more are taken here")
        add = partial(self.album.add, query.get("class", ""), query.get("burst", ""))
        name = await self._on_disk(add, int(number), jpeg)
        self._count += 1
        self._album_changed()
        return {"picture": name}

    async def _make(self, request: web.BaseRequest) -> dict[str, Any]:
        said = await self._words(request)
        name = await self._on_disk(self.album.make, _text(said, "name"))
        self._album_changed()
        return {"name": name}

    async def _rename(self, request: web.BaseRequest) -> dict[str, Any]:
        said = await self._words(request)
        old, new = _text(said, "from"), _text(said, "to")
        name = await self._on_disk(self.album.rename, old, new)
        self._album_changed()
        return {"name": name}

    async def _delete(self, request: web.BaseRequest) -> dict[str, Any]:
        said = await self._words(request)
        name, pictures = _text(said, "class"), said.get("pictures")
        if pictures is None:
            await self._on_disk(self.album.remove, name)
        elif isinstance(pictures, list) and all(isinstance(p, str) for p in pictures):
            await self._on_disk(self.album.remove_pictures, name, pictures)
        else:
            raise CnnedgeError("pictures are named by a list")
        self._album_changed()
        return {}

    async def _train(self, request: web.BaseRequest) -> dict[str, Any]:
        await self._body(request)
        if not await self._trainer.train():
            raise CnnedgeError("training is under way")
        return {}

    async def _thumbnail(self, request: web.BaseRequest) -> web.StreamResponse:
        query = request.rel_url.query
        try:
            name, picture = query.get("class", ""), query.get("picture", "")
            path = await self._on_disk(self.album.picture, name, picture)
            loop = asyncio.get_running_loop()
            jpeg = await loop.run_in_executor(self._looking, self._thumbnails.of, path)
        except (OSError, CnnedgeError):
            return web.Response(status=404, text="There is no such picture.\n")
        headers = {"Content-Type": "image/jpeg", "Cache-Control": "private, max-age=86400"}
        return web.Response(body=jpeg, headers=headers)

    async def _listed(self) -> dict[str, Any]:
        classes = await self._on_disk(self.album.classes)
        self._count = sum(len(each.pictures) for each in classes)
        return {
            "folder": self.album.root.name,
            "recipe": self.recipe,
            "classes": [each.as_json() for each in classes],
            "state": self.state,
            "result": self.result,
        }

    async def _on_disk(self, does: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(
            self._disk, partial(does, *arguments)
        )

    def _album_changed(self) -> None:
        self.tell({"type": "album"})

    def _told(self, told: Told) -> None:
        phases = {"starting": "starting", "progress": "working", "ready": "ready"}
        phase = phases.get(told.kind, told.kind)
        if phase == "working" and not self._trainer.busy:
            phase = "starting"
        if phase == "ready" and self._trainer.busy:
            return
        self.state = {"phase": phase, "text": told.text, "done": told.done, "total": told.total}
        if told.kind == "taught":
            task = asyncio.get_running_loop().create_task(self._taught(told.more))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        if told.kind in ("refused", "failed"):
            self.say(told.text)
        if told.kind == "failed":
            self.failed = told.text
            self.changed.set()
        self.tell({"type": "teaching", "state": self.state})

    async def _taught(self, result: dict[str, Any]) -> None:
        """The new model goes onto all pages."""
        try:
            model = await asyncio.to_thread(describe, [self.path])
        except CnnedgeError as error:
            self.state = {"phase": "refused", "text": str(error), "done": 0, "total": 0}
        else:
            self.result = result
            kept = {"sha256": model[0].sha256, "result": result}
            await asyncio.to_thread(write_json, self._kept, kept)
            self.show(model[0])
            self.say(in_words(result))
        self.tell({"type": "teaching", "state": self.state, "result": self.result})


def in_words(result: dict[str, Any]) -> str:
    """One line of what came of a round, for the terminal."""
    counts = zip(result["classes"], result["counts"], strict=True)
    learnt = ", ".join(f"{name} {count}" for name, count in counts)
    measured = result["measured"]
    if measured["accuracy"] is None:
        once = ", ".join(measured["once"][:5])
        return f"trained ({learnt}); nothing can be measured yet: one burst of {once}"
    low, high = measured["ci95"]
    return (
        f"trained ({learnt}); {100 * measured['accuracy']:.0f} % right on bursts it had not seen "
        f"({measured['bursts']} bursts, 95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
    )


def _text(said: Mapping[str, object], key: str) -> str:
    value = said.get(key)
    if not isinstance(value, str):
        raise CnnedgeError(f"'{key}' is a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise CnnedgeError(f"'{key}' is no text") from None
    return value


def _json(said: Mapping[str, object], status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        text=json.dumps(said, ensure_ascii=False),
        content_type="application/json",
    )
