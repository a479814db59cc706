"""Freed memory is kept for the next tensor, where the C library gives it back at once otherwise.

TensorFlow allocates each tensor anew. glibc maps what is larger than 32 MB, and the heaps of
threads, from the kernel and unmaps them when they are free, so that every step of a training faults
in all its memory again, a page at a time: half of the time on some machines.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

# Parameters of mallopt(3), as in malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_MOST_INT = 2**31 - 1
_AT_ONCE_BYTES = 64 * 2**20


def keep_freed() -> None:
    """Has effect from the next thread on. Does nothing where the user has set glibc up themselves,
    or where there is another C library."""
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        # One heap for all threads: it grows at its end, and what is free within it stays.
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _MOST_INT)
        mallopt(_TOP_PAD, _AT_ONCE_BYTES)
