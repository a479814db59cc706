"""The command line as a whole: fast, lazy, and clear about wrong usage."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import click
import pytest

from cnnedge.cli import COMMANDS, group
from cnnedge.cli.study.command import STUDIES
from support.command import assert_one_clear_line, cnnedge


def python(code: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(code)], capture_output=True, text=True
    )


def test_importing_cnnedge_imports_next_to_nothing() -> None:
    listed = python("import cnnedge", "-X", "importtime").stderr
    for heavy in ("tensorflow", "tf_keras", "numpy", "cv2", "rich", "yaml"):
        assert f" {heavy}\n" not in listed, heavy


def test_help_imports_no_command() -> None:
    done = python("""
        import sys
        from cnnedge.cli import group
        try:
            group(["--help"])
        except SystemExit:
            pass
        heavy = {"rich", "numpy", "cv2", "yaml", "tensorflow"} & set(sys.modules)
        assert not heavy, heavy
    """)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert f"  {name} " in done.stdout


def test_labelling_waits_for_no_recipes_and_no_benchmarks() -> None:
    done = python("""
        import sys
        import cnnedge.cli.run.command, cnnedge.live, cnnedge.model
        idle = {"yaml", "cnnedge.specs.recipe", "cnnedge.benchmark", "cnnedge.targets"}
        assert not idle & set(sys.modules), idle & set(sys.modules)
    """)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [*((name,) for name in COMMANDS if name != "study"), *(("study", name) for name in STUDIES)],
)
def test_every_command_has_help_and_verbose(words: tuple[str, ...]) -> None:
    done = cnnedge(*words, "--help")
    assert done.returncode == 0, done.stderr
    assert "--verbose" in done.stdout
    assert "--json" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "Did you mean 'train'"),
        (["run"], "Missing argument"),
        (["run", "m.tflite", "--threads", "0"], "0"),
        (["bench", "m.tflite", "--protocol", "slow"], "slow"),
        (["train", "fashion_cnn", "--resume", "--force"], "cannot be used together"),
        (["convert", "R", "--variant", "int9"], "int9"),
    ],
)
def test_wrong_usage_is_exit_2(arguments: list[str], said: str) -> None:
    done = cnnedge(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_version() -> None:
    assert cnnedge("--version").stdout.startswith("cnnedge, version ")


@pytest.mark.parametrize("kind", ["recipes", "models", "devices"])
def test_what_is_shipped_is_listed(kind: str, tmp_path: Path) -> None:
    done = cnnedge(kind, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    listed = json.loads(cnnedge(kind, "--json", "-", cwd=tmp_path).stdout)
    assert listed
    expected = {"recipes": "fashion_cnn", "models": "lenet", "devices": "local"}[kind]
    assert expected in done.stdout


def test_a_recipe_prints_and_parses_back(tmp_path: Path) -> None:
    from cnnedge.specs import parse_recipe

    text = cnnedge("recipes", "fashion_cnn").stdout
    assert parse_recipe(text, "printed").model == "fashion_cnn"


def test_models_shows_the_arithmetic() -> None:
    shown = cnnedge("models", "lenet").stdout
    assert "(28 + 2*1 - 3)/1 + 1 = 28" in shown
    assert "(14 - 5)/1 + 1 = 10" in shown
    assert "59,810" in shown
    assert "fully connected" in shown


def test_models_of_a_file_with_errors_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "input: {height: 8, width: 8, channels: 1}\nlayers:\n  - Conv2d: {filters: 3}\n"
    )
    done = cnnedge("models", "./m.yaml", cwd=tmp_path)
    assert_one_clear_line(done, "m.yaml:3", "Conv2D")


def test_inspect_own_and_foreign(int8_model: Path, plain_models: dict[str, Path]) -> None:
    own = json.loads(cnnedge("inspect", int8_model, "--json", "-").stdout)
    assert own["labels"] == ["circle", "cross", "square"]
    assert own["cnnedge"]["preprocess"]["resize"] == "letterbox"
    assert own["inputs"][0]["dtype"] == "uint8"
    assert own["inputs"][0]["scales"] == [1.0]
    foreign = cnnedge("inspect", plain_models["float32"], "--operators")
    assert "not made by cnnedge" in foreign.stdout
    assert "CONV_2D" in foreign.stdout


WITHOUT_TENSORFLOW = """
    import sys

    class Refuse:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ("tensorflow", "tf_keras", "keras"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Refuse())
    from cnnedge.cli import group
    group(ARGUMENTS, prog_name="cnnedge")
