"""How the tests call the command line: forked where that makes no difference, and it is faster."""

from __future__ import annotations

import os

from support.command import as_started


def test_nothing_that_a_test_imports_keeps_commands_from_being_forked() -> None:
    import cv2

    import cnnedge.engines

    assert cv2 and cnnedge.engines
    assert as_started(os.environ)
    assert not as_started(os.environ | {"LC_ALL": "C"})
