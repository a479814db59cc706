"""The side of a process that is asked: words on standard input, an answer for each on its output.

A request is a JSON list of texts, a verb first; an answer is `["ok", text]` or `["error", text]`.
What libraries print goes nowhere near the answers.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping

Verb = Callable[..., str]
_LONGEST = 2000


class Refusal(Exception):
    """A reason that is fit for people as it is."""


def serve(verbs: Mapping[str, Verb], memory_bytes: int) -> None:
    """Answers until nobody asks any more; in no more memory than allowed, where that is known."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _limit(memory_bytes)
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        try:
            said = ["ok", verbs[verb](*arguments)]
        except Refusal as error:
            said = ["error", str(error)]
        except MemoryError:
            said = ["error", f"it takes more than the allowed {memory_bytes >> 30} GiB of memory"]
        except BaseException as error:  # a stranger's code may raise anything, and exit
            said = ["error", f"{type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST]]
        answers.write(json.dumps(said) + "\n")
        answers.flush()


def _limit(memory_bytes: int) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # If memory runs out, this process is killed first.
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except (ImportError, OSError, ValueError):
        pass
