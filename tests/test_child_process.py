"""A Python of ours runs nothing that lies in the working directory."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cnnedge import bench
from cnnedge.benchmark.protocols import Protocol
from cnnedge.child_process import python_words
from cnnedge.targets.local import LocalTarget
from support.command import cnnedge

BRIEF = Protocol(
    name="brief", processes=1, warmup_seconds=0.0, runs=5, seconds=0.01, headline="median"
)
# Names that our processes import; the first two are imported by Python's own start of a module.
TRAPS = ("runpy", "pkgutil", "json", "numpy", "cv2", "click", "yaml", "flatbuffers", "cnnedge")


@pytest.fixture
def trapped(tmp_path: Path) -> Path:
    """A working directory of a stranger's files; each of them, run, leaves a mark."""
    for name in TRAPS:
        mark = tmp_path / f"{name}.was-run"
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\n1/0\n")
    return tmp_path


def marks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.was-run"))


@pytest.mark.parametrize(
    "module",
    [
        "cnnedge",
        "cnnedge.benchmark.worker",
        "cnnedge.device_scoring.worker",
        "cnnedge.display.viewer",
        "cnnedge.engines.probe",
        "pip",
    ],
)
def test_no_child_imports_from_the_working_directory(trapped: Path, module: str) -> None:
    # Without a display and without a request they end with a complaint, after their imports.
    subprocess.run(
        python_words(module, "--version"),
        cwd=trapped,
        input="",
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "DISPLAY"},
    )
    assert marks(trapped) == []


def test_a_child_gets_its_arguments_and_runs_as_the_program() -> None:
    done = subprocess.run(python_words("cnnedge", "--version"), capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("cnnedge")


def test_a_child_finds_a_module_that_pythonpath_brings(trapped: Path) -> None:
    """As a board finds cnnedge's code: in a folder or an archive beside its own packages."""
    packed = trapped / "code.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("pushed/__init__.py", "")
        archive.writestr("pushed/work.py", "import json, sys; print(json.dumps(sys.argv[1:]))")
    done = subprocess.run(
        python_words("pushed.work", "a b", python=sys.executable),
        cwd=trapped,
        env=os.environ | {"PYTHONPATH": str(packed)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == '["a b"]\n', done.stderr
    assert marks(trapped) == []


def test_commands_in_such_a_folder_measure_and_label(
    trapped: Path, plain_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trapped)
    assert bench(plain_models["int8"], protocol=BRIEF)["results"][0]["samples_ms"]
    done = LocalTarget().cnnedge(["inspect", str(plain_models["int8"])])
    assert done.code == 0, done.errors
    assert marks(trapped) == []


def test_python_m_cnnedge_looks_elsewhere_for_what_it_needs(trapped: Path) -> None:
    for name in ("cnnedge", "runpy", "pkgutil"):
        # Python itself looks for these before a line of ours is run.
        (trapped / f"{name}.py").unlink()
    done = cnnedge("recipes", cwd=trapped)
    assert done.returncode == 0, done.stderr
    assert marks(trapped) == []
