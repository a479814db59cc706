"""Does CompiledModel work here? Tried in a process of its own, which may die of it.

LiteRT 2.3.0 loads its WebGPU library for every CompiledModel, and that ends the process with
SIGILL on Cortex-A53 and A72 (a Raspberry Pi 4); a broken GPU driver may do as much. A ModelFile
and an accelerator enter, a Probe leaves; run as a program, this module is that process.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any

from ..bundle import ModelFile, read_model, sized
from ..child_process import python_words
from ..files import json_text
from ..native_stderr import complaints
from .report import DelegateReport
from .runtime import Runtime

# A GPU compiles its shaders at the first inference.
_PATIENCE_SECONDS = 180


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What one inference in another process showed.

    error: "" when it worked. adapter and software: as the GPU names itself, "" and None when it
    does not. delegated: operators on the GPU; left_behind: the names of the others.
    """

    error: str = ""
    adapter: str = ""
    software: bool | None = None
    delegated: int = 0
    left_behind: tuple[str, ...] = ()


def probe(model: ModelFile, accelerator: str, runtime: Runtime) -> Probe:
    """Loads and runs the model once, elsewhere; never raises for what happens there."""
    request = {
        "model": str(model.path),
        "accelerator": accelerator,
        "precision": runtime.precision,
        "threads": runtime.threads,
        "options": dict(runtime.options),
        "size": model.size,
    }
    try:
        done = subprocess.run(
            python_words("cnnedge.engines.probe"),
            input=json_text(request, ascii_only=True),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Probe(error=f"a trial gave no answer within {_PATIENCE_SECONDS} s")
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return Probe(error=_death(done.returncode, done.stderr))
    return Probe(**answer | {"left_behind": tuple(answer["left_behind"])})


def _death(code: int, stderr: str) -> str:
    said = "; ".join(complaints(stderr))
    if code < 0:
        name = signal.Signals(-code).name
        why = " (LiteRT's WebGPU library was not built for this CPU)" if name == "SIGILL" else ""
        return f"a trial in a process of its own died with {name}{why}{': ' * bool(said)}{said}"
    return f"a trial in a separate process failed: {said or f'exit {code}'}"


def read_report(text: str, model: ModelFile, *, fully: bool) -> Probe:
    """What LiteRT wrote while a GPU took a model: it says so nowhere else."""
    adapter = re.search(r"Selected adapter: (.*?)(?:, arch=.*?)?adapterType=([^\n]*)", text)
    total = len(model.graph.operators)
    rest = re.search(r"remaining (\d+) operations will run on the CPU", text)
    left = int(rest.group(1)) if rest else 0 if fully else total
    listed = text.partition("not supported by GPU")[2]
    unsupported = re.findall(r"^([A-Z0-9_]+): ", listed, re.MULTILINE)
    names = {op.name for op in model.graph.operators}
    return Probe(
        adapter=adapter.group(1).strip(" ,") if adapter else "",
        software="CPU" in adapter.group(2) if adapter else None,
        delegated=max(0, total - left),
        left_behind=tuple(sorted(names.intersection(unsupported))) if left else (),
    )


def _try(request: dict[str, Any]) -> Probe:
    """Runs in the other process."""
    from .compiled import CompiledEngine, CompileError

    model = sized(read_model(request["model"]), request["size"])
    settings = {name: request[name] for name in ("precision", "threads", "options")}
    nothing = DelegateReport(requested="", used="", nodes_delegated=0, nodes_total=0)
    try:
        engine = CompiledEngine(model, request["accelerator"], Runtime(**settings), nothing)
        engine.invoke()
    except (CompileError, RuntimeError, ImportError) as error:
        return Probe(error=" ".join(str(error).split()))
    return read_report(engine.native, model, fully=engine.fully_accelerated)


def main() -> int:
    """Reads a request on standard input, prints the answer."""
    request = json.load(sys.stdin)
    sys.stdout.writelines([json_text(asdict(_try(request)), ascii_only=True)])
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