"""


def without_tensorflow(*arguments: object) -> subprocess.CompletedProcess[str]:
    return python(WITHOUT_TENSORFLOW.replace("ARGUMENTS", repr([str(a) for a in arguments])))


def test_the_runtime_side_needs_no_tensorflow(int8_model: Path, shapes: Path) -> None:
    for arguments in (
        ["run", int8_model, "--source", "sample", "--frames", 5],
        ["eval", int8_model, "--data", shapes],
        ["inspect", int8_model],
        ["recipes"],
        ["models", "lenet"],
    ):
        done = without_tensorflow(*arguments)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["train", "convert"])
def test_a_missing_extra_says_the_line_that_installs_it(command: str, trained_run: Path) -> None:
    argument = "fashion_cnn" if command == "train" else trained_run
    done = without_tensorflow(command, argument)
    assert_one_clear_line(done, "pip install 'cnnedge[train]'")


def test_a_closed_pipe_is_no_traceback(int8_model: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m cnnedge models lenet | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr


def test_what_the_package_names_is_there() -> None:
    done = python("""
        import cnnedge
        for name in cnnedge.__all__:
            assert getattr(cnnedge, name), name
        assert callable(cnnedge.bench) and callable(cnnedge.load)
        cnnedge.nothing
    """)
    assert "no attribute 'nothing'" in done.stderr
    assert "AssertionError" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [("train",), ("convert",), ("eval",), ("bench",), ("inspect",), (), ("run", "-z")]
)
def test_too_little_or_unknown_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    done = cnnedge(*arguments)
    assert done.returncode == 2
    assert "Usage:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["recipes", "models", "devices"])
def test_lists_are_complete(kind: str) -> None:
    from cnnedge.specs import shipped

    names = shipped.names(kind)  # type: ignore[arg-type]
    lines = cnnedge(kind).stdout.splitlines()
    for name in names:
        assert any(line.startswith(f"{name} ") for line in lines), name
    assert set(json.loads(cnnedge(kind, "--json", "-").stdout)[kind]) == set(names)


def test_an_unknown_recipe_is_answered_with_the_nearest() -> None:
    assert_one_clear_line(cnnedge("recipes", "fashion_cn"), "Did you mean 'fashion_cnn'")


def test_inspect_says_what_travels(int8_model: Path, plain_models: dict[str, Path]) -> None:
    shown = cnnedge("inspect", int8_model).stdout
    for part in (
        "uint8 [1, 24, 24, 3]",
        "scale 1, zero point 0",
        "CONV_2D",
        "recipe shapes",
        "circle · cross · square",
        "resized by letterbox",
        "RGB 0..255",
    ):
        assert part in shown
    assert "none in the file" in cnnedge("inspect", plain_models["float32"]).stdout


def test_json_goes_to_a_file_too(int8_model: Path, tmp_path: Path) -> None:
    done = cnnedge("inspect", int8_model, "--json", tmp_path / "deep" / "out.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "deep" / "out.json").read_text())["labels"]
    assert "operators" in done.stdout
    assert_one_clear_line(cnnedge("inspect", int8_model, "--json", tmp_path), str(tmp_path))


def test_bench_needs_no_tensorflow(int8_model: Path) -> None:
    done = without_tensorflow("bench", int8_model)
    assert done.returncode == 0, done.stderr
    assert "int8.tflite" in done.stdout


def test_disturbing_a_file_needs_no_tensorflow(int8_model: Path, tmp_path: Path) -> None:
    words = ("study", "invariance", int8_model, "--quick", "--out", tmp_path / "s")
    done = without_tensorflow(*words)
    assert done.returncode == 0, done.stderr
    assert "costs most" in done.stdout
    for name in ("attack", "capsule", "mlp_vs_cnn"):
        words = ("study", name, *([int8_model.parents[1]] if name == "attack" else []))
        assert_one_clear_line(without_tensorflow(*words), "pip install 'cnnedge[train]'")


def test_a_missing_extra_leaves_everything_as_it_was(trained_run: Path, tmp_path: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in trained_run.rglob("*")}
    without_tensorflow("train", "mnist_cnn", "--out", tmp_path / "run")
    without_tensorflow("convert", trained_run)
    assert not (tmp_path / "run").exists()
    assert {p: p.stat().st_mtime_ns for p in trained_run.rglob("*")} == before


def test_a_reader_that_goes_away_is_answered_with_silence(int8_model: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cnnedge", "inspect", str(int8_model), "--json", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait(timeout=60)


def test_verbose_shows_where_an_error_came_from(tmp_path: Path) -> None:
    done = cnnedge("inspect", tmp_path / "none.tflite", "-v")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "Error:" in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    for each in (command, *getattr(command, "commands", {}).values()):
        for option in (p for p in each.params if isinstance(p, click.Option)):
            assert option.help, f"{each.name} {option.opts[0]}"
