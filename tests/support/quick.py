"""`pytest --quick`: leaves out all that starts something or trains, and says what it left out.

What a test starts is found by what its file imports and which names it uses.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

TRAINS = "train, or convert, or import TensorFlow"
STARTS = "start a command"
SERVES = (
    "start a server, a board, a phone, a browser or a window, or need an environment of their own"
)
HEAVY = "are marked heavy"

# By what a file imports, read before it is: importing TensorFlow takes longer than all the rest.
_FILES = {
    SERVES: r"^from support\.(sshd|boards|adbd|pi|environments|browser|display|demo|node)\b"
    r"|^from support\.streams\b",
    TRAINS: r'^(import|from) (tf_keras|tensorflow|sklearn)\b|^[^#\n]*importorskip\("tf_keras'
    r"|^from support\.networks\b|^ *from cnnedge\.(converter|\w+\.(session|backend))\b",
}
_FIXTURES = {
    TRAINS: {"trained_run", "int8_model", "plain_models"},
    SERVES: {"served"},
}
_NAMES = {
    STARTS: {"cnnedge", "subprocess", "python", "script"},
    TRAINS: {"tensorflow", "tf_keras", "cnnedge.converter", "cnnedge.architectures"},
}


# Tests by the reason why they were left out; a test of many cases counts once.
_left_out: Counter[str] = Counter()
_files_left_out: set[Path] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only tests that start and train nothing")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not config.getoption("--quick") or not collection_path.match("test_*.py"):
        return None
    text = collection_path.read_text(encoding="utf-8")
    for why, sign in _FILES.items():
        if re.search(sign, text, re.MULTILINE):
            # pytest asks once for each path that it was given.
            if collection_path not in _files_left_out:
                _left_out[why] += len(re.findall(r"^def test_", text, re.MULTILINE))
            _files_left_out.add(collection_path)
            return True
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--quick"):
        return
    reasons = {item: _reason(item) for item in items}
    _left_out.update(
        {item.nodeid.partition("[")[0]: w for item, w in reasons.items() if w}.values()
    )
    items[:] = [item for item, why in reasons.items() if not why]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(_left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each worker collects the same tests."""
    _left_out.update(Counter(getattr(node, "workeroutput", {}).get("left_out", {})) - _left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for why, count in _left_out.most_common():
        terminalreporter.write_line(f"left out: {count} tests that {why}")


def _reason(item: pytest.Item) -> str | None:
    """Why one test is not run."""
    if item.get_closest_marker("heavy"):
        return HEAVY
    fixtures = set(getattr(item, "fixturenames", ()))
    code = getattr(getattr(item, "function", None), "__code__", None)
    names = set(code.co_names) if code else set()
    for found, signs in ((fixtures, _FIXTURES), (names, _NAMES)):
        for why, these in signs.items():
            if found & these:
                return why
    return None
