"""`cnnedge convert --device`: variants are timed, and searched for, where they will run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cnnedge.specs import dump
from support import adbd, benchmark_tools
from support.boards import CACHE
from support.command import assert_one_clear_line, cnnedge
from support.sshd import Sshd

AROUND = {"XDG_CACHE_HOME": str(CACHE)}


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """A copy of its own, with what was made before."""
    return shutil.copytree(trained_run, tmp_path / "run")


@pytest.fixture
def there(served: Sshd, tmp_path: Path) -> tuple[object, ...]:
    """The options that lead to a board."""
    served.configure()
    profile = tmp_path / "board.yaml"
    profile.write_text(f"transport: ssh\naddress: pi4\nfolder: {tmp_path / 'on it'}\n")
    return ("--device", profile, "--ssh-config", served.config)


def converted(*words: object) -> dict[str, Any]:
    """The report of a conversion with a board."""
    done = cnnedge(*words, env=AROUND)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["device"].startswith("board (")
    return report


def test_variants_are_timed_on_a_board(
    run: Path, there: tuple[object, ...], tmp_path: Path
) -> None:
    words = ("convert", run, "--variant", "float32", "--variant", "int8", "--json", "-")
    report = converted(*words, *there)
    assert [v["name"] for v in report["variants"]] == ["float32", "int8"]
    assert all(v["latency_ms"]["count"] > 0 for v in report["variants"])
    assert report["device"] in (run / "export" / "report.html").read_text()
    kept = {path.name for path in (tmp_path / "on it" / "files").rglob("*.tflite")}
    assert kept == {"float32.tflite", "int8.tflite"}


@pytest.mark.heavy
def test_variants_are_timed_on_a_phone(run: Path, tmp_path: Path) -> None:
    """Its tool tells neither samples nor a p90."""
    profile = tmp_path / "phone.yaml"
    tool = benchmark_tools.classic(tmp_path / "tool")
    words = ("convert", run, "--variant", "float32", "--variant", "int8", "--device", profile)
    with adbd.network(tmp_path / "net") as network:
        phone = adbd.phone(network, tmp_path / "root", 16001)
        profile.write_text(dump(phone.profile()))
        done = cnnedge(*words, "--benchmark-tool", tool, env={"PATH": network.path})
    assert done.returncode == 0, done.stderr
    report = json.loads((run / "export" / "report.json").read_text())
    assert report["device"].startswith("phone (")
    assert all(v["latency_ms"]["median"] > 0 for v in report["variants"])
    assert [v["latency_ms"]["p90"] for v in report["variants"]] == [None, None]


@pytest.mark.heavy
def test_the_search_measures_on_the_board(
    run: Path, there: tuple[object, ...], tmp_path: Path
) -> None:
    words = ("convert", run, "--budget", "latency=1s", "--max-drop", "50", "--json", "-")
    report = converted(*words, *there)
    assert report["chosen"]["name"] in {v["name"] for v in report["variants"]}
    words = ("convert", run, "--budget", "latency=0.1us", "--max-drop", "50")
    assert "within the budget on board" in cnnedge(*words, *there, env=AROUND).stderr


def test_a_board_out_of_reach_is_said_before_anything_is_made(
    run: Path, served: Sshd, there: tuple[object, ...]
) -> None:
    shutil.rmtree(run / "export")
    served.configure(Port="1")
    done = cnnedge("convert", run, "--variant", "int8", *there, env=AROUND)
    assert_one_clear_line(done, "board: ", "pi4")
    assert not (run / "export").exists()
    assert_one_clear_line(cnnedge("convert", run, "--device", "nowhere"), "nowhere", "pi4")
