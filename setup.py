"""The one thing that setup.cfg cannot say: the C of the pixel path.

It is optional: without a C compiler the same pixels are computed in numpy, several times slower.
"""

import hashlib
from pathlib import Path

from setuptools import Extension, setup

SOURCE = "toolkit/cnnedge/preprocess/resample.c"
HASH = hashlib.sha256(Path(SOURCE).read_bytes()).hexdigest()[:16]

setup(
    ext_modules=[
        # No Python in it: a shared library that cnnedge.preprocess.compiled opens itself.
        Extension(
            "cnnedge.preprocess._resample",
            [SOURCE],
            define_macros=[("SOURCE_HASH", f'"{HASH}"')],
            extra_compile_args=["-O3"],
            optional=True,
        )
    ]
)
