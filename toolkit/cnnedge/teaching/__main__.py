"""The process that learns while the server serves: asked on its input, telling on its output.

    python -m cnnedge.teaching RECIPE DIR OUT

A line `train` enters; JSON objects leave, one a line: {"kind": "ready"}, {"kind": "progress",
"text", "done", "total"}, {"kind": "taught", ...} once OUT is there, {"kind": "refused", "text"} for
pictures that cannot be learnt, {"kind": "failed", "text"} for what ends it. It also ends with its
input: a server that was killed leaves nothing behind that runs.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..errors import CnnedgeError
from ..specs import plain


def main() -> int:
    recipe, folder, out = sys.argv[1:4]
    told = _own_output()

    def send(kind: str, **said: Any) -> None:
        os.write(told, (json.dumps({"kind": kind, **said}) + "\n").encode())

    def tell(text: str, done: int, total: int) -> None:
        send("progress", text=text, done=done, total=total)

    requests: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    try:
        tell("loading TensorFlow", 0, 0)
        from ..training import backend

        backend.require("teach", stacks=False)
        # Imported by the first fit; it takes seconds, which nobody waits for yet.
        import sklearn.linear_model  # noqa: F401

        from .recipe import linear_recipe
        from .teacher import Teacher

        teacher = Teacher(linear_recipe(recipe), tell)
    except CnnedgeError as error:
        send("failed", text=str(error))
        return 1
    send("ready")
    while requests.get() == "train":
        try:
            taught = teacher.teach(Path(folder), Path(out), tell)
        except CnnedgeError as error:
            send("refused", text=str(error))
        else:
            send("taught", **plain(taught))
    return 0


def _listen(requests: SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line.strip())
    # Whoever asked is gone, and a round under way is for nobody. What it writes, it writes whole.
    os._exit(0)


def _own_output() -> int:
    """A descriptor for our lines alone: libraries that print to stdout print to stderr."""
    told = os.dup(1)
    os.dup2(2, 1)
    return told


if __name__ == "__main__":
    sys.exit(main())
