"""The order of the house: who may import whom, and where printing lives."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import cnnedge

SOURCE = Path(cnnedge.__file__).parent
# In import order: each module imports only from those above it (or its own folder).
ORDER = (
    "_version",
    "errors",
    "specs",
    "preprocess",
    "files",
    "caches",
    "seals",
    "native_stderr",
    "child_process",
    "conditions",
    "results",
    "pages",
    "bundle",
    "inspection",
    "pictures",
    "pixel_check",
    "data",
    "encoding",
    "decoding",
    "engines",
    "classifier",
    "raw_model",
    "camera",
    "overlay",
    "display",
    "pipeline",
    "model",
    "benchmark",
    "comparison",
    "bench_report",
    "targets",
    "scoring",
    "device_scoring",
    "web",
    "architectures",
    "packing",
    "converter",
    "training",
    "compression",
    "conversion",
    "verification",
    "cli",
)
DEVICE_SIDE = ORDER[: ORDER.index("architectures")]
WORKSHOP_ONLY = ("tensorflow", "tf_keras", "tensorflow_model_optimization", "matplotlib", "sklearn")
FILES = sorted(SOURCE.rglob("*.py"))


def home(path: Path) -> str:
    """The top-level module that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path, *, top_level_only: bool = False) -> list[str]:
    """Absolute names of what a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    package = ["cnnedge", *path.relative_to(SOURCE).parts[:-1]]
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += [f"{module}.{alias.name}" for alias in node.names]
    return found


def test_every_module_has_its_place_in_the_order() -> None:
    there = {home(p) for p in FILES} - {"__init__", "__main__", "embedded"}
    assert there == set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_one_way(path: Path) -> None:
    own = home(path)
    if own in ("__init__", "__main__"):
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "cnnedge" and len(parts) > 1 and parts[1] in ORDER:
            assert ORDER.index(parts[1]) <= ORDER.index(own), f"{own} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_the_device_side_knows_no_tensorflow(path: Path) -> None:
    if home(path) in DEVICE_SIDE:
        for name in imports(path, top_level_only=True):
            assert name.split(".")[0] not in WORKSHOP_ONLY, name


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_only_the_command_line_prints(path: Path) -> None:
    if home(path) == "cli":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("print", "click.echo", "sys.stdout.write"), called


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_modules_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 420


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_python_is_started_with_the_working_directory_on_its_path(path: Path) -> None:
    words = [n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)]
    assert "-m" not in words, "child_process.python_words starts a module safely"


def test_packages_are_all_installed() -> None:
    import configparser

    config = configparser.RawConfigParser()
    setup = SOURCE.parents[1] / "setup.cfg"
    config.read(setup)
    listed = set(config["options"]["packages"].split())
    there = {"cnnedge"} | {
        ".".join(["cnnedge", *p.parent.relative_to(SOURCE).parts]) for p in FILES
    }
    assert listed == there | {"cnnedge.recipes", "cnnedge.models", "cnnedge.devices"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_opens_with_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)) or not text.strip()
