"""A test run's workers, forked from a process that has imported what most tests need.

Each would import TensorFlow, scikit-learn and matplotlib for itself, for six seconds.
"""

from __future__ import annotations

import os
import shlex
import sys
import uuid
from typing import Any

import pytest

from support.command import WORKSHOP
from support.forks import RUN, server, stand_in


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    # Elsewhere a fork may do less than a process that was started.
    if sys.platform != "linux" or config.getoption("quick"):
        return
    for spec in specs:
        if spec.popen and not spec.python:
            spec.python = shlex.join(stand_in_words())


def stand_in_words() -> list[str]:
    """What takes the place of a Python that is started with `-u -c CODE`."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from {stand_in.__module__} import stand_in"
    return [sys.executable, "-c", f"{code}; stand_in()", str(server(WORKSHOP))]


def pytest_configure(config: pytest.Config) -> None:
    """The run's name is known here, as it is to the workers, which find the same server by it."""
    if hasattr(config.option, "testrunuid") and not hasattr(config, "workerinput"):
        config.option.testrunuid = config.option.testrunuid or uuid.uuid4().hex
        os.environ[RUN] = config.option.testrunuid
