"""A stranger's .tflite: it gives the right answer, or one clear line and nothing else.

Files that native runtimes die of, tables that contradict themselves, a cnnedge.json that lies:
through the real command line and in this process.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz import networks
from fuzz import tflite as fuzz

import cnnedge as toolkit
from cnnedge import model_trial
from cnnedge.bundle import read_model, write_model
from cnnedge.engines import CPU, load_engine, trial, trial_process
from cnnedge.errors import CnnedgeError, ModelError
from cnnedge.inspection import inspect_model
from cnnedge.raw_model import load_raw
from cnnedge.specs import InputSize
from support.command import assert_one_clear_line, cnnedge
from support.guests import edited, written

SAMPLE = ("--source", "sample", "--frames", "1", "--delegate", "cpu")
FRAME = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No file is known from an earlier test."""
    monkeypatch.setenv("CNNEDGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def sound() -> bytes:
    return networks.int8_network()


def changed(change: Callable[[Any, Any], None], content: bytes | None = None) -> bytes:
    """A sound network after `change(its first graph, the model)`."""
    return edited(content or sound(), lambda model, _: change(model.subgraphs[0], model))


def set_tensor(place: int, **values: Any) -> Callable[[Any, Any], None]:
    def change(graph: Any, _: Any) -> None:
        for name, value in values.items():
            setattr(graph.tensors[place], name, value)

    return change


def zero_point(place: int, value: int) -> Callable[[Any, Any], None]:
    def change(graph: Any, _: Any) -> None:
        graph.tensors[place].quantization.zeroPoint = [value]

    return change


def option(place: int, name: str, value: int) -> Callable[[Any, Any], None]:
    def change(graph: Any, _: Any) -> None:
        setattr(graph.operators[place].builtinOptions, name, value)

    return change


def operands(place: int, side: str, values: list[int]) -> Callable[[Any, Any], None]:
    def change(graph: Any, _: Any) -> None:
        setattr(graph.operators[place], side, values)

    return change


def backwards(graph: Any, _: Any) -> None:
    graph.operators.reverse()


def short_buffer(graph: Any, model: Any) -> None:
    model.buffers[1].data = model.buffers[1].data[:-3]


def called_without_end(graph: Any, model: Any) -> None:
    fuzz.subgraphs(model, type("Loop", (), {"randrange": lambda *_: 2, "choice": lambda *x: 0})())


# Tensors: 0 image, 1 inside, 2 first values, 3 kernel, 4 bias; operator 1 is the convolution.
UNSOUND: dict[str, tuple[Callable[[Any, Any], None], str]] = {
    "a variable that is an activation": (set_tensor(2, isVariable=True), "variable"),
    "a variable that is the input": (set_tensor(0, isVariable=True), "variable"),
    "a variable that is a kernel": (set_tensor(3, isVariable=True), "variable"),
    "a zero point of 2^31": (zero_point(2, 2**31), "zero point 2147483648"),
    "a zero point of -2^63": (zero_point(0, -(2**63)), "not a valid uint8"),
    "a zero point of 300": (zero_point(2, 300), "not a valid int8"),
    "a padding out of range": (option(1, "padding", 99), "padding 99"),
    "a padding below 0": (option(1, "padding", -128), "padding -128"),
    "an activation out of range": (option(1, "fusedActivationFunction", 17), "activation 17"),
    "a stride of 0": (option(1, "strideW", 0), "stride_width 0"),
    "a type out of range": (set_tensor(2, type=99), "type 99"),
    "a negative type": (set_tensor(2, type=-3), "type -3"),
    "an operand out of range": (operands(1, "inputs", [1, 99, 4]), "do not exist"),
    "no kernel": (operands(1, "inputs", [1, -1, 4]), "lacks one of the 2 inputs"),
    "no inputs": (operands(1, "inputs", []), "lacks one of the 2 inputs"),
    "no output": (operands(1, "outputs", []), "has no output"),
    "operators in the wrong order": (backwards, "writes"),
    "its own output for input": (operands(1, "inputs", [2, 3, 4]), "writes"),
    "a kernel of three bytes too few": (short_buffer, "the file holds"),
    "a kernel of another shape": (set_tensor(3, shape=[8, 3, 3, 4]), "the file holds"),
    "an activation of 8 GB": (set_tensor(2, shape=[1, 2**15, 2**15, 8]), "GiB"),
    "an input of 3 GB": (set_tensor(0, shape=[1, 2**15, 2**15, 3]), "GiB"),
    "forty dimensions": (set_tensor(2, shape=[1] * 40), "40 dimensions"),
    "a negative dimension": (set_tensor(2, shape=[1, 8, -8, 8]), "dimension of -8"),
    "a graph that calls itself": (called_without_end, "calls itself"),
}


@pytest.mark.parametrize("kind", UNSOUND)
def test_what_cannot_be_is_refused_when_read(kind: str, tmp_path: Path) -> None:
    change, said = UNSOUND[kind]
    path = written(tmp_path, changed(change))
    for use in (read_model, toolkit.load, load_raw):
        with pytest.raises(ModelError) as refused:
            use(path)
        assert said in str(refused.value), kind
        assert "\n" not in str(refused.value)


def test_the_sound_network_is_read_and_runs(tmp_path: Path) -> None:
    for content in (networks.float_network(), sound()):
        path = written(tmp_path, content)
        assert inspect_model(read_model(path)).macs > 0
        assert load_raw(path)(FRAME)["scores"].shape == (1, networks.CLASSES)


def recurrent_network() -> bytes:
    """A state in a tensor that is marked as a variable, and an operator that keeps it."""
    random, sketch = np.random.default_rng(0), networks.Sketch()
    row = sketch.tensor("row", (1, 4), np.float32)
    state = sketch.tensor("state", (1, 3), np.float32)
    sketch.graph.tensors[state].isVariable = True
    weights = [
        sketch.tensor(f"w{i}", shape, np.float32, values=random.normal(0, 1, shape))
        for i, shape in enumerate(((3, 4), (3, 3), (3,)))
    ]
    out = sketch.tensor("out", (1, 3), np.float32)
    rnn = networks.schema.BuiltinOperator.RNN
    sketch.operator(rnn, [row, *weights, state], [out], "RNNOptions", fusedActivationFunction=1)
    return sketch.finished([row], [out])


def test_a_variable_that_an_operator_keeps_is_sound(tmp_path: Path) -> None:
    model = read_model(written(tmp_path, recurrent_network()))
    engine = load_engine(model, CPU)
    engine.set_input(np.ones((1, 4), np.float32))
    assert engine.invoke().shape == (1, 3)


# What no table tells: the runtime itself dies, or raises.


DYING = """\
import os, signal, sys
class Interpreter:
    def __init__(self, model_content, num_threads, **_):
        {what}
"""


@pytest.fixture(params=["fork", "new process"])
def dying_runtime(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Another LiteRT in the place of the real one, in child processes alone."""
    forks = request.param == "fork"
    monkeypatch.setattr(trial_process, "can_fork", lambda: forks)

    def install(what: str) -> None:
        package = tmp_path / "dying" / ("dying_litert" if forks else "ai_edge_litert")
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "interpreter.py").write_text(DYING.format(what=what))
        if forks:
            monkeypatch.syspath_prepend(package.parent)
            monkeypatch.setitem(model_trial.MODULES, "litert", "dying_litert.interpreter")
        else:
            monkeypatch.setenv("PYTHONPATH", str(package.parent))

    return install


def test_a_fork_is_made_where_no_other_thread_runs() -> None:
    threaded = sys.modules.keys() & {"tensorflow", "openvino"}
    expected = sys.platform == "linux" and not threaded
    assert trial_process.can_fork() == (expected and threading.active_count() == 1)
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        assert not trial_process.can_fork()
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("runtime", ["tensorflow", "openvino"])
def test_no_fork_is_made_of_a_runtime_with_threads(
    runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A valid model was refused after a minute: OpenVINO waited for threads that were not there."""
    monkeypatch.setitem(sys.modules, runtime, sys)
    assert not trial_process.can_fork()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "dies while it loads this model (signal 11)"),
        ("os.abort()", "(signal 6)"),
        ("os._exit(3)", "(exit 3)"),
        ("bytearray(2**40)", "of memory"),
        ("os.write(2, b\"terminate called after 'std::bad_alloc'\"); os.abort()", "of memory"),
        ("raise RuntimeError('no such\\noperator')", "cannot load this model: no such operator"),
        ("while True: pass", "s when it runs this model"),
    ],
)
def test_a_runtime_that_dies_is_one_line(
    dying_runtime: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    what: str,
    said: str,
) -> None:
    dying_runtime(what)
    monkeypatch.setattr(trial, "_PATIENCE_SECONDS", 1 if "while" in what else 30)
    path = written(tmp_path, sound())
    with pytest.raises(ModelError) as refused:
        load_raw(path, CPU)
    assert str(refused.value).startswith(str(path))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    # It is tried again the next time: a full memory is no fault of the file.
    assert not (tmp_path / "cache").exists()


