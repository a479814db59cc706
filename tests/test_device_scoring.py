"""Predictions on a device beside those here: equal ones, and each way in which they can part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnedge.classifier import load
from cnnedge.data import load_dataset
from cnnedge.device_scoring.differences import differences
from cnnedge.device_scoring.parcel import pack, unpack
from cnnedge.device_scoring.predictions import Predictions, predict, read
from cnnedge.engines import CPU
from cnnedge.errors import DeviceError
from cnnedge.specs import plain
from support.command import assert_one_clear_line, cnnedge


@pytest.fixture(scope="module")
def here(int8_model: Path, shapes: Path) -> Any:
    """The model, the pictures of a folder, and what is predicted of them in this process."""
    dataset = load_dataset(str(shapes), splits=None)
    classifier = load(int8_model, CPU)
    pictures = [dataset.frame(i) for i in range(len(dataset))]
    return classifier, dataset, predict(classifier, pictures)


def test_a_parcel_gives_the_pictures_back_in_order(here: Any, tmp_path: Path) -> None:
    _, dataset, _ = here
    order = np.array([5, 0, 77], np.int64)
    pack(dataset, order, tmp_path / "a.tar")
    pack(dataset, order, tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert len(list(unpack(tmp_path / "a.tar"))) == 3
    for index, frame in zip(order, unpack(tmp_path / "a.tar"), strict=True):
        assert np.array_equal(frame, dataset.frame(int(index)))


def test_pictures_of_arrays_travel_as_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3)).astype(np.uint8)
    np.savez(tmp_path / "d.npz", x=pixels, y=np.arange(12) % 2)
    dataset = load_dataset(str(tmp_path / "d.npz"), splits=None)
    pack(dataset, dataset.indices("all"), tmp_path / "p.tar")
    for index, frame in enumerate(unpack(tmp_path / "p.tar")):
        assert np.array_equal(frame, dataset.frame(index))


def test_eval_on_this_machine_as_a_device(int8_model: Path, shapes: Path, tmp_path: Path) -> None:
    plain = cnnedge("eval", int8_model, "--data", shapes, "--split", "all", "--json", "-")
    there = cnnedge(
        *("eval", int8_model, "--data", shapes, "--split", "all"),
        *("--device", "local", "--json", tmp_path / "r.json"),
    )
    assert there.returncode == 0, there.stderr
    found, expected = json.loads((tmp_path / "r.json").read_text()), json.loads(plain.stdout)
    for key in ("accuracy", "count", "ci95", "confusion", "labels"):
        assert found[key] == expected[key]
    assert found["device"] == "local"
    assert found["here"]["identical"] == found["count"] == 120
    assert found["here"]["first_difference"] is None
    assert "identical to the bit" in there.stdout


def test_a_model_that_is_refused_there(tmp_path: Path, shapes: Path, int8_model: Path) -> None:
    done = cnnedge(
        *("eval", int8_model, "--data", shapes, "--split", "all"),
        *("--device", "local", "--delegate", "nnapi"),
    )
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "local: --delegate nnapi" in done.stderr


def test_workers_and_unknown_devices(int8_model: Path, shapes: Path) -> None:
    both = ("--device", "local", "--workers", "2")
    assert cnnedge("eval", int8_model, "--data", shapes, *both).returncode == 2
    done = cnnedge("eval", int8_model, "--data", shapes, "--device", "locl")
    assert_one_clear_line(done, "no device 'locl'", "Did you mean 'local'?")


@pytest.mark.parametrize("stage", ["decode", "resize", "network"])
def test_the_first_stage_that_parts_is_named(here: Any, stage: str) -> None:
    classifier, dataset, mine = here
    raw, decoded, prepared = mine.raw.copy(), mine.decoded.copy(), mine.prepared.copy()
    raw[7] = raw[7][::-1]
    raw[90, 0] ^= 3
    if stage == "decode":
        decoded[7] += 1
    if stage != "network":
        prepared[7] += 1
    other = Predictions(raw=raw, decoded=decoded, prepared=prepared)
    names = [dataset.name(i) for i in range(len(dataset))]
    found = plain(differences(classifier, mine, other, names))
    assert found["identical"] == len(dataset) - 2
    assert found["first_difference"]["index"] == 7
    assert found["first_difference"]["picture"] == names[7]
    assert found["first_difference"]["stage"] == stage
    assert found["stages"]["network"] == (2 if stage == "network" else 1)
    flipped = {f["picture"] for f in found["flipped"]}
    assert flipped == ({names[7]} if raw[7].argmax() != mine.raw[7].argmax() else set())


@pytest.mark.parametrize("kind", ["text", "cut", "shape", "type", "pickle", "missing"])
def test_what_a_device_sends_is_data(here: Any, tmp_path: Path, kind: str) -> None:
    mine = here[2]
    path = tmp_path / "p.npz"
    mine.write(path)
    held = {"raw": mine.raw, "decoded": mine.decoded, "prepared": mine.prepared}
    if kind == "text":
        path.write_text("\x1b[31mnot an archive")
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif kind == "shape":
        np.savez(path, **held | {"raw": mine.raw[:-1]})
    elif kind == "type":
        np.savez(path, **held | {"raw": mine.raw.astype(np.float64)})
    elif kind == "pickle":
        np.savez(path, **held | {"raw": np.array([print], object)})
    else:
        np.savez(path, raw=mine.raw)
    with pytest.raises(DeviceError, match="pi4: its predictions"):
        read(path, like=mine, name="pi4")
