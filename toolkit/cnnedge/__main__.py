"""`python -m cnnedge`."""

import os
import sys

# `-m` puts the working directory first: a numpy.py there would run in place of numpy.
if (
    not getattr(sys.flags, "safe_path", False)
    and sys.path[:1] == [os.getcwd()]
    and sys.path[0] != os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
):
    del sys.path[0]

from .cli import main

if __name__ == "__main__":
    main()
