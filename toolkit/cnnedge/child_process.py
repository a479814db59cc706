"""How a Python of our own is started: without what lies in the working directory.

`python -m` puts the working directory first on the module path, and a numpy.py there, of a
stranger's download folder, would be run in place of numpy. A module's name enters; the words of a
command that runs it, and finds no module in the working directory, leave.
"""

from __future__ import annotations

import sys
from pathlib import Path

# `-c` puts an empty name for the working directory on the path, and nothing was imported from
# there yet; `-I` would do as much, but drops PYTHONPATH, by which a device finds cnnedge, and `-P`
# is Python 3.11's.
CLEAN_PATH = "import sys; sys.path[:] = [p for p in sys.path if p]"
_RUN = (
    "import runpy; sys.argv[:] = sys.argv[1:]; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


def python_words(module: str, *arguments: str, python: str | None = None) -> list[str]:
    """What `python -m MODULE ARGUMENTS` does, safely.

    python: of another machine; left out, this one, which finds this very cnnedge also where it is
    not installed.
    """
    here = f"; sys.path.append({str(Path(__file__).parents[1])!r})" if python is None else ""
    return [python or sys.executable, "-c", f"{CLEAN_PATH}{here}; {_RUN}", module, *arguments]