def test_each_file_is_tried_once(
    empty_cache: Path, dying_runtime: Callable[[str], None], tmp_path: Path
) -> None:
    path = written(tmp_path, sound())
    first = load_raw(path)(FRAME)["scores"]
    (kept,) = (empty_cache / "trials").iterdir()
    assert "LiteRT" in kept.read_text()
    dying_runtime("os.abort()")
    # No process is started any more, so nothing dies.
    assert (load_raw(path)(FRAME)["scores"] == first).all()
    path.write_bytes(networks.float_network())
    with pytest.raises(ModelError, match="dies"):
        load_raw(path)


def test_a_cache_that_cannot_be_written_costs_time_alone(empty_cache: Path, tmp_path: Path) -> None:
    empty_cache.write_text("a file where the folder would be")
    path = written(tmp_path, sound())
    assert load_raw(path)(FRAME)["scores"].shape == (1, networks.CLASSES)


def test_where_no_process_can_be_started_the_model_still_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    assert load_raw(written(tmp_path, sound()))(FRAME)["scores"].shape == (1, networks.CLASSES)


def test_commands_on_a_model_that_dies_or_raises(tmp_path: Path) -> None:
    """The real runtime: an operator that reads what is not there ends in one line everywhere."""
    missing = changed(operands(3, "inputs", [5, 8, 9]))
    path = written(tmp_path, missing)
    pictures = tmp_path / "pictures"
    for label in networks.LABELS[:2]:
        (pictures / label).mkdir(parents=True)
        (pictures / label / "a.png").write_bytes(_png())
    for command in (
        ("run", path, *SAMPLE),
        ("run", path, "--raw", *SAMPLE),
        ("eval", path, "--data", pictures, "--split", "all"),
        ("bench", path),
    ):
        assert_one_clear_line(cnnedge(*command), path.name)


