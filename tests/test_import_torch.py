"""PyTorch networks become runs that answer as PyTorch does; what would run code is refused."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

pytest.importorskip("tf_keras")

from cnnedge.importing.torch_opened import LITERT_TORCH
from support.command import call
from support.environments import IMPORT_CACHE, import_environment

CODE = """
import torch

class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 8, 3, 2)
        self.norm = torch.nn.BatchNorm2d(8)
        self.last = torch.nn.Linear(8, 4)

    def forward(self, x):
        return self.last(torch.relu(self.norm(self.first(x))).mean((2, 3)) * 3)

def network():
    torch.manual_seed(0)
    return Network()

class Fickle(torch.nn.Module):
    def forward(self, x):
        return x if torch.compiler.is_exporting() else x * 1.5

def fickle():
    found = network()
    found.norm = torch.nn.Sequential(found.norm, torch.nn.ReLU(), Fickle())
    return found

nothing = 7
"""
MAKE = """
import sys, types
sys.modules["torchvision._meta_registrations"] = types.ModuleType("none")
import timm, torch
from safetensors.torch import save_file
from theirs import network
torch.manual_seed(0)
any_batch = {"x": {0: torch.export.Dim.DYNAMIC}}
example = (torch.zeros(2, 3, 24, 24),)
program = torch.export.export(network().eval(), example, dynamic_shapes=any_batch)
torch.export.save(program, "any_batch.pt2")
model = timm.create_model("mobilenetv3_small_050", pretrained=False, num_classes=4)
for part in model.modules():
    if isinstance(part, torch.nn.BatchNorm2d):
        part.momentum = None
