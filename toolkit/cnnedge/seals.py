"""Results kept in a folder that others may have written to, and whether this user made them.

A payload enters, with whatever belongs to it; a seal leaves, which only a holder of the key in
this user's cache folder can make. A run that comes from elsewhere has no such seal: what it says
was measured is measured again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import os
import secrets
from typing import Any

from .errors import CnnedgeError
from .files import cache_root, json_text, write_bytes

_BYTES = 32


def seal(payload: Any, *contents: bytes) -> str:
    """The seal of a JSON payload and of the contents of files that belong to it, hex."""
    made = hmac.new(_key(), json_text(payload, sort_keys=True).encode(), hashlib.sha256)
    for content in contents:
        made.update(hashlib.sha256(content).digest())
    return made.hexdigest()


def holds(found: Any, payload: Any, *contents: bytes) -> bool:
    """Whether `found` is the seal of just this. Never raises."""
    try:
        return isinstance(found, str) and hmac.compare_digest(
            found.encode(), seal(payload, *contents).encode()
        )
    except (TypeError, ValueError, RecursionError):
        return False


@functools.lru_cache(maxsize=1)
def _key() -> bytes:
    """This user's key, made if there is none.

    If it cannot be saved, it lasts for this process: what is sealed then is made again later.
    """
    path = cache_root() / "key"
    with contextlib.suppress(OSError):
        found = path.read_bytes()
        if len(found) == _BYTES:
            return found
    made = secrets.token_bytes(_BYTES)
    with contextlib.suppress(CnnedgeError, OSError):
        write_bytes(path, made)
        os.chmod(path, 0o600)
        return path.read_bytes()
    return made
