"""A real delegate library for tests: compiled with the system's C compiler when it is asked for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from ..environments import missing

_SOURCE = Path(__file__).with_name("delegate.c")


def build(folder: Path, name: str = "libtest_delegate.so") -> Path:
    """Compiles delegate.c, which says what its options do; skips where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        missing("no C compiler (on Debian: gcc and libc6-dev)")
    library = folder / name
    command = [compiler, "-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o", str(library)]
    done = subprocess.run([*command, str(_SOURCE), "-lm"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return library
