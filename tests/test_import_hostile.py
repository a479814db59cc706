"""Models that would do harm: none runs code, writes outside the run, or hangs."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
from click.testing import CliRunner

tf_keras = pytest.importorskip("tf_keras")

import tensorflow as tf  # noqa: E402

from cnnedge.cli import group  # noqa: E402
from support import foreigners  # noqa: E402
from support.foreigners import SIDE  # noqa: E402
from support.keras_files import payload, rewritten  # noqa: E402


def refused(source: Path, tmp_path: Path, *parts: str) -> None:
    """By one line, with no run and nothing executed."""
    before = sorted(p.name for p in tmp_path.iterdir())
    options = ("--pixels", "0..1", "--out", str(tmp_path / "run"))
    done = CliRunner().invoke(group, ["import", str(source), *options], prog_name="cnnedge")
    assert done.exit_code == 1, done.output
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("Error")]
    for part in parts:
        assert part in line
    assert sorted(p.name for p in tmp_path.iterdir()) == before


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, (f"touch {self.marker}",)


def test_pickles(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    (tmp_path / "m.pt").write_bytes(pickle.dumps(Evil(marker)))
    refused(tmp_path / "m.pt", tmp_path, "pickled module", "does not")
    with zipfile.ZipFile(tmp_path / "z.pth", "w") as file:
        file.writestr("z/data.pkl", pickle.dumps(Evil(marker)))
    refused(tmp_path / "z.pth", tmp_path, "pickled module")


@pytest.fixture(scope="module")
def keras_3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keras3") / "m.keras"
    foreigners.sequential(foreigners.kerases()[1]).save(path)
    return path


# Each puts something that Keras would call where it would look for it.
def _a_layer(config: dict[str, Any], marker: Path) -> None:
    config["config"]["layers"][1] = payload(marker)


def _wrapped(config: dict[str, Any], marker: Path) -> None:
    wrapper = {"class_name": "TimeDistributed", "module": "keras.layers", "config": {}}
    wrapper["config"] = {"layer": payload(marker)}
    config["config"]["layers"][1] = wrapper


def _an_operation(config: dict[str, Any], marker: Path) -> None:
    config["config"]["layers"][1] |= {"module": "keras.src.ops.core", "class_name": "Map"}


def _an_activation(config: dict[str, Any], marker: Path) -> None:
    config["config"]["layers"][2]["config"]["activation"] = {
        "class_name": "function",
        "module": "os",
        "config": "system",
        "registered_name": "os.system",
    }


def _an_initializer(config: dict[str, Any], marker: Path) -> None:
    config["config"]["layers"][2]["config"]["kernel_initializer"] = payload(marker)


def _the_model(config: dict[str, Any], marker: Path) -> None:
    config |= {"class_name": "Popen", "module": "subprocess", "registered_name": "Popen"}


PAYLOADS = (_a_layer, _wrapped, _an_operation, _an_activation, _an_initializer, _the_model)


@pytest.mark.parametrize("put", PAYLOADS, ids=lambda put: put.__name__)
def test_payloads_in_keras_3(
    put: Callable[[dict[str, Any], Path], None], keras_3: Path, tmp_path: Path
) -> None:
    marker = tmp_path / "executed"
    source = rewritten(keras_3, tmp_path / "m.keras", lambda config: put(config, marker))
    refused(source, tmp_path, "cnnedge does not know")


def test_a_table_says_where_a_class_is_not_the_file(keras_3: Path, tmp_path: Path) -> None:
    def elsewhere(config: dict[str, Any]) -> None:
        config["config"]["layers"][2] |= {"module": "os", "registered_name": "os>Conv2D"}

    source = rewritten(keras_3, tmp_path / "m.keras", elsewhere)
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    options = ("--labels", str(tmp_path / "labels.txt"), "--out", str(tmp_path / "run"))
    done = CliRunner().invoke(group, ["import", str(source), *options])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("version", ["2.15.0", "3.15.0"])
def test_a_lambda_in_hdf5(version: str, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    config = {
        "class_name": "Sequential",
        "config": {"name": "s", "layers": [payload(marker)]},
    }
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = version
        file.create_group("model_weights").attrs["layer_names"] = []
    refused(tmp_path / "m.h5", tmp_path, "'Lambda'", "none of its code was executed")


def test_weights_that_lead_elsewhere(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "{}"
        file["model_weights"] = h5py.ExternalLink("/etc/passwd", "/")
    refused(tmp_path / "m.h5", tmp_path, "the link")


def test_a_zip_bomb(keras_3: Path, tmp_path: Path) -> None:
    source = tmp_path / "m.keras"
    with (
        zipfile.ZipFile(keras_3) as old,
        zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            bomb = name == "config.json"
            new.writestr(name, b" " * (100 << 20) if bomb else old.read(name))
    refused(source, tmp_path, "no model does that")


def test_a_configuration_nested_without_end(keras_3: Path, tmp_path: Path) -> None:
    def deep(config: dict[str, Any]) -> None:
        inner: Any = []
        for _ in range(900):
            inner = [inner]
        config["config"]["layers"][2]["config"]["strides"] = inner

    refused(rewritten(keras_3, tmp_path / "m.keras", deep), tmp_path, "nested too deeply")


def pictures(dtype: Any = tf.float32) -> list[Any]:
    return [tf.TensorSpec((None, SIDE, SIDE, 3), dtype, name="image")]


def test_saved_models_that_are_programs(tmp_path: Path) -> None:
    secret, written = tmp_path / "secret", tmp_path / "written"
    secret.write_text("7")

    @tf.function(input_signature=pictures())  # type: ignore[untyped-decorator]
    def reads(image: Any) -> dict[str, Any]:
        number = tf.strings.to_number(tf.io.read_file(str(secret)))
        return {"scores": tf.reduce_mean(image, [1, 2]) * number}

    @tf.function(input_signature=pictures())  # type: ignore[untyped-decorator]
    def writes(image: Any) -> dict[str, Any]:
        tf.io.write_file(str(written), "x")
        return {"scores": tf.reduce_mean(image, [1, 2])}

    @tf.function(input_signature=pictures())  # type: ignore[untyped-decorator]
    def save_fn(image: Any) -> dict[str, Any]:
        tf.raw_ops.SaveV2(
            prefix=str(written), tensor_names=["x"], shape_and_slices=[""], tensors=[image]
        )
        return {"scores": tf.reduce_mean(image, [1, 2])}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])  # type: ignore[untyped-decorator]
    def decodes(encoded: Any) -> dict[str, Any]:
        picture = tf.map_fn(
            lambda e: tf.cast(tf.io.decode_jpeg(e, 3), tf.float32),
            encoded,
            fn_output_signature=tf.float32,
        )
        return {"scores": tf.reduce_mean(picture, [1, 2])}

    cases = {"reads": reads, "writes": writes, "saves": save_fn, "decodes": decodes}
    for name, function in cases.items():
        source = foreigners.saved_model(tmp_path / name, serving_default=function)
        refused(source, tmp_path, "its graph has the operator")
    assert not written.exists()


def test_a_saved_model_with_a_table(tmp_path: Path) -> None:
    class Network(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            (tmp_path / "words").write_text("a\nb\n")
            rows = tf.lookup.TextFileInitializer(
                *(str(tmp_path / "words"), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE),
                *(tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER),
            )
            self.table = tf.lookup.StaticHashTable(rows, -1)

        @tf.function(input_signature=pictures())  # type: ignore[untyped-decorator]
        def serve(self, image: Any) -> dict[str, Any]:
            number = tf.cast(self.table.lookup(tf.constant("a")), tf.float32)
            return {"scores": tf.reduce_mean(image, [1, 2]) * number}

    network = Network()
    tf.saved_model.save(network, str(tmp_path / "sm"), signatures=network.serve)
    refused(tmp_path / "sm", tmp_path, "it was not loaded")


def test_damaged_files(keras_3: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.keras").write_bytes(keras_3.read_bytes()[:-3000])
    refused(tmp_path / "cut.keras", tmp_path, "cut.keras")
    (tmp_path / "sm").mkdir()
    (tmp_path / "sm" / "saved_model.pb").write_bytes(b"\x0a\xff\xff")
    refused(tmp_path / "sm", tmp_path, "damaged")
    (tmp_path / "m.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(64))
    refused(tmp_path / "m.tflite", tmp_path, "m.tflite")
