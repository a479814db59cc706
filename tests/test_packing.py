"""Flatbuffers written again: fewer bytes, the same model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from cnnedge.packing import Divisible, pack, repack, unpack
from support.networks import answers, shape_pixels

pytest.importorskip("tf_keras")
import tensorflow as tf


@pytest.fixture(scope="module")
def plain(chain: Any) -> bytes:
    """An int8 model as TensorFlow's converter writes it."""
    calibration = shape_pixels(20).astype(np.float32)
    converter = tf.lite.TFLiteConverter.from_keras_model(chain)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([picture[None]] for picture in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytes(converter.convert())


def vectors(content: bytes, kind: str) -> list[Any]:
    (graph,) = unpack(content).subgraphs
    found = [getattr(tensor.quantization, kind) for tensor in graph.tensors if tensor.quantization]
    return [value for value in found if value is not None]


def test_each_zero_point_and_scale_stays_what_it_is(plain: bytes) -> None:
    for kind in ("zeroPoint", "scale"):
        before, after = vectors(plain, kind), vectors(repack(plain), kind)
        assert len(before) == len(after) > 5
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_zero_points_of_channels_are_stored_once(plain: bytes) -> None:
    channels = [len(v) for v in vectors(plain, "zeroPoint") if len(v) > 1]
    once = sum(8 * n for n in set(channels))
    assert len(plain) - len(repack(plain)) > 0.9 * (8 * sum(channels) - once)


def test_every_buffer_begins_where_the_schema_demands(plain: bytes) -> None:
    content = repack(plain)
    buffers = [b.data for b in unpack(content).buffers if b.data is not None and len(b.data) > 15]
    assert len(buffers) > 5
    for data in buffers:
        assert content.index(data.tobytes()) % 16 == 0


def test_the_answers_are_the_same(plain: bytes) -> None:
    pictures = shape_pixels(20, first=100)
    assert np.array_equal(answers(plain, pictures), answers(repack(plain), pictures))


def test_twice_is_once(plain: bytes) -> None:
    assert repack(repack(plain)) == repack(plain)
    assert pack(unpack(plain)) == repack(plain)


def test_values_behind_the_tables_are_kept(plain: bytes) -> None:
    """As quantisers write them; a place takes as many bytes whatever it is."""
    values: list[bytes] = []
    model = unpack(plain)
    for start in (2, None):
        at = start or len(pack(model))
        for buffer, kept in zip(model.buffers, unpack(plain).buffers, strict=True):
            if kept.data is None or not len(kept.data):
                continue
            buffer.data, buffer.offset, buffer.size = None, at, len(kept.data)
            if start is None:
                values.append(kept.data.tobytes())
                at += len(kept.data)
    behind = pack(model) + b"".join(values)
    assert len(values) > 5
    assert len(behind) == at
    assert repack(behind) == repack(plain)


def run(content: bytes, values: Any) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    engine = Interpreter(model_content=content)
    engine.allocate_tensors()
    engine.set_tensor(engine.get_input_details()[0]["index"], values)
    engine.invoke()
    return engine.get_tensor(engine.get_output_details()[0]["index"])


def test_two_parts_compute_what_the_whole_does(plain: bytes) -> None:
    model = unpack(plain)
    graph, parts = model.subgraphs[0], Divisible(model)
    picture = shape_pixels(1).astype(np.float32)
    count = len(graph.operators)
    assert count > 3
    for cut in range(1, count):
        between = [graph.operators[cut - 1].outputs[0]]
        begun = run(parts.part(range(cut), graph.inputs, between), picture)
        ended = run(parts.part(range(cut, count), between, graph.outputs), begun)
        assert np.array_equal(ended, run(plain, picture))


def test_other_values_of_a_buffer_are_in_every_later_part(plain: bytes) -> None:
    model = unpack(plain)
    graph, parts = model.subgraphs[0], Divisible(model)
    last = [op for op in graph.operators if len(op.inputs) == 3][-1]
    bias = graph.tensors[last.inputs[2]]
    stored = np.frombuffer(model.buffers[bias.buffer].data.tobytes(), np.int32)
    # Now it always answers the last class.
    values = stored + np.where(np.arange(len(stored)) == len(stored) - 1, 2**24, 0).astype(np.int32)
    parts.replace(bias.buffer, values.tobytes())
    model.buffers[bias.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
    whole = parts.part(range(len(graph.operators)), graph.inputs, graph.outputs)
    picture = shape_pixels(1).astype(np.float32)
    assert np.array_equal(run(whole, picture), run(pack(model), picture))
    assert run(whole, picture).argmax() == len(stored) - 1 != run(plain, picture).argmax()
