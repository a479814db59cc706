"""Programs to be found under the name of benchmark_model, for phones that are this machine.

A folder enters, the path of a program leaves. Each holds the texts by which cnnedge knows which of
the two tools it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).parent
_CLASSIC = "Inference timings in us: "
_LITERT = "BENCHMARK RESULTS"


def _program(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "benchmark_model"
    path.write_text(text)
    return path


def classic(folder: Path) -> Path:
    """Runs the model in LiteRT's interpreter and prints what TensorFlow Lite's tool prints."""
    source = (_HERE / "classic_benchmark.py").read_text()
    return _program(folder, f"#!{sys.executable}\n{source}")


def litert(folder: Path) -> Path:
    """LiteRT's own Python tool as its wheel ships it, by the flags of its C++ tool."""
    return _program(
        folder,
        f"""#!{sys.executable}
# {_LITERT}
import sys
from ai_edge_litert.tools import benchmark_litert_model as tool

flags = dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv[1:])
sys.argv[1:] = [f"--model={{flags['graph']}}", f"--num_runs={{flags['num_runs']}}"]
sys.argv += [f"--num_threads={{flags['num_threads']}}"]
sys.argv += ["--use_gpu"] if flags.get("use_gpu") == "true" else []
tool.main()
""",
    )


def saying(folder: Path, *, out: str = "", errors: str = "", code: int = 0) -> Path:
    """Prints these texts, in a real tool's form or another, and exits.

    It is taken for LiteRT's where `out` holds that tool's heading.
    """
    return _program(
        folder,
        f"#!{sys.executable}\n# {_CLASSIC}\nimport sys\nsys.stderr.write({errors!r})\n"
        f"sys.stdout.write({out!r})\nsys.exit({code})\n",
    )


def hanging(folder: Path, sign: Path) -> Path:
    """Starts a child, writes both process ids to `sign`, and never ends."""
    return _program(
        folder,
        f"#!/bin/sh\n# {_CLASSIC}\nsleep 1000 &\necho $$ $! >'{sign}'\necho STARTING!\nwait\n",
    )
