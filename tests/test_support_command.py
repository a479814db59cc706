"""How the tests call the command line: forked where that makes no difference, and it is faster."""

from __future__ import annotations

import os

from support.command import STARTED, read_at_start


def test_nothing_that_a_test_imports_keeps_commands_from_being_forked() -> None:
    import cv2

    import cnnedge.engines

    assert cv2 and cnnedge.engines
    assert read_at_start(os.environ) == STARTED