def _png() -> bytes:
    import cv2

    return bytes(cv2.imencode(".png", FRAME)[1])


# cnnedge.json, labels and what else is packed behind the tables.

TOLD = json.dumps(fuzz.PROVENANCE)
LYING = {
    "a seed that is text": ('"seed": 0', '"seed": "x"', "data.seed"),
    "a seed of 400 digits": ('"seed": 0', '"seed": ' + "9" * 400, "64 bits"),
    "NaN": ('"seed": 0', '"seed": NaN', "NaN"),
    "infinity": ('"accuracy": 0.9', '"accuracy": 1e999', "too large"),
    "an accuracy of 9": ('"accuracy": 0.9', '"accuracy": 9', "accuracy.accuracy"),
    "an accuracy that is a list": ('"accuracy": 0.9', '"accuracy": [1]', "accuracy.accuracy"),
    "an interval of one": ("[0.88, 0.92]", "[0.88]", "ci95"),
    "splits that are a number": ('"splits": {', '"splits": 3, "of": {', "splits"),
    "splits of more than all": ('"train": 0.8', '"train": 0.9', "add up to 1"),
    "a path that is an object": ('"source": "embedded:fashion_mnist"', '"source": {}', "source"),
    "techniques that are text": ('"techniques": []', '"techniques": "x"', "techniques"),
    "another input": ('"height": 16', '"height": 32', "input is 32x16x3"),
    "an input without height": ('"height": 16', '"hight": 16', "input.height"),
    "a colour that is none": ('"RGB"', '"CMYK"', "CMYK"),
    "a rule that is none": ('"resize": "stretch"', '"resize": "x"', "resize rule"),
    "nested without end": ('"format": 1', '"format": ' + "[" * 50_000 + "]" * 50_000, "deeply"),
    "nested too deeply": ('"format": 1', '"format": ' + "[" * 100 + "]" * 100, "deeply"),
    "a whole list": (TOLD, "[1, 2]", "an object"),
    "no JSON": (TOLD, "{", "damaged"),
}


