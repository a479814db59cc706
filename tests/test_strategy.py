"""Training on several workers: two real processes that find each other on loopback."""

from __future__ import annotations

import csv
import json
import signal
import socket
import time
from pathlib import Path

import pytest

from cnnedge.errors import CnnedgeError
from cnnedge.training.strategy import open_workers
from support.command import Running, assert_one_clear_line, begun, cnnedge
from support.pictures import shape_folder
from support.recipes import write_recipe

EPOCHS = 6


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workers")
    pictures = shape_folder(folder / "pictures", per_class=40)
    return write_recipe(folder / "recipe", pictures, epochs=EPOCHS)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(recipe: Path, run: Path, *options: str) -> list[Running]:
    """Both workers, the writer first."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    tasks = ({"type": "worker", "index": index} for index in range(2))
    told = [json.dumps({"cluster": cluster, "task": task}) for task in tasks]
    return [begun("train", recipe, "--out", run, *options, TF_CONFIG=each) for each in told]


def history(run: Path) -> list[dict[str, str]]:
    if not (run / "history.csv").exists():
        return []
    with (run / "history.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.heavy
def test_two_workers_reach_what_one_reaches(recipe: Path, tmp_path: Path) -> None:
    alone = cnnedge("train", recipe, "--out", tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr
    processes = start(recipe, tmp_path / "two", "--strategy", "multiworker")
    ends = [process.end() for process in processes]
    assert [end.returncode for end in ends] == [0, 0], ends
    assert "worker 1 is done" in ends[1].stderr
    assert not ends[1].stdout, "one worker alone prints the results"
    one, two = (
        json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("alone", "two")
    )
    assert two["workers"] == 2
    assert len(history(tmp_path / "two")) == EPOCHS
    # The same pictures in the same batches, augmented by other draws.
    assert two["test"]["accuracy"] >= one["test"]["accuracy"] - 0.1
    left = [p.name for p in (tmp_path / "two").rglob(".part-*")]
    assert not left


@pytest.mark.heavy
def test_a_worker_that_is_killed_in_an_epoch_costs_that_epoch_alone(
    recipe: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    processes = start(recipe, run)
    deadline = time.monotonic() + 240
    while len(history(run)) < 3:
        assert time.monotonic() < deadline and processes[1].running()
        time.sleep(0.02)
    processes[1].send_signal(signal.SIGKILL)
    left, _killed = (process.end() for process in processes)
    said = left.stderr
    assert left.returncode == 1, said
    assert "Traceback" not in said, said
    assert "lost another worker" in said and "--resume" in said
    done = history(run)
    assert 3 <= len(done) < EPOCHS
    assert not (run / "metrics.json").exists()

    again = start(recipe, run, "--resume")
    ends = [process.end() for process in again]
    assert [end.returncode for end in ends] == [0, 0], ends
    assert "resuming after epoch" in ends[0].stderr
    after = history(run)
    assert len(after) == EPOCHS
    assert [row["loss"] for row in after[: len(done) - 1]] == [r["loss"] for r in done[:-1]]
    assert json.loads((run / "metrics.json").read_text())["workers"] == 2


def test_multiworker_without_a_cluster_says_what_is_missing(recipe: Path, tmp_path: Path) -> None:
    done = cnnedge("train", recipe, "--out", tmp_path / "run", "--strategy", "multiworker")
    assert_one_clear_line(done, "TF_CONFIG", '"task"')
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("config", "said"),
    {
        "no JSON": ("{", "TF_CONFIG does not have the form that TensorFlow defines"),
        "index beyond": (
            '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
            "not one of the cluster's 2 workers",
        ),
        "no task": (
            '{"cluster": {"worker": ["a:1", "b:1"]}}',
            "not one of the cluster's 2 workers",
        ),
        "a list": ("[1]", "TF_CONFIG does not have the form that TensorFlow defines"),
    }.values(),
)
def test_a_wrong_cluster_is_one_clear_message(
    config: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(CnnedgeError, match=said):
        open_workers("auto")


def test_one_device_is_the_plain_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    workers = open_workers("auto")
    assert (workers.index, workers.count, workers.writes) == (0, 1, True)
