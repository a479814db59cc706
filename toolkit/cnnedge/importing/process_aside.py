"""A process in an environment of its own that a source is asked through.

The Python of an environment and the name of a program in `aside` enter; answers to requests leave,
in bounded time and memory. It ends with whoever holds it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .. import numpy_files
from ..child_process import end_session
from ..errors import ModelError
from ..harmless import one_line
from .trace import Trace, of_folder

Reals = npt.NDArray[np.float32]
_HERE = Path(__file__).parent / "aside"
# `aside` as a package of that name, and no other folder of ours on the path.
_RUN = f"""
import importlib.util as u, runpy, sys
s = u.spec_from_file_location("aside", {str(_HERE / "__init__.py")!r},
    submodule_search_locations=[{str(_HERE)!r}])
sys.modules["aside"] = m = u.module_from_spec(s)
s.loader.exec_module(m)
sys.argv[:] = sys.argv[1:]
runpy.run_module("aside." + sys.argv[0], run_name="__main__", alter_sys=True)
"""
_MEMORY = 16 << 30
_SECONDS = 900.0
_MOST_SAID = 4000
# Nothing is fetched from anywhere, and no accelerator is waited for.
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "JAX_PLATFORMS": "cpu",
    "CUDA_VISIBLE_DEVICES": "",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@dataclass(frozen=True, kw_only=True)
class Program:
    """python: of the environment. name: a module of `aside`."""

    python: Path
    name: str


class Refused(Exception):
    """What the other side says against a request, in one line."""


@contextlib.contextmanager
def told_of(path: Path, problem: str) -> Iterator[None]:
    """Within, what is refused becomes a ModelError: the file, the problem, and the reason."""
    try:
        yield
    except Refused as error:
        raise ModelError(f"{path}: {problem}: {error}") from None


class Aside:
    """The process, and a folder of its own for what goes to and fro."""

    def __init__(self, program: Program) -> None:
        """Raises ModelError where the Python cannot be started."""
        self.folder = Path(tempfile.mkdtemp(prefix="cnnedge-"))
        paths = f"{program.python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        words = [str(program.python), "-I", "-c", _RUN, program.name, str(_MEMORY)]
        try:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_QUIET, "PATH": paths},
                cwd=self.folder,
                start_new_session=True,
            )
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise ModelError(
                f"{program.python}: cannot be started ({error.strerror}); name the Python of an "
                "environment"
            ) from None
        weakref.finalize(self, _ended, self._process, self.folder)

    def ask(self, verb: str, *arguments: str, seconds: float = _SECONDS) -> str:
        """The answer to one request. Raises Refused, after which it may be asked again or not."""
        process, late = self._process, threading.Event()
        assert process.stdin and process.stdout

        def stop() -> None:
            late.set()
            end_session(process)

        timer = threading.Timer(seconds, stop)
        timer.start()
        try:
            process.stdin.write(json.dumps([verb, *arguments]).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = b""
        finally:
            timer.cancel()
        if late.is_set():
            raise Refused(f"it did not end in {seconds:.0f} s")
        if not line:
            raise Refused(f"the process that did it ended ({_how(process)})")
        kind, text = json.loads(line)
        if kind != "ok":
            raise Refused(one_line(text, _MOST_SAID))
        return str(text)

    def answer(self, values: Reals, *before: str) -> Reals:
        """float32 outputs for float32 pictures, by the verb `answer`. Raises Refused."""
        given, made = self.folder / "given.npy", self.folder / "made.npy"
        np.save(given, values)
        made.unlink(missing_ok=True)
        self.ask("answer", *before, str(given), str(made))
        return np.asarray(numpy_files.read_array(made), np.float32)

    def trace(self, values: Reals, *before: str) -> Trace:
        """What the layers compute of float32 pictures, by the verb `trace`.

        Raises Refused, and CnnedgeError for an answer that is none.
        """
        given = self.folder / "given.npy"
        np.save(given, values)
        with tempfile.TemporaryDirectory(dir=self.folder) as written:
            return of_folder(Path(written), self.ask("trace", *before, str(given), written))


def _ended(process: subprocess.Popen[bytes], folder: Path) -> None:
    end_session(process)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()
    shutil.rmtree(folder, ignore_errors=True)


def _how(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    return f"signal {-code}, perhaps for want of memory" if code < 0 else f"exit {code}"
