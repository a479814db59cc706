"""Many short readings of a phone in one command, so that reading disturbs it little.

Names with the commands that read them enter; what each printed leaves.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

from .files import Run

# dumpsys waits ten seconds for a service that hangs.
_SECONDS = 60.0
_MOST = 200_000


def read(run: Run, commands: Mapping[str, str]) -> dict[str, str]:
    """What each command printed on its standard output; "" for one that failed.

    The commands are of this program's own; nothing of a user or a device is ever in them.
    """
    mark = f"@{secrets.token_hex(8)}"
    script = "\n".join(f"echo; echo {mark}:{name}\n{body}" for name, body in commands.items())
    words = ["sh", "-c", f"exec 2>/dev/null\n{script}\necho"]
    text = run(words, seconds=_SECONDS, what="reading its state").text
    pieces = re.split(rf"^{mark}:([\w.]+)$\n?", text, flags=re.MULTILINE)
    told = dict(zip(pieces[1::2], pieces[2::2], strict=False))
    return {name: told.get(name, "").strip()[:_MOST] for name in commands}


def whole_number(text: str) -> int | None:
    """The number that a text is, or None."""
    return int(text) if re.fullmatch(r"[-+]?\d{1,18}", text.strip()) else None