model(torch.randn(8, 3, 64, 64))
save_file(model.state_dict(), "weights.safetensors")
torch.save(model.state_dict(), "weights.pth")
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, made in the environment that cnnedge makes and keeps."""
    folder = tmp_path_factory.mktemp("torch")
    (folder / "theirs.py").write_text(CODE)
    (folder / "labels.txt").write_text("a\nb\nc\nd\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNEDGE_CACHE", str(IMPORT_CACHE))
        python = import_environment(LITERT_TORCH)
        done = subprocess.run([python, "-c", MAKE], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        yield folder


KINDS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "an exported program": ("any_batch.pt2", ("--pixels", "-1..1", "--bgr"), "-1..1"),
    "code": ("theirs.py:network", ("--trust", "--input", "24x24", "--pixels", "0..1"), "0..1"),
    "timm": (
        "timm:mobilenetv3_small_050",
        ("--weights", "weights.safetensors", "--input", "64x64"),
        "timm's mean and std",
    ),
}


@pytest.mark.heavy
@pytest.mark.parametrize("name", KINDS)
def test_a_network_answers_as_pytorch_does(
    name: str, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sources)
    source, options, pixels = KINDS[name]
    words = ("--out", tmp_path / "run", "--labels", "labels.txt")
    done = call("import", source, *words, *options)
    assert done.exit_code == 0, done.output + repr(done.exception)
    found = json.loads((tmp_path / "run" / "import.json").read_text())
    assert found["network"] == "frozen" and found["kind"].startswith("PyTorch, ")
    assert found["preprocess"]["pixels"] == pixels
    assert found["parity"]["max_abs"] < 1e-5
    assert found["parity"]["labels_agree"] == found["parity"]["count"] == 16
    if name == "timm":
        rule = {k: found["preprocess"][k] for k in ("resize", "interpolation", "crop_fraction")}
        crop = {"resize": "center_crop", "interpolation": "pillow_bicubic", "crop_fraction": 0.875}
        assert rule == crop


@pytest.mark.heavy
def test_a_module_that_does_something_else_when_it_is_exported(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sources)
    words = ("--labels", "labels.txt", "--trust", "--input", "24x24", "--pixels", "0..1")
    done = call("import", "theirs.py:fickle", "--out", tmp_path / "run", *words)
    assert done.exit_code == 3, done.output + repr(done.exception)
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("Error")]
    assert "The first layer that parts is 'norm.2' (mul)" in line


@pytest.mark.heavy
def test_what_does_not_fit_is_one_line(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sources)
    Path("cut.safetensors").write_bytes(Path("weights.safetensors").read_bytes()[:-100])
    for source, weights, expected in (
        ("timm:resnet18", "weights.pth", "of another network (117 of its 122 tensors are missing"),
        ("timm:mobilenetv3_small_050", "cut.safetensors", "was it cut short? Download it again"),
        ("timm:nothing", "weights.pth", "timm.list_models() lists them"),
    ):
        words = ("--out", tmp_path / "run", "--labels", "labels.txt")
        refused(call("import", source, *words, "--weights", weights), expected)
    Path("needs.py").write_text("import nothing_of_the_kind")
    words = ("--out", tmp_path / "run", "--trust", "--input", "24x24")
    refused(call("import", "needs.py:network", *words), "-m pip install nothing_of_the_kind")
    assert not (tmp_path / "run").exists()


def refused(done: Result, *expected: str) -> None:
    assert done.exit_code == 1, done.output + repr(done.exception)
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("Error")]
    for part in expected:
        assert part in line


def program() -> dict[str, Any]:
    """The JSON of an exported program, as far as its loader would execute anything."""
    spec = '[1, {"type": "builtins.tuple", "context": "null", "children_spec": []}]'
    node = {"target": "torch.ops.aten.relu.default", "inputs": [], "outputs": [], "metadata": {}}
    graph = {
        "nodes": [node],
        "tensor_values": {"x": {"sizes": [{"as_expr": {"expr_str": "s77"}}]}},
        "custom_obj_values": {},
    }
    calls = [{"fqn": "", "signature": {"in_spec": spec, "out_spec": spec}}]
    return {
        "graph_module": {"graph": graph, "module_call_graph": calls},
        "guards_code": [],
        "range_constraints": {},
    }


def _operator(found: dict[str, Any]) -> None:
    found["graph_module"]["graph"]["nodes"][0]["target"] = "torch.ops.aten.from_file.default"


def _python_operator(found: dict[str, Any]) -> None:
    found["graph_module"]["graph"]["nodes"][0]["target"] = "os.system"


def _size(found: dict[str, Any]) -> None:
    size = found["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][0]
    size["as_expr"]["expr_str"] = "__import__('os').system('touch executed')"


def _structure(found: dict[str, Any]) -> None:
    signature = found["graph_module"]["module_call_graph"][0]["signature"]
    signature["in_spec"] = '[1, {"__enum__": true, "fqn": "evil:Evil", "name": "x"}]'


def _class(found: dict[str, Any]) -> None:
    signature = found["graph_module"]["module_call_graph"][0]["signature"]
    signature["out_spec"] = '[1, {"type": "evil.Evil", "context": "null"}]'


def _subgraph(found: dict[str, Any]) -> None:
    found["graph_module"]["graph"]["nodes"][0]["inputs"] = [{"arg": {"as_graph": {"name": "g"}}}]


def _objects(found: dict[str, Any]) -> None:
    found["graph_module"]["graph"]["custom_obj_values"] = {"x": {"class_fqn": "evil.Evil"}}


PROGRAMS: dict[Callable[[dict[str, Any]], None], str] = {
    _operator: "the operator 'torch.ops.aten.from_file.default'",
    _python_operator: "the operator 'os.system'",
    _size: 'the size "__import__',
    _structure: "the structure",
    _class: "the structure",
    _subgraph: "a graph within the graph",
    _objects: "objects of other classes",
}
PARTS = {
    "data/aotinductor/model/model.so": "the part 'm/data/aotinductor/model/model.so'",
    "data/constants/custom_obj_0": "the part 'm/data/constants/custom_obj_0'",
    "../../evil": "the part 'm/../../evil'",
}


def archive(path: Path, found: dict[str, Any], **more: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("m/archive_format", b"pt2")
        file.writestr("m/models/model.json", json.dumps(found))
        for name, content in more.items():
            file.writestr(f"m/{name}", content)
    return path


@pytest.mark.parametrize("change", PROGRAMS, ids=lambda change: change.__name__)
def test_programs_that_would_execute_something(
    change: Callable[[dict[str, Any]], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = program()
    change(found)
    source = archive(tmp_path / "m.pt2", found)
    nothing_starts(source, tmp_path, monkeypatch, PROGRAMS[change], "it was not loaded")


@pytest.mark.parametrize("name", PARTS)
def test_programs_with_more_in_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = archive(tmp_path / "m.pt2", program(), **{name: b"x"})
    nothing_starts(source, tmp_path, monkeypatch, PARTS[name])


def test_pickled_weights_in_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"config": {"w": {"path_name": "weight_0", "use_pickle": True, "tensor_meta": None}}}
    held = {"data/weights/model_weights_config.json": json.dumps(config).encode()}
    source = archive(tmp_path / "m.pt2", program(), **held)
    nothing_starts(source, tmp_path, monkeypatch, "the pickled weights 'w'")


def test_a_damaged_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = archive(tmp_path / "m.pt2", {"graph_module": 3})
    nothing_starts(source, tmp_path, monkeypatch, "damaged")


def nothing_starts(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *expected: str
) -> None:
    """Refused in one line, before an environment is made for it."""
    monkeypatch.setenv("CNNEDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))
    refused(call("import", source, "--out", tmp_path / "run", "--pixels", "0..1"), *expected)
    assert sorted(os.listdir(tmp_path)) == before


def test_code_runs_only_if_it_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil.py").write_text("open('executed', 'w')\n")
    nothing_starts(tmp_path / "evil.py:network", tmp_path, monkeypatch, "runs evil.py", "--trust")


def test_weights_are_not_what_runs_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    (tmp_path / "evil.pth").write_bytes(pickle.dumps(subprocess.Popen))
    monkeypatch.chdir(tmp_path)
    words = ("import", "timm:resnet18", "--out", tmp_path / "run")
    refused(call(*words), "--weights FILE.safetensors")
    refused(call(*words, "--weights", "evil.pth"), "may run code")
    refused(call(*words, "--weights", "nothing.pth"), "expected a .safetensors file")
    refused(call("import", "x.pt2", *words[2:], "--weights", "evil.pth"), "timm:NAME")
    refused(call("import", "timm:resnet-18", *words[2:]), "such as timm:resnet50")
