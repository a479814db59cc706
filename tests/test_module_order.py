"""The order of the house: who may import whom, and where printing lives."""

from __future__ import annotations

import ast
import functools
import sys
from pathlib import Path

import cnnedge

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from house import CONTRIBUTING, DEVICE_SIDE, ORDER, with_table

SOURCE = Path(cnnedge.__file__).parent
WORKSHOP_ONLY = ("tensorflow", "tf_keras", "tensorflow_model_optimization", "matplotlib", "sklearn")
FILES = sorted(SOURCE.rglob("*.py"))


def home(path: Path) -> str:
    """The top-level module that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def shown(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@functools.cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


def imports(path: Path) -> list[str]:
    """Absolute names of what a file imports."""
    nodes = list(ast.walk(parsed(path)))
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


def test_the_map_of_the_house_is_current() -> None:
    text = CONTRIBUTING.read_text("utf-8")
    assert with_table(text) == text, "run: python scripts/house.py --write"


def test_imports_go_one_way() -> None:
    wrong = []
    for path in FILES:
        own = home(path)
        if own in ("__init__", "__main__"):
            continue
        for name in imports(path):
            parts = name.split(".")
            if parts[0] != "cnnedge" or len(parts) < 2 or parts[1] not in ORDER:
                continue
            if ORDER.index(parts[1]) > ORDER.index(own):
                wrong.append(f"{shown(path)} imports {name}")
    assert not wrong


def test_the_device_side_knows_no_tensorflow() -> None:
    """Nor does any function of it: but for `keras:` data sets, which Keras itself downloads."""
    wrong = [
        f"{shown(path)} imports {name}"
        for path in FILES
        if home(path) in DEVICE_SIDE and shown(path) != "data/named.py"
        for name in imports(path)
        if name.split(".")[0] in WORKSHOP_ONLY
    ]
    assert not wrong


def test_only_the_command_line_prints() -> None:
    printing = ("print", "click.echo", "sys.stdout.write")
    wrong = [
        f"{shown(path)}:{node.lineno}"
        for path in FILES
        if home(path) != "cli"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in printing
    ]
    assert not wrong


def test_modules_stay_small() -> None:
    assert not [shown(p) for p in FILES if len(text_of(p).splitlines()) > 420]


def test_no_python_is_started_with_the_working_directory_on_its_path() -> None:
    wrong = [
        f"{shown(path)}:{node.lineno}: child_process.python_words starts a module safely"
        for path in FILES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and node.value == "-m"
    ]
    assert not wrong


def test_a_module_opens_with_what_it_is() -> None:
    wrong = [p for p in FILES if text_of(p).strip() and not ast.get_docstring(parsed(p))]
    assert not [shown(p) for p in wrong]


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


def test_templates_are_all_installed() -> None:
    import configparser

    config = configparser.RawConfigParser()
    config.read(SOURCE.parents[1] / "setup.cfg")
    rooms = {
        ".".join(["cnnedge", *p.parent.relative_to(SOURCE).parts])
        for p in SOURCE.rglob("templates")
    }
    shipped = config["options.package_data"]
    assert rooms == {room for room, files in shipped.items() if "templates/*" in files.split(", ")}
