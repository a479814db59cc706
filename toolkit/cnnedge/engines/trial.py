"""A model file that is not known yet, tried in a process of its own before it runs here.

A native runtime may die of a damaged or malicious file, and take this process with it. A ModelFile
and an engine enter; a Trial leaves, which goes on beside this process' own work, and ends with
nothing said or with a ModelError. What a file was found to be is kept by its content, engine
and version, so that each is tried once.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import platform
import signal
from collections.abc import Mapping
from pathlib import Path

from ..bundle import ModelFile
from ..bundle.cost import macs
from ..bundle.special import special_needs
from ..errors import CnnedgeError, ModelError
from ..files import cache_root, write_text
from ..model_trial import DONE, ERROR, LOADED, READY
from .failure import load_error, not_run
from .trial_process import Attempt, started

# Distributions that state the version, in the order of `auto`; and names for people.
DISTRIBUTIONS: Mapping[str, str] = {
    "litert": "ai-edge-litert",
    "tflite-runtime": "tflite-runtime",
    "openvino": "openvino",
}
_NAMES = {"litert": "LiteRT", "openvino": "OpenVINO"}
# Beside what the process holds before it sees the file: for values, kernels' scratch and packed
# weights. Of the latter a model keeps about as much as its file has.
_MEMORY_BYTES, _PER_BYTE = 3 * 2**30, 4
# Of a processor. By the clock a process may take twice as long: on a busy machine it has to share.
_PATIENCE_SECONDS, _MOST_SECONDS = 30, 120
# A slow board computes no less in a second.
_MACS_PER_SECOND = 10**8
# What is kept changes its meaning with this number.
_FORMAT = 1
_MOST_STDERR = 2**16


class Trial:
    """A trial under way. `end` must be called, once."""

    def __init__(self, model: ModelFile, engine: str, version: str, key: str) -> None:
        self._model, self._engine, self._key = model, engine, key
        self._title = f"{_NAMES.get(engine, engine)} {version}"
        self._seconds = min(
            _MOST_SECONDS, _PATIENCE_SECONDS + macs(model.graph) // _MACS_PER_SECOND
        )
        self._memory_bytes = _MEMORY_BYTES + _PER_BYTE * model.size_bytes
        self._process = started(
            Attempt(
                data=model.data,
                engine=engine,
                memory_bytes=self._memory_bytes,
                seconds=self._seconds,
            )
        )

    def end(self, *, delegated: bool) -> None:
        """Waits for the outcome. delegated: operators that the engine lacks may be a delegate's.

        Raises ModelError where the process died, took too much, or could not run the model.
        """
        if self._process is None:
            return
        steps, native = self._outcome()
        if not steps or steps[0] != READY:
            # It never saw the model: that this Python starts no other is no fault of a file.
            return
        if steps[-1] == DONE and self._process.returncode == 0:
            _keep(self._key, self._model, self._title)
        elif steps[-1].startswith(ERROR):
            self._refuse(steps, native, delegated)
        else:
            raise self._death(LOADED in steps, native)

    def _outcome(self) -> tuple[list[str], str]:
        """The steps that were reached, and what native code wrote."""
        import subprocess

        assert self._process is not None
        patience = 2 * self._seconds
        try:
            said, native = self._process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise self._refusal(
                f"gives no answer within {patience} s when it runs this model"
            ) from None
        except BaseException:
            self._process.kill()
            raise
        text = native[:_MOST_STDERR].decode("utf-8", "replace")
        return said.decode("utf-8", "replace").splitlines(), text

    def _refuse(self, steps: list[str], native: str, delegated: bool) -> None:
        _, kind, text = (steps[-1] + "  ").split(" ", 2)
        if delegated and special_needs(self._model.graph):
            return
        if kind == "MemoryError" or "bad_alloc" in native:
            raise self._too_large()
        if self._engine == "openvino":
            # It fails here as it did there, and has words of its own for it.
            return
        error = SystemError(text) if kind == "SystemError" else RuntimeError(text.strip() or kind)
        if LOADED in steps:
            raise not_run(str(self._model.path), self._engine, error, native)
        raise load_error(self._model, self._engine, error, native)

    def _death(self, loaded: bool, native: str) -> ModelError:
        assert self._process is not None
        code = self._process.returncode or 0
        if "bad_alloc" in native:
            return self._too_large()
        if code == -getattr(signal, "SIGXCPU", 0):
            return self._refusal(
                f"computes for more than {self._seconds} s when it runs this model"
            )
        how = f"signal {-code}" if code < 0 else f"exit {code}"
        doing = "runs" if loaded else "loads"
        return self._refusal(f"dies while it {doing} this model ({how})")

    def _too_large(self) -> ModelError:
        size = f"{self._memory_bytes / 2**30:.1f} GiB"
        return self._refusal(f"takes more than {size} of memory when it runs this model")

    def _refusal(self, what: str) -> ModelError:
        return ModelError(
            f"{self._model.path}: {self._title} {what}; the file is damaged or malicious. It was "
            "tried in a separate process; nothing ran in this one"
        )


def begin(model: ModelFile, engine: str) -> Trial | None:
    """Starts a trial; None for a file that is known, or where no such engine is installed.

    engine: `auto` means the first that is installed, as it does elsewhere.
    """
    for name in ("litert", "tflite-runtime") if engine == "auto" else (engine,):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            version = installed_version(DISTRIBUTIONS[name])
            key = _key_of(model, name, version)
            return None if _is_kept(key) else Trial(model, name, version, key)
    return None


@functools.cache
def installed_version(distribution: str) -> str:
    """Of a package, which does not change while this runs. Raises PackageNotFoundError."""
    return importlib.metadata.version(distribution)


def _key_of(model: ModelFile, engine: str, version: str) -> str:
    """Of all that decides what becomes of the model here."""
    parts = (_FORMAT, model.sha256, model.size, engine, version, platform.machine())
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _path_of(key: str) -> Path:
    return cache_root() / "trials" / key


def _is_kept(key: str) -> bool:
    try:
        return _path_of(key).read_text(encoding="utf-8").startswith(key)
    except (OSError, ValueError):
        return False


def _keep(key: str, model: ModelFile, title: str) -> None:
    """Notes that the model runs; where nothing can be kept, it is tried again the next time."""
    with contextlib.suppress(CnnedgeError, OSError):
        write_text(_path_of(key), f"{key} runs in {title}: sha256 {model.sha256}\n")