@pytest.mark.parametrize("kind", LYING)
def test_what_a_file_says_of_itself_is_read_strictly(kind: str, tmp_path: Path) -> None:
    old, new, said = LYING[kind]
    assert old in TOLD
    path = written(tmp_path, fuzz.with_provenance(sound(), TOLD.replace(old, new)))
    with pytest.raises(ModelError) as refused:
        read_model(path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_lies_through_the_command_line(tmp_path: Path) -> None:
    path = written(tmp_path, fuzz.with_provenance(sound(), "[" * 50_000 + "]" * 50_000))
    for command in (("inspect", path), ("run", path, *SAMPLE), ("eval", path), ("bench", path)):
        assert_one_clear_line(cnnedge(*command), "cnnedge.json")


def test_keys_of_other_versions_are_kept_and_not_looked_at(tmp_path: Path) -> None:
    told = json.loads(TOLD) | {"later": {"deep": [1]}}
    told["data"]["later"] = told["accuracy"]["later"] = {"x": None}
    path = written(tmp_path, fuzz.with_provenance(sound(), json.dumps(told)))
    found = read_model(path).provenance
    assert found is not None and found.data is not None and found.accuracy is not None
    assert found.raw["later"] == {"deep": [1]}
    assert (found.accuracy.count, found.data.splits.test) == (2000, 0.1)


def test_the_least_that_an_older_version_wrote_is_enough(tmp_path: Path) -> None:
    nothing = {"accuracy": None, "calibration": None, "data": None}
    # As of a run on pictures of none of the model's classes.
    unmeasured = {"accuracy": {"accuracy": None, "ci95": None, "count": 9, "drop_points": None}}
    for told in ({}, {"recipe": "r"}, nothing, unmeasured):
        path = tmp_path / "old.tflite"
        size = InputSize(height=networks.SIDE, width=networks.SIDE)
        write_model(path, sound(), labels=networks.LABELS, size=size, provenance=told)
        assert read_model(path).provenance is not None
        assert toolkit.load(path)(FRAME).label in networks.LABELS


def test_no_escape_code_reaches_the_terminal(tmp_path: Path) -> None:
    told = json.loads(TOLD) | {"recipe": "\x1b[31mred", "cnnedge": "\x1b]0;x\x07", "x": "\ud800"}
    content = fuzz.with_provenance(sound(), json.dumps(told), "\x1b[2Ja\n\u202eb\n\x9bc\nd")
    path = written(tmp_path, content)
    for command in (("inspect", path), ("run", path, *SAMPLE), ("inspect", path, "--json", "-")):
        done = cnnedge(*command)
        assert done.returncode == 0, done.stderr
        for character in ("\x1b", "\x07", "\x9b", "\u202e"):
            assert character not in done.stdout + done.stderr
    model = toolkit.load(path)
    assert model.labels == ("�[2Ja", "�b", "�c", "d")


def test_one_label_of_sixteen_million_characters(tmp_path: Path) -> None:
    content = fuzz.with_provenance(sound(), TOLD, "x" * (15 * 2**20) + "\nb\nc\nd")
    path = written(tmp_path, content)
    model = read_model(path)
    assert model.labels is not None
    assert [len(name) for name in model.labels] == [1000, 1, 1, 1]
    assert "label 0 has 15,728,640 characters" in model.assumptions[0]
    started = time.monotonic()
    done = cnnedge("inspect", path)
    # It took minutes.
    assert time.monotonic() - started < 30
    assert done.returncode == 0, done.stderr
    assert "15,728,640 characters" in done.stdout


def test_a_million_labels_are_left_out_with_a_word(tmp_path: Path) -> None:
    content = fuzz.with_provenance(sound(), TOLD, "a\n" * 10**6)
    model = read_model(written(tmp_path, content))
    assert model.labels is None
    assert "1,000,000 labels" in model.assumptions[0]


def test_a_file_that_says_it_is_ours_and_computes_no_probabilities_is_told(tmp_path: Path) -> None:
    def no_softmax(graph: Any, _: Any) -> None:
        graph.outputs = [graph.operators[-1].inputs[0]]
        del graph.operators[-1]

    content = changed(no_softmax, networks.float_network())
    model = toolkit.load(written(tmp_path, fuzz.with_provenance(content, TOLD)))
    assert any("may not be probabilities" in said for said in model.assumptions)
    sure = toolkit.load(written(tmp_path, fuzz.with_provenance(networks.float_network(), TOLD)))
    assert sure.assumptions == []


# A slice of what the mutator makes: more of it is for longer runs.


def used(path: Path) -> str:
    """What became of a file in each use: an answer, or one line. Anything else is raised."""
    said = []
    for use in (lambda: inspect_model(read_model(path)).as_json(), lambda: load_raw(path)(FRAME)):
        try:
            use()
            said.append("answered")
        except CnnedgeError as error:
            assert "\n" not in str(error)
            said.append(str(error))
    return "; ".join(said)


def test_mutants_end_in_an_answer_or_in_one_line(tmp_path: Path) -> None:
    count = int(os.environ.get("CNNEDGE_MUTANTS", "60"))
    for number, content in enumerate(fuzz.mutants(7, count)):
        path = written(tmp_path, content, f"mutant{number}.tflite")
        assert used(path)
        path.unlink()


def test_mutants_are_the_same_for_the_same_seed() -> None:
    assert list(fuzz.mutants(3, 20)) == list(fuzz.mutants(3, 30))[:20]
    assert len(set(fuzz.mutants(3, 30))) > 25
